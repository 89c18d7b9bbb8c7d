"""Counts evaluations while they happen, and shows all rows of a level in ComfyUI's own preview."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from tqdm.auto import tqdm

from ..sharing.plan import Level
from .contact_sheet import contact_sheet, shrinking

# Rows of a level that are kept for previews as they are; of more about the pixels that a contact sheet shows.
_MOST_WHOLE = 256

# Makes what is shown of a level's newest denoised rows, (rows, channels, ...).
Preview = Callable[[torch.Tensor], torch.Tensor]

# ComfyUI's sampler callback: (step, denoised, x, total steps).
StepCallback = Callable[[int, Any, Any, int], None]


class ProgressListener(Protocol):
    """Who hears of a sampling run while it goes on; evaluations are given as done and planned."""

    def start(self, done: int, total: int) -> None:
        """The run begins."""

    def start_level(self, level: Level, variations: int) -> None:
        """What follows is of this level: one row per cluster and variation."""

    def evaluated(self, done: int) -> None:
        """Some evaluations reached the model."""

    def show(self, latents: torch.Tensor, done: int, total: int) -> None:
        """The level's newest denoised rows, (rows, channels, ...)."""

    def end(self, latents: torch.Tensor | None, done: int, total: int) -> None:
        """The run is over; its last rows, or None where it was stopped, failed or made none."""


class Progress:
    """Counts evaluations against the plan, and reports them to a sampler callback whose "steps" are evaluations.

    Attributes:
        done: evaluations that reached the model.
        total: evaluations planned (grows if more turn out to be needed; falls at the end if fewer were).
    """

    def __init__(
        self, callback: StepCallback | None, total: int, *, done: int = 0, bar: bool = False,
        listener: ProgressListener | None = None, preview: Preview | None = None,
    ) -> None:  # fmt: skip
        self.callback = callback
        self.preview = preview or contact_sheet
        self.listener = listener
        self.total = total
        self.done = done
        self.tqdm = tqdm(total=total, initial=done, unit="eval", disable=not bar)
        self._rows = 0
        self._latents: torch.Tensor | None = None

    def start_level(self, level: Level, variations: int) -> None:
        """The next previews are of this level: one row per cluster and variation."""
        self._rows, self._latents = len(level.clusters) * variations, None
        if self.listener is not None:
            self.listener.start_level(level, variations)

    def add(self, evaluations: int) -> None:
        """Count evaluations that have reached the model."""
        self.done += evaluations
        self.total = max(self.total, self.done)
        self.tqdm.total = self.total
        self.tqdm.update(self.done - self.tqdm.n)
        if self.listener is not None:
            self.listener.evaluated(self.done)

    def show(self, denoised: torch.Tensor, clusters: list[int]) -> None:
        """Take the newest denoised rows of some clusters, and report.

        Args:
            denoised: (clusters * variations, channels, ...).
        """
        if self.callback is None and self.listener is None:
            return
        if self._rows > _MOST_WHOLE and denoised.ndim >= 4 and self.preview is contact_sheet:
            step = max(1, shrinking(self._rows, *denoised.shape[-2:]) // 2)  # the sheet is shrunk again
            denoised = denoised[..., ::step, ::step]
        if self._latents is None or self._latents.shape[1:] != denoised.shape[1:]:  # some samplers enlarge them
            self._latents = denoised.new_zeros((self._rows, *denoised.shape[1:]))
        for cluster, part in zip(clusters, denoised.chunk(len(clusters)), strict=True):
            self._latents[cluster * len(part) : (cluster + 1) * len(part)] = part
        self._call_back()
        if self.listener is not None:
            self.listener.show(self._latents, self.done, self.total)

    def _call_back(self) -> None:
        if self.callback is not None and self._latents is not None:
            shown = self.preview(self._latents)
            self.callback(self.done - 1, shown, shown, self.total)

    def __enter__(self) -> Progress:
        if self.listener is not None:
            self.listener.start(self.done, self.total)
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if not kind and self.done < self.total:  # fewer were enough: every bar ends full all the same
            self.total = self.tqdm.total = self.done
            self._call_back()
        self.tqdm.close()
        if self.listener is not None:
            self.listener.end(None if kind else self._latents, self.done, self.total)
