"""Checks of inputs that need no ComfyUI, with messages that say what was expected and what came."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch


def check_cfg(cfg: float) -> None:
    """Refuse NaN and infinity.

    Raises:
        ValueError: it is no finite number.
    """
    if not math.isfinite(cfg):
        raise ValueError(f"cfg: expected a finite number, got {cfg}.")


def check_finite(latent: Any, name: str) -> None:
    """Refuse NaN and infinity in a tensor, or in a nested latent.

    Args:
        name: of the input, for the error.

    Raises:
        ValueError: counts the bad values.
    """
    for part in latent.unbind() if latent.is_nested else [latent]:
        bad = int((~torch.isfinite(part)).sum())
        if bad:
            raise ValueError(f"{name}: expected finite values, got {bad} NaN or infinite of {part.numel()}.")


def check_batch(images: torch.Tensor, name: str) -> None:
    """Refuse what is no batch of images with pixels that are numbers.

    Args:
        images: (N, height, width, channels).
        name: of the input, for the error.

    Raises:
        ValueError: another number of dimensions, one of size 0, or NaN or infinite values.
    """
    if images.ndim != 4 or not images.numel():
        raise ValueError(f"{name}: expected a batch of images (4 dimensions, none empty), got {tuple(images.shape)}.")
    check_finite(images, name)


def images_per_prompt(images: torch.Tensor, n_prompts: int, name: str = "images") -> int:
    """How many variations of every prompt a batch of images has.

    Args:
        images: (N * V, height, width, channels), prompt-major.
        name: of the input, for the error.

    Raises:
        ValueError: the number of images is no multiple of the number of prompts, or they are no batch.
    """
    if images.ndim != 4:
        raise ValueError(f"{name}: expected a batch of images (4 dimensions), got {images.ndim} dimensions.")
    return rows_per_prompt(len(images), n_prompts, name, "image")


def rows_per_prompt(rows: int, n_prompts: int, name: str, word: str) -> int:
    """How many rows of a batch every prompt has.

    Args:
        rows: number of rows, prompt-major.
        name: of the input, for the error.
        word: for one row, for the error.

    Raises:
        ValueError: the number of rows is no multiple of the number of prompts.
    """
    per_prompt, rest = divmod(rows, n_prompts)
    if rest or not per_prompt:
        raise ValueError(
            f"{name}: expected one {word} per prompt, or the same number for each of the {n_prompts} prompts, got "
            f"{rows} {word}s."
        )
    return per_prompt


def check_choice(name: str, value: str, options: Collection[str]) -> None:
    """Refuse a value that is none of the options.

    Raises:
        ValueError: lists the options.
    """
    if value not in options:
        raise ValueError(f"{name}: expected one of {', '.join(options)}, got {value!r}.")


def check_text(name: str, text: str) -> None:
    """Refuse what no file and no text encoder takes: zero characters, and halves of characters.

    Args:
        name: of the input, for the error.

    Raises:
        ValueError: shows the text around the first such character.
    """
    bad = next((at for at, letter in enumerate(text) if letter == "\0" or "\ud800" <= letter <= "\udfff"), None)
    if bad is not None:
        raise ValueError(
            f"{name}: expected letters and signs, got {text[bad]!r}, which is no character, in "
            f"{text[max(0, bad - 20) : bad + 20]!r}. Type the text again."
        )
