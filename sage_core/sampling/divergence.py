"""Measures how far the pictures of a group's prompts diverge: one model evaluation per prompt, before sampling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import comfy.samplers
import torch
from torch.nn import functional as F

from ..grouping.partition import Partition
from ..sharing.plan import Level
from . import latents
from .job import Job
from .level_runner import LevelRunner, plain_guider
from .model_patches import GUIDANCE_OPTIONS
from .progress import Progress

# Rows and columns of a grid on the picture. Its largest cell counts, since a small thing may be all that differs.
_GRID = 4


@dataclass
class DivergenceProbe:
    """Answers what a share mode asks of the model (see `ModelProbe`), and counts what that costs.

    Attributes:
        groups: prompt indices by group.
        evaluations: model evaluations made so far.
    """

    runner: LevelRunner
    job: Job
    groups: Partition
    evaluations: int = 0

    @property
    def cfg(self) -> float:
        """The guidance scale."""
        return self.runner.guider.cfg

    def noise_ratios(self) -> list[float]:
        """The noise ratio at the start of every step."""
        sampling = self.runner.guider.model_patcher.get_model_object("model_sampling")
        return [noise_ratio(sampling, float(sigma)) for sigma in self.job.sigmas[:-1]]

    def divergences(self) -> list[float]:
        """The divergence of every group; see `group_divergences`."""
        with Progress(None, 0) as progress:
            found = group_divergences(self.runner, self.job, self.groups, progress)
        self.evaluations += progress.done
        return found


def group_divergences(runner: LevelRunner, job: Job, groups: Partition, progress: Progress) -> list[float]:
    """For every group how far the pictures of its prompts are apart, in the model's latent units; 0 for groups of one.

    Every prompt's denoised prediction of the same noise is compared: the first variation at the first sigma, without
    the negative prompt. It costs one evaluation per prompt of a group of two or more.

    Source: ours; benchmarks/share_modes.py measures what it predicts.
    """
    asked = [prompt for members in groups if len(members) > 1 for prompt in members]
    if not asked:
        return [0.0] * len(groups)
    level = Level(tuple((prompt,) for prompt in asked), None)
    # No guidance takes part, nor learns of it: what keeps a state from call to call (APG) would go on with that later.
    options = {key: value for key, value in runner.guider.model_options.items() if key not in GUIDANCE_OPTIONS}
    positive_only = plain_guider(runner.guider.model_patcher, options, 1.0)
    probe = replace(runner, guider=positive_only, on_finished=None, one_cluster_per_run=False)
    result = probe.run(_first_call(job), level, None, progress)
    predictions = dict(zip(asked, latents.first_part(result.denoised), strict=True))
    return [
        divergence(torch.stack([predictions[prompt] for prompt in members])) if len(members) > 1 else 0.0
        for members in groups
    ]


def divergence(predictions: torch.Tensor) -> float:
    """Root mean square distance of predictions from their mean, in the cell of a 4 x 4 grid where it is largest.

    Args:
        predictions: (members, channels, ..., height, width), or (members, channels, time).
    """
    predictions = predictions - predictions[:1]  # so that equal ones are 0 apart, and not a last digit
    squares = (predictions - predictions.mean(0)).float().square().mean((0, 1))
    squares = squares.view(-1, *(squares.shape[-2:] if squares.ndim > 1 else (1, len(squares))))
    height, width = (min(_GRID, size) for size in squares.shape[-2:])
    return float(F.adaptive_avg_pool2d(squares, (height, width)).max().sqrt())


def noise_ratio(model_sampling: Any, sigma: float) -> float:
    """How much stronger the noise is than the picture in the model's input at a sigma."""
    one, none = torch.ones(1), torch.zeros(1)
    at = torch.tensor([sigma])
    noise, picture = (float(model_sampling.noise_scaling(at, *parts)) for parts in ((one, none), (none, one)))
    return noise / picture if picture else float("inf")


def noise_fraction(model_sampling: Any, sigma: float) -> float:
    """The part of noise in the model's input at a sigma, 0 to 1: noise / (noise + picture)."""
    return 1 - 1 / (1 + noise_ratio(model_sampling, sigma))


def _first_call(job: Job) -> Job:
    """The same job for one variation and one call of the model."""
    sigmas = torch.cat([job.sigmas[:1], job.sigmas.new_zeros(1)])
    sampler = comfy.samplers.KSAMPLER(_predict_once)
    return replace(job.first_variation(), sampler=sampler, sigmas=sigmas)


def _predict_once(
    model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: dict[str, Any] | None = None,
    callback: Any = None, disable: Any = None,
) -> torch.Tensor:  # fmt: skip
    """A sampler that ends on the model's first prediction."""
    denoised: torch.Tensor = model(x, sigmas[0] * x.new_ones(len(x)), **(extra_args or {}))
    if callback is not None:
        callback({"x": x, "i": 0, "sigma": sigmas[0], "sigma_hat": sigmas[0], "denoised": denoised})
    return denoised
