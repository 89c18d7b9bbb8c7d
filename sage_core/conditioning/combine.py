"""One conditioning for a group, made from those of its members."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

# ComfyUI's CONDITIONING: entries [text embedding (1, tokens, width) or None, {extras}].
Conditioning = list[list[Any]]

GROUP_CONDITIONS = ("mean", "medoid", "concat")

# How much a shorter text embedding may be repeated to match a longer one (ComfyUI's own limit).
_MOST_REPEATS = 4


def group_conditioning(members: Sequence[Conditioning], mode: str, medoid: int) -> tuple[Conditioning, bool]:
    """One conditioning for a group.

    Args:
        members: the members' conditionings.
        mode: "mean" of the embeddings; "medoid", the most central member's own; "concat", all members' tokens
            in a row (pooled embeddings are averaged).
        medoid: index of the most central member.

    Returns:
        The conditioning, and whether `mode` was possible (where the members' lengths, masks or numbers of
        entries cannot be combined, it is the medoid's own).
    """
    if len(members) == 1 or mode == "medoid":
        return members[medoid], True
    if len({len(member) for member in members}) > 1:
        return members[medoid], False
    try:
        entries = [_combine_entry([member[at] for member in members], mode, medoid) for at in range(len(members[0]))]
    except _CannotCombine:
        return members[medoid], False
    return entries, True


class _CannotCombine(Exception):
    pass


def _combine_entry(entries: list[list[Any]], mode: str, medoid: int) -> list[Any]:
    texts = [entry[0] for entry in entries]
    in_a_row = mode == "concat" and not all(_equal(texts[0], text) for text in texts)
    extras = dict(entries[medoid][1])
    for key, own in extras.items():
        values = [entry[1].get(key) for entry in entries]
        if key == "attention_mask" and in_a_row:
            extras[key] = _in_a_row(values, dim=-1)
        elif isinstance(own, torch.Tensor) and not all(_equal(own, value) for value in values):
            extras[key] = _mean(values)
    if all(text is None for text in texts):
        return [None, extras]
    return [_in_a_row(texts, dim=1) if in_a_row else _mean(_same_length(texts)), extras]


def _in_a_row(values: list[Any], dim: int) -> torch.Tensor:
    if any(not isinstance(value, torch.Tensor) for value in values):
        raise _CannotCombine
    if len({value.movedim(dim, 0).shape[1:] for value in values}) > 1:
        raise _CannotCombine
    return torch.cat(values, dim=dim)


def _mean(values: list[Any]) -> torch.Tensor:
    """Mean as first + mean of differences: exact for equal values, where a sum would round."""
    first = values[0]
    if any(not isinstance(value, torch.Tensor) or value.shape != first.shape for value in values):
        raise _CannotCombine
    if not first.is_floating_point():
        raise _CannotCombine
    return first + torch.stack([value - first for value in values]).mean(0)


def _same_length(texts: list[torch.Tensor]) -> list[torch.Tensor]:
    """Repeat tokens to a common length, which makes no difference to cross-attention (ComfyUI does the same)."""
    if any(text is None for text in texts):
        raise _CannotCombine
    lengths = [text.shape[1] for text in texts]
    common = math.lcm(*lengths)
    if common // min(lengths) > _MOST_REPEATS:
        raise _CannotCombine
    return [text if text.shape[1] == common else text.repeat(1, common // text.shape[1], 1) for text in texts]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    return a is b


def text_width(conditioning: Conditioning) -> int | None:
    """Width of the text embedding, None where an entry carries none."""
    text = conditioning[0][0]
    return None if text is None else int(text.shape[-1])
