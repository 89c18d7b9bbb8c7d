"""One CONDITIONING that stands for many: what a sampler gets in place of one conditioning per prompt.

The model patch of Share Sampling puts every prompt's own in its place, with what nodes between have set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .batch import hints_repeat
from .combine import Conditioning

# The key of the mark in an entry's extras. ComfyUI's own nodes copy what they do not know.
_MARK = "sage_prompts"


@dataclass(frozen=True, eq=False)
class _Mark:
    """Says what an entry stands for.

    Attributes:
        conditionings: one per prompt.
        text, extras: of the entry, as it was made.
    """

    conditionings: tuple[Conditioning, ...]
    text: Any
    extras: Mapping[str, Any]


class _NeedsItsModel:
    """An area that no sampler can read.

    A sampler whose model does not come from Share Sampling would silently take the first prompt for all rows. It reads
    the area of every entry before it samples.
    """

    def __init__(self, prompts: int) -> None:
        self.prompts = prompts

    def __getitem__(self, at: Any) -> Any:
        raise ValueError(
            f"positive or negative: holds the conditionings of {self.prompts} prompts, from Share Sampling. The "
            "sampler's model has to come from a Share Sampling node, too."
        )


def stand_for(conditionings: Sequence[Conditioning]) -> Conditioning:
    """One conditioning that stands for one per prompt: the first prompt's entries, marked."""
    needs_model = _NeedsItsModel(len(conditionings))
    return [
        [text, {**extras, "area": needs_model, _MARK: _Mark(tuple(conditionings), text, extras)}]
        for text, extras in conditionings[0]
    ]


def prompts_of(conditioning: Conditioning) -> int:
    """How many prompts a conditioning stands for; 0 where it stands for itself."""
    return max((len(extras[_MARK].conditionings) for _, extras in conditioning if _MARK in extras), default=0)


def stood_for(conditioning: Conditioning, variations: int, name: str) -> tuple[Conditioning, ...]:
    """The conditionings that one stands for, one per prompt, each with what nodes have set since.

    Entries that were added since are for all prompts.

    Args:
        variations: rows per prompt. A tensor that was set since, with a row for every row of all prompts, is divided.
        name: of the conditioning, for errors.

    Raises:
        ValueError: a node has changed the text since, or set what cannot be divided.
    """
    marked = [(extras[_MARK], text, extras) for text, extras in conditioning if _MARK in extras]
    others = [entry for entry in conditioning if _MARK not in entry[1]]
    changes = [_changes(mark, text, extras, name) for mark, text, extras in marked]
    conditionings = marked[0][0].conditionings
    total = variations * len(conditionings)
    found = []
    for prompt, own in enumerate(conditionings):
        rows = slice(prompt * variations, (prompt + 1) * variations)
        # As many entries as the marked ones, or else what was set in the first of these.
        set_since = changes if len(own) == len(changes) else changes[:1] * len(own)
        entries = [
            [text, {**extras, **{key: _of_rows(key, value, rows, total, name) for key, value in change.items()}}]
            for (text, extras), change in zip(own, set_since, strict=True)
        ]
        found.append([*entries, *others])
    return tuple(found)


def _changes(mark: _Mark, text: Any, extras: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What nodes have set in an entry since it was marked.

    Raises:
        ValueError: they have changed the text.
    """
    if text is not mark.text:
        raise ValueError(
            f"{name}: expected the texts that Share Sampling has given, got others. A node between Share Sampling and "
            "the sampler has changed them. Put it before Share Sampling, where it runs once per prompt."
        )
    return {
        key: value for key, value in extras.items()
        if key != _MARK and not isinstance(value, _NeedsItsModel) and value is not mark.extras.get(key)
    }  # fmt: skip


def _of_rows(key: str, value: Any, rows: slice, total: int, name: str) -> Any:
    """What a prompt's rows get of a value that was set for all."""
    if key == "control" and not hints_repeat(value, rows.stop - rows.start):
        raise ValueError(
            f"{name}: expected a ControlNet with one picture, got one with several. Put the ControlNet node before "
            "Share Sampling, with a list of pictures: it then runs once per prompt."
        )
    return value[rows] if isinstance(value, torch.Tensor) and value.ndim > 1 and len(value) == total > 1 else value
