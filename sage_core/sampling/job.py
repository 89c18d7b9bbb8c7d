"""What a sampler is given, and the global random state it starts from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch

from . import latents


class Start(NamedTuple):
    """Where the runs of some clusters begin, cluster-major: noise, latent image and denoise mask (or None)."""

    noise: Any
    latent_image: Any
    denoise_mask: Any


class Draw(NamedTuple):
    """What decides the random numbers of a run: the seed that a sampler gets, and the state of global generators."""

    seed: int | None
    rng: tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Job:
    """What a sampler is given: V variations, from one start for all prompts, or from several.

    Attributes:
        noise, latent_image: (starts * V, channels, ..., height, width).
        denoise_mask: as in ComfyUI's LATENT, or None.
        sampler, sigmas, seed: as ComfyUI's guiders get them.
        rng: state of the global random generators when the job was made (some samplers draw from them).
        start_of: for every prompt the number of its start; empty where there is only one.
        draws: for every start what its runs draw, where prompts have seeds of their own; empty where all have one.
    """

    noise: Any
    latent_image: Any
    denoise_mask: Any
    sampler: Any
    sigmas: torch.Tensor
    seed: int | None
    rng: tuple[torch.Tensor, ...] = field(repr=False)
    start_of: tuple[int, ...] = ()
    draws: tuple[Draw, ...] = field(default=(), repr=False)

    @property
    def starts(self) -> int:
        """The number of different starts."""
        return max(self.start_of, default=0) + 1

    @property
    def variations(self) -> int:
        """V, the number of noise draws."""
        return latents.count(self.noise) // self.starts

    def start(self, prompts: Sequence[int]) -> Start:
        """The start of runs, given one prompt of each."""
        wanted = [self.start_of[prompt] if self.start_of else 0 for prompt in prompts]
        return self._select(wanted, self.starts)

    def is_empty(self, prompt: int) -> bool:
        """Whether a prompt, unlike others, begins from an empty latent: ComfyUI does not scale a batch of these."""
        if self.starts == 1:
            return False
        rows = latents.select_clusters(self.latent_image, [self.start_of[prompt]], self.starts)
        return not any(torch.count_nonzero(part) for part in latents.parts(rows))

    def draw(self, prompt: int) -> Draw:
        """What the runs of a prompt draw."""
        if not self.draws:
            return Draw(self.seed, self.rng)
        return self.draws[self.start_of[prompt] if self.start_of else 0]

    def of_starts(self, prompts: int, draws: Sequence[Draw] = ()) -> Job:
        """The same job, where the rows are those of so many prompts, prompt-major; equal rows are one start.

        Args:
            draws: one per prompt, where these have seeds of their own.
        """
        batches = [batch for batch in (self.noise, self.latent_image, self._row_mask()) if batch is not None]
        found: dict[tuple[Any, ...], int] = {}
        seeds = [draw.seed for draw in draws] or [None] * prompts
        keys = zip(seeds, *(latents.digests(batch, prompts) for batch in batches), strict=True)
        start_of = tuple(found.setdefault(key, len(found)) for key in keys)
        first = [start_of.index(start) for start in range(len(found))]
        return replace(
            self, **self._select(first, prompts)._asdict(), start_of=start_of if len(found) > 1 else (),
            draws=tuple(draws[prompt] for prompt in first) if draws else (),
        )  # fmt: skip

    def of_prompts(self, prompts: Sequence[int]) -> Job:
        """The same job for some of the prompts, in this order."""
        return replace(self, start_of=tuple(self.start_of[prompt] for prompt in prompts)) if self.start_of else self

    def first_variation(self) -> Job:
        """The same job with the first variation of every start only."""
        rows = self.starts * self.variations
        first = self._select(range(0, rows, self.variations), rows)
        return replace(self, **first._asdict())

    def _select(self, wanted: Sequence[int], pieces: int) -> Start:
        """Some pieces of all rows, which are so many pieces of equal size."""
        noise, image, mask = (
            None if batch is None else latents.select_clusters(batch, wanted, pieces)
            for batch in (self.noise, self.latent_image, self._row_mask())
        )
        return Start(noise, image, mask)

    def _row_mask(self) -> Any:
        """The denoise mask with a row for every row of the latents."""
        return None if self.denoise_mask is None else latents.fit_mask(self.denoise_mask, self.latent_image)


def random_state(device: torch.device) -> tuple[torch.Tensor, ...]:
    """State of the global generators a sampler may draw from: the CPU's, and the device's if it is a CUDA one."""
    cuda = (torch.cuda.get_rng_state(device),) if device.type == "cuda" else ()
    return (torch.get_rng_state(), *cuda)


@contextlib.contextmanager
def use_random_state(state: tuple[torch.Tensor, ...], device: torch.device) -> Iterator[None]:
    """Start from a global random state, and restore the one before at the end."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.set_rng_state(state[0])
        if len(state) > 1 and device.type == "cuda":  # a prefix may come from another machine
            torch.cuda.set_rng_state(state[1], device)
        yield
