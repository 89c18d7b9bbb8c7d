"""Predicts at which sigmas a sampler calls the model, by running it on one tiny latent."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import comfy.model_patcher
import comfy.samplers
import torch


@dataclass(frozen=True)
class ModelCalls:
    """The model calls of one run.

    Attributes:
        sigmas: of every call, in order.
        evaluations_a_row: 2 where the negative prompt is evaluated too, 1 where not.
    """

    sigmas: tuple[float, ...]
    evaluations_per_row: int


def predict_model_calls(
    model_patcher: comfy.model_patcher.ModelPatcher, model_options: dict[str, Any], sampler: Any,
    sigmas: torch.Tensor, cfg: float,
) -> ModelCalls | None:  # fmt: skip
    """What a sampler will ask of the model.

    The sampler itself is run, on one tiny latent, with a stand-in for the model's answers. Two different
    answers show a sampler whose calls depend on the image.

    Returns:
        The calls, or None if they depend on the image (dpm_adaptive) or the sampler cannot be probed.
    """
    keep = {key: model_options[key] for key in ("disable_cfg1_optimization",) if key in model_options}
    try:
        calls = {_probe(model_patcher, keep, sampler, sigmas, cfg, scale) for scale in (0.0, 0.9)}
    except Exception:
        logging.debug("SAGE: sampler %s cannot be probed", sampler, exc_info=True)
        return None
    return calls.pop() if len(calls) == 1 else None


def _probe(
    model_patcher: Any, model_options: dict[str, Any], sampler: Any, sigmas: torch.Tensor, cfg: float, scale: float
) -> ModelCalls:
    calls: list[float] = []
    asked = 0

    def answer(args: dict[str, Any]) -> list[torch.Tensor]:
        nonlocal asked
        calls.append(float(args["sigma"][0]))
        asked = sum(cond is not None for cond in args["conds"])
        # Uneven over the latent, so that step-size control sees an error to react to.
        ramp = torch.linspace(0, scale, args["input"].numel()).view_as(args["input"])
        return [torch.sin(3 * args["input"]) * ramp] * len(args["conds"])

    guider = comfy.samplers.CFGGuider(model_patcher)
    guider.model_options = {}
    guider.set_cfg(cfg)
    guider.inner_model = SimpleNamespace(model_sampling=model_patcher.get_model_object("model_sampling"))
    guider.conds = {"positive": [], "negative": []}
    options = {
        **model_options,
        "sampler_calc_cond_batch_function": answer,
        "transformer_options": {"sample_sigmas": sigmas},
    }
    noise = torch.sin(torch.arange(16.0)).view(1, 1, 4, 4)
    with torch.random.fork_rng(devices=[]):
        sampler.sample(
            guider, sigmas.cpu(), {"model_options": options, "seed": 0}, None, noise, torch.zeros_like(noise),
            None, disable_pbar=True,
        )  # fmt: skip
    return ModelCalls(tuple(calls), asked)
