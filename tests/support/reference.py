"""What the laws compare with: ComfyUI's own KSampler, one prompt at a time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import sha256
from typing import Any

import comfy.samplers
import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.planner import Planner
from comfyui_sage.sage_core.sharing.plan import SharePlan
from models import MODELS, conditioning, latent

import nodes as comfy_nodes

SAMPLERS = comfy.samplers.KSampler.SAMPLERS
SCHEDULERS = comfy.samplers.KSampler.SCHEDULERS
SHARES = (0.0, 0.25, 0.5, 0.9, 1.0)
EXACT = 1e-5
"""Relative error that batching rows differently explains in fp32."""

SOME_SAMPLERS = ("euler", "dpmpp_2m", "dpmpp_2m_sde", "euler_ancestral", "ddim", "uni_pc", "euler_cfg_pp")
"""One or more of every kind."""

SETTINGS: dict[str, Any] = {
    "seed": 5, "steps": 8, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
}  # fmt: skip


ADAPTIVE = {"dpm_adaptive"}
"""Samplers that choose their own steps."""


def sampler_settings(sampler_name: str) -> dict[str, Any]:
    """Settings for a law that holds for every sampler: no more calls of the model than it takes.

    Six steps, since no sampler looks back at more than four. An adaptive one gets few sigmas to cross: as the networks
    have random weights it takes very small steps, a hundred calls from the largest sigma to 0.
    """
    if sampler_name in ADAPTIVE:
        return {"sampler_name": sampler_name, "steps": 6, "scheduler": "karras", "denoise": 0.25}
    return {"sampler_name": sampler_name, "steps": 6}


def grouped(
    conditionings: Sequence[Any], partition: Sequence[Sequence[int]], *, group_condition: str = "mean",
    names: tuple[str, ...] = (),
) -> PromptGroups:  # fmt: skip
    """Groups as if Semantic Group Prompts had made them."""
    return PromptGroups(
        prompts=names or tuple(f"prompt {index}" for index in range(len(conditionings))),
        conditionings=tuple(conditionings),
        embeddings=np.ones((len(conditionings), 1), dtype=np.float32),
        partition=tuple(tuple(members) for members in partition),
        threshold=0.0,
        threshold_mode="fixed",
        encoder="test",
        group_condition=group_condition,
    )


def plan_levels(patch: pytest.MonkeyPatch, branches: Sequence[tuple[tuple[int, ...], int]], prompts: int) -> None:
    """Every sampling plans these clusters, each shared for so many steps."""

    def plan(self: Planner) -> tuple[SharePlan, int]:
        found = [(cluster, float(self.job.sigmas[steps])) for cluster, steps in branches]
        return SharePlan.from_branches(found, prompts), 0

    patch.setattr(Planner, "plan", plan)


def different(family: str, count: int) -> list[Any]:
    """`count` conditionings that differ."""
    return [conditioning(family, seed=10 + index) for index in range(count)]


_REFERENCES: dict[Hashable, torch.Tensor] = {}


def comfy_ksampler(
    family: str, positive: Any, image: dict[str, Any], model: Any = None, **settings: Any
) -> torch.Tensor:
    """ComfyUI's KSampler. Equal calls without a model of the caller's own are computed once."""
    use = {**SETTINGS, **settings}
    negative = use.pop("negative", None) or conditioning(family, seed=1)
    key = None if model else _content([family, positive, negative, image, use])
    if key in _REFERENCES:
        return _REFERENCES[key].clone()
    samples = comfy_nodes.common_ksampler(
        model or MODELS[family](), use["seed"], use["steps"], use["cfg"], use["sampler_name"], use["scheduler"],
        positive, negative, image, denoise=use["denoise"],
    )[0]["samples"]  # fmt: skip
    if key is not None:
        _REFERENCES[key] = samples.clone()
    return samples


def ksampler_for_each(family: str, prompts: list, image: dict, sampler_name: str) -> torch.Tensor:
    """The images of ComfyUI's KSampler, prompt by prompt."""
    settings = sampler_settings(sampler_name)
    return torch.cat([comfy_ksampler(family, prompt, image, **settings) for prompt in prompts])


def _content(value: Any) -> Hashable:
    """A hashable value for nested plain data; None if it contains anything else, such as a ControlNet."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, sha256(value.contiguous().numpy().tobytes()).digest()
    if isinstance(value, dict):
        value = [part for key in sorted(value) for part in (key, value[key])]
    if isinstance(value, list | tuple):
        parts = tuple(map(_content, value))
        return None if None in parts else parts
    return (type(value), value) if value is None or isinstance(value, str | int | float) else None


def sage(
    family: str, groups: PromptGroups, image: dict[str, Any], *, share: float, model: Any = None, **settings: Any
) -> torch.Tensor:
    """The one-node sampler."""
    use = {**SETTINGS, **settings}
    negative = use.pop("negative", conditioning(family, seed=1))
    return ksampler.sample(model or MODELS[family](), groups, negative, image, share=share, **use)[0]["samples"]


def sage_in_two(
    family: str, groups: PromptGroups, image: dict[str, Any], *, share: float, model: Any = None, **settings: Any
) -> torch.Tensor:
    """Shared KSampler Prefix, then Branch KSampler."""
    use = {**SETTINGS, **settings}
    negative = use.pop("negative", conditioning(family, seed=1))
    model = model or MODELS[family]()
    prefix, _ = ksampler.sample_prefix(model, groups, negative, image, share=share, **use)
    return ksampler.sample_branch(model, prefix)[0]["samples"]


def small(family: str, batch: int = 1, **kwargs: Any) -> dict[str, Any]:
    return latent(family, batch=batch, **kwargs)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference relative to the size of `b`."""
    assert a.shape == b.shape, f"{tuple(a.shape)} against {tuple(b.shape)}"
    return float((a - b).abs().max() / b.abs().max())


def assert_equal(a: torch.Tensor, b: torch.Tensor, tolerance: float = EXACT) -> None:
    assert torch.isfinite(b).all(), "the reference is not finite: it would prove nothing"
    assert difference(a, b) <= tolerance


def check_laws(family: str, image: dict[str, Any], *, model: Any = None, prompts: list | None = None,
          tolerance: float = 1e-5, **settings: Any) -> None:  # fmt: skip
    """Share 0 is ComfyUI's KSampler for each prompt, so are equal prompts at any share; two nodes are one.

    With correction too, and so are prompts that make every call themselves.
    """
    prompts = prompts or different(family, 2)
    alone = [comfy_ksampler(family, prompt, image, model=model, **settings) for prompt in prompts]
    groups = grouped(prompts, [tuple(range(len(prompts)))])
    images = sage(family, groups, image, share=0.0, model=model, **settings)
    assert_equal(images, torch.cat(alone), tolerance)
    twins = grouped(prompts[:1] * 2, [(0, 1)])
    images = sage(family, twins, image, share=0.5, model=model, **settings)
    assert_equal(images, torch.cat(alone[:1] * 2), tolerance)
    one = sage(family, groups, image, share=0.5, model=model, **settings)
    assert_equal(sage_in_two(family, groups, image, share=0.5, model=model, **settings), one, tolerance)
    assert difference(one, torch.cat(alone)) > 1e-3, "nothing was shared: the case would prove nothing"
    use = {"model": model, "correction": "on", **settings}
    assert_equal(sage(family, twins, image, share=0.5, **use), torch.cat(alone[:1] * 2), tolerance)
    assert_equal(sage(family, groups, image, share=1e-9, **use), torch.cat(alone), tolerance)
