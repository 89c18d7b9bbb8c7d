"""Draws noise inside a sampler as a plain run on the user's latent batch would draw it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from .latents import repeat_rows


class VariationNoise(TorchFunctionMode):
    """While active, Gaussian noise for all rows of a run is drawn for its variations and repeated.

    A run has `clusters * variations` rows, cluster-major. A plain sampler run on the user's latent has only
    the variations, and its noise (ancestral, Brownian, churn, inpainting, of any sampler) comes from
    `torch.randn` or `torch.randn_like` on a shape that leads with the number of rows. Drawing at that one
    place needs no knowledge of any sampler, and gives each cluster the very noise of the plain run.

    Source: ours. The mode must be paused while the model itself runs (see `paused`).
    """

    def __init__(self, clusters: int, variations: int, latent_shape: torch.Size) -> None:
        """`latent_shape`: one row, without the batch dimension."""
        super().__init__()
        self.clusters = clusters
        self.variations = variations
        self.rows = (clusters * variations, *latent_shape)

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.randn and self._is_rows(shape := self._asked_shape(args, kwargs)):
            rest = {key: value for key, value in kwargs.items() if key != "size"}
            return self._repeat(func((self.variations, *shape[1:]), **rest))
        if func is torch.randn_like:
            like = args[0] if args else kwargs["input"]
            if self._is_rows(tuple(like.shape)):
                rest = {key: value for key, value in kwargs.items() if key != "input"}
                return self._repeat(func(like[: self.variations], **rest))
        return func(*args, **kwargs)

    def _is_rows(self, shape: tuple[int, ...]) -> bool:
        """Latents of all rows, of any size: some samplers enlarge them on the way."""
        return len(shape) == len(self.rows) and shape[:2] == self.rows[:2]

    @staticmethod
    def _asked_shape(args: tuple, kwargs: dict[str, Any]) -> tuple[int, ...]:
        size = kwargs.get("size", args)
        if len(size) == 1 and isinstance(size[0], (tuple, list)):
            size = size[0]
        return tuple(size)

    def _repeat(self, noise: torch.Tensor) -> torch.Tensor:
        return repeat_rows(noise, self.clusters)

    def paused(self) -> _Paused:
        """A context in which noise is drawn as usual again (for the model's own use of random numbers)."""
        return _Paused(self)


class _Paused:
    """Leaves a mode for the length of a `with` block; it has to be the innermost active one."""

    def __init__(self, mode: TorchFunctionMode) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.mode.__exit__(None, None, None)

    def __exit__(self, *error: object) -> None:
        self.mode.__enter__()
