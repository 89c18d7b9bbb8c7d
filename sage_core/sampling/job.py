"""What a sampler is given, and the global random state it starts from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from . import latents


@dataclass(frozen=True)
class Job:
    """What a sampler is given, for one prompt: the V variations of the user's latent.

    Attributes:
        noise, latent_image: (V, channels, ..., height, width).
        denoise_mask: as in ComfyUI's LATENT, or None.
        sampler, sigmas, seed: as ComfyUI's guiders get them.
        rng: state of the global random generators when the job was made (some samplers draw from them).
    """

    noise: Any
    latent_image: Any
    denoise_mask: Any
    sampler: Any
    sigmas: torch.Tensor
    seed: int | None
    rng: tuple[torch.Tensor, ...] = field(repr=False)

    @property
    def variations(self) -> int:
        """V, the number of noise draws."""
        return latents.count(self.noise)


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
