"""Splits what a sampler made of all prompts into one part per prompt."""

from __future__ import annotations

from typing import Any

import torch
from comfy.nested_tensor import NestedTensor

from .sampling import latents
from .sampling.latent_rows import MARK, Latent
from .validation import images_per_prompt, rows_per_prompt


def split_latent(latent: Latent, n_prompts: int) -> list[Latent]:
    """The rows of every prompt, with their masks and batch indices; all other keys stay.

    Args:
        latent: N * V rows, prompt-major; its samples are a tensor or ComfyUI's nested one.

    Returns:
        N LATENTs of V rows.

    Raises:
        ValueError: the number of rows is no multiple of the number of prompts.
    """
    samples = latent["samples"]
    rows = rows_per_prompt(latents.count(samples), n_prompts, "latent", "latent")
    split: dict[str, list[Any]] = {"samples": latents.chunk(samples, n_prompts)}
    if latent.get("noise_mask") is not None:
        split["noise_mask"] = _split_mask(latent["noise_mask"], samples, n_prompts)
    if "batch_index" in latent:
        index = list(latent["batch_index"])
        split["batch_index"] = [index[prompt * rows : (prompt + 1) * rows] for prompt in range(n_prompts)]
    rest = {key: value for key, value in latent.items() if key != MARK}
    return [{**rest, **{key: parts[prompt] for key, parts in split.items()}} for prompt in range(n_prompts)]


def split_images(images: torch.Tensor, n_prompts: int) -> list[torch.Tensor]:
    """The images of every prompt; of a video, the frames of all its variations.

    Args:
        images: (N * V, height, width, channels), prompt-major.

    Returns:
        N batches of V images.

    Raises:
        ValueError: the number of images is no multiple of the number of prompts, or they are no batch.
    """
    return list(images.split(images_per_prompt(images, n_prompts)))


def _split_mask(mask: Any, samples: Any, n_prompts: int) -> list[Any]:
    """A denoise mask per prompt, in its own resolution."""
    if not mask.is_nested:
        rows = latents.tile_mask(mask, latents.first_part(samples), 1)
        return [mask] * n_prompts if rows is mask else latents.chunk(rows, n_prompts)  # itself: it holds for all rows
    pairs = zip(mask.unbind(), samples.unbind(), strict=False)  # sound may have no mask
    return [NestedTensor(parts) for parts in zip(*(_split_mask(*pair, n_prompts) for pair in pairs), strict=True)]
