"""Measures how far the pictures of a group's prompts diverge: one model evaluation per prompt, before sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import comfy.samplers
import torch
from torch.nn import functional as F

from ..grouping.partition import Partition
from ..sharing.plan import Level
from . import latents
from .job import Job
from .level_runner import LevelRunner
from .progress import Progress

_GRID = 4


def group_divergences(engine: LevelRunner, job: Job, groups: Partition, progress: Progress) -> list[float]:
    """For every group how far apart its prompts' pictures are, in the model's latent units; 0 for one alone.

    Every prompt's denoised prediction of the same noise is compared, that of the first variation at the first sigma,
    without the negative prompt: one evaluation a prompt that is not alone.

    Source: ours; benchmarks/share_modes.py measures what it foretells.
    """
    asked = [prompt for members in groups if len(members) > 1 for prompt in members]
    if not asked:
        return [0.0] * len(groups)
    level = Level(tuple((prompt,) for prompt in asked), None)
    result = replace(engine, cfg=1.0).run(_first_call(job), level, None, progress, one_cluster_per_run=False)
    predictions = dict(zip(asked, latents.first_part(result.denoised), strict=True))
    return [
        divergence(torch.stack([predictions[prompt] for prompt in members])) if len(members) > 1 else 0.0
        for members in groups
    ]


def divergence(predictions: torch.Tensor) -> float:
    """Root mean square distance from their mean, in that cell of a grid of 4 x 4 where it is largest: what differs may
    be a small thing.

    Args:
        predictions: (members, channels, ..., height, width), or (members, channels, time).
    """
    apart = (predictions - predictions.mean(0)).float().square().mean((0, 1))
    apart = apart.view(-1, *(apart.shape[-2:] if apart.ndim > 1 else (1, len(apart))))
    height, width = (min(_GRID, size) for size in apart.shape[-2:])
    return float(F.adaptive_avg_pool2d(apart, (height, width)).max().sqrt())


def noise_ratio(model_sampling: Any, sigma: float) -> float:
    """How much louder the noise is than the picture in the model's input at a sigma."""
    one, none = torch.ones(1), torch.zeros(1)
    at = torch.tensor([sigma])
    noise, picture = (float(model_sampling.noise_scaling(at, *parts)) for parts in ((one, none), (none, one)))
    return noise / picture if picture else float("inf")


def _first_call(job: Job) -> Job:
    """The same job for one variation and one call of the model."""
    return replace(
        job, **{name: latents.select_clusters(getattr(job, name), [0], job.variations) for name in ("noise", "latent_image")},
        sampler=comfy.samplers.KSAMPLER(_ask_once), sigmas=torch.cat([job.sigmas[:1], job.sigmas.new_zeros(1)]),
    )  # fmt: skip


def _ask_once(
    model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: dict[str, Any] | None = None,
    callback: Any = None, disable: Any = None,
) -> torch.Tensor:  # fmt: skip
    """A sampler that ends on the model's first prediction."""
    denoised: torch.Tensor = model(x, sigmas[0] * x.new_ones(len(x)), **(extra_args or {}))
    if callback is not None:
        callback({"x": x, "i": 0, "sigma": sigmas[0], "sigma_hat": sigmas[0], "denoised": denoised})
    return denoised
