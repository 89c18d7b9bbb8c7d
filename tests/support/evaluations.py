"""Counts evaluations where they happen: at the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import comfy.model_patcher
import torch


@dataclass
class Evaluations:
    """What went through a denoiser: the rows of each call, and the timestep each row was at."""

    batches: list[int] = field(default_factory=list)
    timesteps: list[float] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """One row through the network once, for one of cond and uncond: what "cost" counts."""
        return sum(self.batches)


@contextmanager
def count_evaluations(patcher: comfy.model_patcher.ModelPatcher) -> Iterator[Evaluations]:
    """Count what really reaches the network, below every wrapper, cache and patch; clones count, too."""
    evaluations = Evaluations()
    network = patcher.model.diffusion_model
    # `forward` only calls the wrappers (a cache may answer there); the network itself is `_forward`.
    name = "_forward" if hasattr(network, "_forward") else "forward"
    original = getattr(network, name)

    def counted(x: Any, timestep: Any, *args: Any, **kwargs: Any) -> Any:
        rows, times = len(_first(x)), _first(timestep)
        evaluations.batches.append(rows)
        evaluations.timesteps.extend(times.reshape(len(times), -1)[:, 0].expand(rows).tolist())
        return original(x, timestep, *args, **kwargs)

    setattr(network, name, counted)
    try:
        yield evaluations
    finally:
        delattr(network, name)


def _first(value: Any) -> torch.Tensor:
    """Of a video with sound, the video; its tokens may have timesteps of their own."""
    return value[0] if isinstance(value, list | tuple) else value
