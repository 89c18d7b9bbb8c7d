"""Predicts at which sigmas a sampler calls the model, by running it on one tiny latent."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import comfy.patcher_extension
import comfy.samplers
import torch


@dataclass(frozen=True)
class ModelCalls:
    """The model calls of one run.

    Attributes:
        sigmas: of every call, in order.
        evaluations_per_row: 2 where the negative prompt is evaluated too, 1 where not.
        keep_size: whether all are for latents of one size.
    """

    sigmas: tuple[float, ...]
    evaluations_per_row: int
    keep_size: bool


def predict_model_calls(guider: comfy.samplers.CFGGuider, sampler: Any, sigmas: torch.Tensor) -> ModelCalls | None:
    """What a sampler will ask of the model, by way of a guider.

    The sampler itself is run, on one tiny latent, with a stand-in for the model's answers. Two different
    answers show a sampler whose calls depend on the image.

    Returns:
        The calls, or None if they depend on the image (dpm_adaptive) or the sampler cannot be probed.
    """
    try:
        calls = {_probe(guider, sampler, sigmas, scale) for scale in (0.0, 0.9)}
    except Exception:
        logging.debug("SAGE: sampler %s cannot be probed", sampler, exc_info=True)
        return None
    return calls.pop() if len(calls) == 1 else None


def _probe(guider: comfy.samplers.CFGGuider, sampler: Any, sigmas: torch.Tensor, scale: float) -> ModelCalls:
    calls: list[float] = []
    sizes: set[torch.Size] = set()
    asked = 0

    def answer(
        executor: Any, model: Any, conds: list, x: torch.Tensor, sigma: torch.Tensor, options: Any
    ) -> list[torch.Tensor]:
        nonlocal asked
        calls.append(float(sigma[0]))
        sizes.add(x.shape)
        asked = sum(cond is not None for cond in conds)
        # Uneven over the latent, so that step-size control sees an error to react to.
        ramp = torch.linspace(0, scale, x.numel()).view_as(x)
        return [torch.sin(3 * x) * ramp] * len(conds)

    probe = copy.copy(guider)
    probe.model_options = {}
    probe.inner_model = SimpleNamespace(model_sampling=guider.model_patcher.get_model_object("model_sampling"))
    probe.conds = {kind: [] for kind in guider.original_conds} or {"positive": [], "negative": []}
    if hasattr(probe, "uncond_model_patcher"):  # ComfyUI's guider with a second model, which it loads for a run
        probe.uncond_inner, probe._uncond_conds = probe.inner_model, []
    options = {key: guider.model_options[key] for key in ("disable_cfg1_optimization",) if key in guider.model_options}
    wrappers = {comfy.patcher_extension.WrappersMP.CALC_COND_BATCH: {"sage": [answer]}}
    options["transformer_options"] = {"sample_sigmas": sigmas, "wrappers": wrappers}
    noise = torch.sin(torch.arange(16.0)).view(1, 1, 4, 4)
    with torch.random.fork_rng(devices=[]):
        sampler.sample(
            probe, sigmas.cpu(), {"model_options": options, "seed": 0}, None, noise, torch.zeros_like(noise),
            None, disable_pbar=True,
        )  # fmt: skip
    return ModelCalls(tuple(calls), asked, len(sizes) < 2)
