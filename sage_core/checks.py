"""Checks of what people plug in, with messages that say what was expected and what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .conditioning import Conditioning, text_width
from .groups import PromptGroups


def check_cfg(cfg: float) -> None:
    if not math.isfinite(cfg):
        raise ValueError(f"cfg: expected a finite number, got {cfg}.")


def check_finite(latent: Any, name: str) -> None:
    for part in latent.unbind() if latent.is_nested else [latent]:
        bad = int((~torch.isfinite(part)).sum())
        if bad:
            raise ValueError(f"{name}: expected finite values, got {bad} NaN or infinite of {part.numel()}.")


def check_latent(model_patcher: Any, latent: Any) -> None:
    """The host stretches an empty latent to the model's channels, but not one with a picture in it."""
    check_finite(latent, "latent_image")
    if latent.is_nested:
        return
    expected, got = model_patcher.get_model_object("latent_format").latent_channels, latent.shape[1]
    if got != expected and torch.count_nonzero(latent) > 0:
        raise ValueError(f"latent_image: expected {expected} channels, got {got}. Encode it with the model's VAE.")


def check_text_width(model_patcher: Any, groups: PromptGroups, negative: Conditioning) -> None:
    """The groups, the negative prompt and the model have to come from the same kind of text encoder."""
    check_groups(groups)
    if not negative:
        raise ValueError("negative: expected a CONDITIONING with at least one entry, got an empty one.")
    width, other = text_width(groups.conditionings[0]), text_width(negative)
    if width != other:
        raise ValueError(
            f"groups: their prompts were encoded with text width {width}, the negative prompt has {other}. "
            "Encode both with the CLIP that belongs to the model."
        )
    expected = model_patcher.model.model_config.unet_config.get("context_dim")
    if isinstance(expected, int) and width is not None and width != expected:
        raise ValueError(
            f"groups: the model expects text width {expected}, the prompts have {width}. "
            "Connect the CLIP that belongs to the model to Semantic Group Prompts."
        )


def check_groups(groups: object) -> None:
    if not isinstance(groups, PromptGroups):
        raise ValueError(f"groups: expected the output of Semantic Group Prompts, got {type(groups).__name__}.")


def images_a_prompt(images: torch.Tensor, n_prompts: int, name: str = "images") -> int:
    """How many variations of every prompt a batch of images has.

    Args:
        images: (N * V, height, width, channels), prompt-major.

    Raises:
        ValueError: it is no such batch.
    """
    if images.ndim != 4:
        raise ValueError(f"{name}: expected a batch of images (4 dimensions), got {images.ndim} dimensions.")
    variations, rest = divmod(len(images), n_prompts)
    if rest or not variations:
        raise ValueError(
            f"{name}: expected an image a prompt, or the same number for each of the {n_prompts} prompts, got "
            f"{len(images)} images."
        )
    return variations


def check_model(model: dict[str, Any], prefix: dict[str, Any]) -> None:
    """
    Raises:
        ValueError: names each difference.
    """
    differences = [
        f"{key} {prefix[key]} in the prefix, {model[key]} here" for key in prefix if model[key] != prefix[key]
    ]
    if differences:
        raise ValueError(f"prefix: made with another kind of model ({'; '.join(differences)}).")


def check_choice(name: str, value: str, options: Sequence[str]) -> None:
    if value not in options:
        raise ValueError(f"{name}: expected one of {', '.join(options)}, got {value!r}.")
