"""The noise of prompts whose seeds differ."""

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
            latent: prompt-major, with the same number of rows and their `batch_index` for every prompt.
        """
        prompts_of: dict[int, list[int]] = {}
        for prompt, seed in enumerate(self._seeds):
            prompts_of.setdefault(seed, []).append(prompt)
        noise: list[Any] = [None] * len(self._seeds)
        draws: dict[int, Draw] = {}
        for seed, prompts in prompts_of.items():
            batch = Noise_RandomNoise(seed).generate_noise(self._rows_of(latent, prompts))
            draws[seed] = Draw(seed, random_state(self._device))
            for prompt, rows in zip(prompts, latents.chunk(batch, len(prompts)), strict=True):
                noise[prompt] = rows
        self.draws = tuple(draws[seed] for seed in self._seeds)
        return latents.concat(noise)

    def _rows_of(self, latent: Latent, prompts: Sequence[int]) -> Latent:
        count, numbers = len(self._seeds), latent["batch_index"]
        size = len(numbers) // count
        return {
            "samples": latents.select_clusters(latent["samples"], prompts, count),
            "batch_index": [number for prompt in prompts for number in numbers[prompt * size : (prompt + 1) * size]],
        }
