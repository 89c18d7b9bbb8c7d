"""What can be saved as pictures named after their prompts: all images of all prompts, and no videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..phrases import shorten
from ..validation import images_per_prompt

# Prompts in a message.
_MOST_NAMED = 10

_INSTEAD = (
    "For videos, or for some of the images: connect Split by Prompt, and after it ComfyUI's Create Video and Save "
    "Video, or Save Image."
)
_AFTER_THE_BRANCH = (
    "For these, use Branch KSampler and VAE Decode, then Split by Prompt, then ComfyUI's Create Video and Save Video."
)


def variations_to_save(images: torch.Tensor, n_prompts: int, stated: int | None) -> int:
    """How many images of every prompt there are to save.

    Args:
        images: (N * V, height, width, channels), prompt-major.
        stated: how many there should be, see `graph_settings.stated_variations`; None if that is not known. Frames
            of a video are more, and a selection is less; both would get wrong names.

    Raises:
        ValueError: they are not the images of all prompts; says what to do.
    """
    try:
        variations = images_per_prompt(images, n_prompts)
    except ValueError as error:
        raise ValueError(f"{error} {_INSTEAD}") from None
    if stated not in (None, variations):
        raise ValueError(
            f"images: expected {stated} of each of the {n_prompts} prompts (the batch_size of the latent), got "
            f"{len(images)} images. {_INSTEAD}"
        )
    return variations


def check_pictures(samples: Any, name: str = "prefix", advice: str = _AFTER_THE_BRANCH) -> None:
    """Check that latents are those of pictures.

    Args:
        samples: of a LATENT, a tensor or ComfyUI's nested one.
        name: of the input, for the error.
        advice: what to do instead.

    Raises:
        ValueError: they are those of videos, or of video with sound; says what to do.
    """
    if samples.is_nested:
        got = "video with sound"
    elif samples.ndim == 5 and samples.shape[2] > 1:
        got = f"videos ({samples.shape[2]} latent frames)"
    else:
        return
    raise ValueError(f"{name}: expected latents of pictures, got {got}. {advice}")


def not_saved(prompts: Sequence[str], broken: Sequence[int]) -> str:
    """What to tell of prompts whose pictures are no pictures, see `ImageFiles.save`.

    Args:
        broken: their indices.
    """
    named = ", ".join(f"{prompt + 1} ({shorten(prompts[prompt], 60)!r})" for prompt in broken[:_MOST_NAMED])
    more = f" and {len(broken) - _MOST_NAMED} more" if len(broken) > _MOST_NAMED else ""
    return (
        f"No file for prompt {named}{more}: expected finite values, got NaN or infinity, which would be a black "
        "picture. Start ComfyUI with --fp32-vae, or try another precision of the model."
    )
