"""Checks of inputs that need no ComfyUI, with messages that say what was expected and what came."""

from __future__ import annotations

import math
import numbers
import re
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
        raise ValueError(f"{name}: expected one of {', '.join(options) or '(nothing there yet)'}, got {value!r}.")


def check_number(name: str, value: Any, low: float | None, high: float | None, *, whole: bool) -> None:
    """Refuse what is no number, or out of range.

    Args:
        low, high: the range; None for no limit.
        whole: whether it has to be a whole number.

    Raises:
        ValueError: says the range.
    """
    fits = isinstance(value, numbers.Integral if whole else numbers.Real) and math.isfinite(value)
    if fits and (low is None or value >= low) and (high is None or value <= high):
        return
    limits = "" if low is None or high is None else f" from {low:g} to {high:g}"
    wanted = f"a whole number{limits}" if whole else f"a finite number{limits}"
    raise ValueError(f"{name}: expected {wanted}, got {value!r}.")


def check_text(text: Any, name: str = "") -> None:
    """Refuse what no file, encoder or page can take: NUL, and halves of characters (lone surrogates).

    Args:
        name: of the input, for the error; without it, the caller says where.

    Raises:
        ValueError: this is no text; or says which sign is wrong, and where.
    """
    where = f"{name}: " if name else ""
    if not isinstance(text, str):
        raise ValueError(f"{where}expected text, got {type(text).__name__}.")
    if found := re.search(r"[\0\ud800-\udfff]", text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(
            f"{where}line {line}: expected text, got a broken sign (U+{ord(found[0]):04X}). Delete it, and type it "
            "again."
        )
