"""The noise of rows that belong to several prompts: each prompt gets what it gets alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

from ..prompts.prompt_list import own_seed
from . import latents
from .job import Draw, random_state
from .latent_rows import Latent


class OwnSeeds:
    """ComfyUI's RandomNoise for rows of several prompts, each with the noise that it gets alone from its own seed.

    Attributes:
        seed: of the sampler.
        draws: of every prompt, after `generate_noise`.
    """

    def __init__(self, seed: int, offsets: Sequence[int], device: torch.device) -> None:
        """Prepare the noise.

        Args:
            offsets: for every prompt what is added to `seed`, see `own_seed`.
            device: of the model.
        """
        self.seed, self._device = seed, device
        self._seeds = [own_seed(seed, offset) for offset in offsets]
        self.draws: tuple[Draw, ...] = ()

    def generate_noise(self, latent: Latent) -> Any:
        """The noise.

        Args:
            latent: prompt-major, with the same number of rows for every prompt, and their `batch_index` if it was
                given.
        """
        prompts_of: dict[int, list[int]] = {}
        for prompt, seed in enumerate(self._seeds):
            prompts_of.setdefault(seed, []).append(prompt)
        noise: list[Any] = [None] * len(self._seeds)
        draws: dict[int, Draw] = {}
        for seed, prompts in prompts_of.items():
            drawn = self._rows_of(latent, prompts)
            batch = Noise_RandomNoise(seed).generate_noise(drawn)
            draws[seed] = Draw(seed, random_state(self._device))
            pieces = latents.chunk(batch, len(prompts)) if "batch_index" in drawn else [batch] * len(prompts)
            for prompt, rows in zip(prompts, pieces, strict=True):
                noise[prompt] = rows
        self.draws = tuple(draws[seed] for seed in self._seeds)
        return latents.concat(noise)

    def _rows_of(self, latent: Latent, prompts: Sequence[int]) -> Latent:
        """The rows of some prompts with their numbers; without numbers only those of the first: all draw the same."""
        count, numbers = len(self._seeds), latent.get("batch_index")
        if numbers is None:
            return {"samples": latents.select_clusters(latent["samples"], prompts[:1], count)}
        size = len(numbers) // count
        return {
            "samples": latents.select_clusters(latent["samples"], prompts, count),
            "batch_index": [number for prompt in prompts for number in numbers[prompt * size : (prompt + 1) * size]],
        }


def as_plain_batch(noise: torch.Tensor, latent_image: torch.Tensor, seed: int | None, variations: int) -> torch.Tensor:
    """The noise of a plain batch for every prompt, where a sampler has drawn it row by row because of a batch_index.

    PyTorch draws other numbers for a batch than for its rows one by one, if a row is no multiple of 16 numbers.

    Args:
        noise, latent_image: prompt-major, with so many variations of every prompt, numbered from 0.
        seed: of the sampler.

    Returns:
        The noise itself where it was drawn in another way.
    """
    if variations == 1 or seed is None or noise[0].numel() % 16 == 0:
        return noise
    rows, draw = {"samples": latent_image[:variations]}, Noise_RandomNoise(seed)
    by_number = draw.generate_noise({**rows, "batch_index": list(range(variations))})
    if not torch.equal(by_number.to(noise), noise[:variations]):
        return noise
    return latents.repeat_rows(draw.generate_noise(rows).to(noise), len(noise) // variations)
