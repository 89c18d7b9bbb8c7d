"""Checks that a latent, a negative prompt, groups and a prefix fit the model."""

from __future__ import annotations

from typing import Any

import torch

from ..conditioning.combine import Conditioning, text_width
from ..grouping.prompt_groups import PromptGroups, check_groups
from ..socket_values import check_mask, check_samples


def check_fits_model(model_patcher: Any, latent: Any, mask: Any = None) -> None:
    """Check that a latent and its mask are whole and finite, and that it has the model's channels.

    ComfyUI gives an empty latent the model's channels, but not one with a picture in it.

    Raises:
        ValueError: says what was expected and what came.
    """
    check_samples(latent, "latent_image")
    if mask is not None:
        check_mask(mask, "latent_image")
    if latent.is_nested:
        return
    latent_format = model_patcher.get_model_object("latent_format")
    sides, wanted = latent.ndim - 2, latent_format.latent_dimensions
    if sides not in (wanted, wanted - (sides == 2)):  # ComfyUI makes a picture a video of one frame
        raise ValueError(f"latent_image: expected a latent with {wanted} sides, got shape {tuple(latent.shape)}.")
    expected, got = latent_format.latent_channels, latent.shape[1]
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


def check_model(model: dict[str, Any], prefix: dict[str, Any]) -> None:
    """Check that a model is of the kind that a prefix was made with; see `model_identity`.

    Raises:
        ValueError: names each difference.
    """
    differences = [
        f"{key} {prefix[key]} in the prefix, {model[key]} here" for key in prefix if model[key] != prefix[key]
    ]
    if differences:
        raise ValueError(f"prefix: made with another kind of model ({'; '.join(differences)}).")
