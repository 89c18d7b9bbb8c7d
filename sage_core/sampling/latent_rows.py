"""What the rows of a LATENT are: the variations of all prompts, or rows that belong to a prompt each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ..conditioning.batch import same
from . import latents

# ComfyUI's LATENT: {"samples": tensor, optional "noise_mask", "batch_index", ...}.
Latent = dict[str, Any]

# auto: by the mark of a SAGE node; variations: every prompt gets all rows; prompts: every prompt has its own rows.
LATENT_ROWS = ("auto", "variations", "prompts")

# What a LATENT says of its rows, beside their samples.
ROW_KEYS = ("noise_mask", "batch_index")

# The key of the mark in a LATENT. ComfyUI's own nodes copy what they do not know.
MARK = "sage_prompts"


def mark_rows(latent: Latent, prompts: Sequence[str]) -> Latent:
    """A LATENT whose rows are those of some prompts, prompt-major."""
    return {**latent, MARK: (tuple(prompts), latents.count(latent["samples"]))}


def has_own_rows(latent: Latent, latent_rows: str, prompts: int) -> bool:
    """Whether every prompt has rows of its own in a LATENT.

    Args:
        latent_rows: one of `LATENT_ROWS`.
        prompts: how many there are.

    Raises:
        ValueError: the rows are of other prompts, or they are not all there any more.
    """
    if latent_rows != "auto":
        return latent_rows == "prompts"
    texts, marked_rows = latent.get(MARK, ((), 0))
    rows = latents.count(latent["samples"])
    if not texts or rows == 1:  # one row, picked from all of them, can be the start of all
        return False
    if len(texts) != prompts or rows != marked_rows:
        raise ValueError(
            f"latent_image: expected the {marked_rows} rows that the sampler before has made for {len(texts)} prompts, "
            f"got {rows} rows for {prompts} prompts. Set latent_rows to say what they are."
        )
    return True


def continues_rows(noise: Any, latent_image: Any, prompts: int) -> bool:
    """Whether a run goes on with rows of so many prompts: no noise is added, and there are rows for every prompt."""
    rows = latents.count(latent_image)
    is_silent = not any(torch.count_nonzero(part) for part in latents.parts(noise))
    return is_silent and rows > 1 and rows % prompts == 0


class Rows(NamedTuple):
    """The latent of a sampler, with rows for all prompts.

    Attributes:
        latent: prompt-major, for every prompt its variations, and marked so.
        variations: rows per prompt.
        are_own: every prompt had rows of its own already.
        are_numbered: the batch_index was not given: it is that of a plain batch, for every prompt anew.
    """

    latent: Latent
    variations: int
    are_own: bool
    are_numbered: bool


def rows_for(given: Sequence[Latent], latent_rows: str, prompts: Sequence[str]) -> Rows:
    """The rows of all prompts, with the noise numbers that each prompt's rows have alone.

    Args:
        given: one for all prompts, or one for each. If all are equal, they are one for all.
        latent_rows: what the rows of one for all are, one of `LATENT_ROWS`.

    Raises:
        ValueError: the number of latents or of their rows does not fit the prompts.
    """
    count = len(prompts)
    if len(given) > 1:
        if len(given) != count:
            raise ValueError(f"latent_image: expected one, or one for each of the {count} prompts, got {len(given)}.")
        are_own = not all(_are_equal(given[0], each) for each in given[1:])
        latent = _one_after_the_other(given) if are_own else given[0]
    else:
        latent, are_own = given[0], has_own_rows(given[0], latent_rows, count)
    rows = latents.count(latent["samples"])
    if are_own and rows % count:
        raise ValueError(f"latent_image: expected the same number of rows for each of the {count} prompts, got {rows}.")
    variations = rows // count if are_own else rows
    latent = {**latent, **row_keys(latent, 1 if are_own else count)}
    if not are_own:
        latent["samples"] = latents.tile(latent["samples"], count)
    are_numbered = "batch_index" not in latent
    latent.setdefault("batch_index", list(range(variations)) * count)
    return Rows(mark_rows(latent, prompts), variations, are_own, are_numbered)


def row_keys(latent: Latent, times: int) -> Latent:
    """What a LATENT says of its rows, repeated for the rows so many times over."""
    keys: Latent = {}
    if latent.get("noise_mask") is not None:
        keys["noise_mask"] = latents.tile_mask(latent["noise_mask"], latent["samples"], times)
    if "batch_index" in latent:
        keys["batch_index"] = list(latent["batch_index"]) * times
    return keys


def _are_equal(one: Latent, other: Latent) -> bool:
    """Whether two latents are equal in what a sampler starts from."""

    def start(latent: Latent) -> list[Any]:
        tensors = [[] if latent.get(key) is None else latents.parts(latent[key]) for key in ("samples", "noise_mask")]
        return [*tensors, latent.get("batch_index")]

    return same(start(one), start(other))


def _one_after_the_other(given: Sequence[Latent]) -> Latent:
    """Latents of the same size as one.

    Raises:
        ValueError: they differ in size, or only some have a mask.
    """
    shapes = {tuple(tuple(part.shape) for part in latents.parts(each["samples"])) for each in given}
    masks = [
        latents.fit_mask(each["noise_mask"], each["samples"]) for each in given if each.get("noise_mask") is not None
    ]
    if len(shapes) > 1 or len(masks) not in (0, len(given)):
        raise ValueError(
            "latent_image: expected latents of one size, all with a mask or none, got others. Latents of several sizes "
            "need a sampler each."
        )
    joined = {**given[0], "samples": latents.concat([each["samples"] for each in given])}
    if masks:
        joined["noise_mask"] = latents.concat(masks)
    if any("batch_index" in each for each in given):
        numbers = [each.get("batch_index", range(latents.count(each["samples"]))) for each in given]
        joined["batch_index"] = [number for each in numbers for number in each]
    return joined
