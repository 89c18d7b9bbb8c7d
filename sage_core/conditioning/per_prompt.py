"""One CONDITIONING that stands for many: what a sampler gets in place of one conditioning per prompt.

The model patch of Share Sampling puts every prompt's own in its place, with what nodes between have set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .added import added
from .batch import hints_repeat
from .combine import Conditioning

# The key of the mark in an entry's extras. ComfyUI's own nodes copy what they do not know.
_MARK = "sage_prompts"
# Set with a ControlNet. The first prompt may have it already, so that nothing seems to have been set.
_WITH_CONTROL = "control_apply_to_uncond"


@dataclass(frozen=True, eq=False)
class _Mark:
    """Says what an entry stands for.

    Attributes:
        conditionings: one per prompt.
        at: number of the entry among those of the first prompt, from 0.
        text, extras: of the entry, as it was made.
    """

    conditionings: tuple[Conditioning, ...]
    at: int
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
    all_of_them, needs_model = tuple(conditionings), _NeedsItsModel(len(conditionings))
    return [
        [text, {**extras, "area": needs_model, _MARK: _Mark(all_of_them, at, text, extras)}]
        for at, (text, extras) in enumerate(conditionings[0])
    ]


def prompts_of(conditioning: Conditioning) -> int:
    """How many prompts a conditioning stands for; 0 where it stands for itself."""
    return max((len(extras[_MARK].conditionings) for _, extras in conditioning if _MARK in extras), default=0)


def stood_for(conditioning: Conditioning, variations: int, name: str) -> tuple[Conditioning, ...]:
    """The conditionings that one stands for, one per prompt, each with what nodes have set since.

    Several that stand for prompts may be combined in it. Entries that were added since are for all prompts.

    Args:
        variations: rows per prompt. A tensor that was set since, with a row for every row of all prompts, is divided.
        name: of the conditioning, for errors.

    Raises:
        ValueError: a node has changed the text since, or set what cannot be divided; or what was combined is of other
            numbers of prompts.
    """
    prompts = prompts_of(conditioning)
    found: list[list[Any]] = [[] for _ in range(prompts)]
    for part in _parts(conditioning):
        mark = part[0][1].get(_MARK)
        if mark is None:
            for entries in found:
                entries += part
            continue
        if len(mark.conditionings) != prompts:
            raise ValueError(
                f"{name}: expected conditionings of one number of prompts, got those of {len(mark.conditionings)} and "
                f"of {prompts} prompts combined."
            )
        set_since = [(extras[_MARK], _changes(extras[_MARK], text, extras, name)) for text, extras in part]
        for prompt, entries in enumerate(found):
            rows = slice(prompt * variations, (prompt + 1) * variations)
            entries += _own_entries(set_since, mark.conditionings[prompt], rows, variations * prompts, name)
    return tuple(found)


def _parts(conditioning: Conditioning) -> list[list[Any]]:
    """The entries one after the other: each that is for all prompts, and all those that stand for prompts together."""
    parts: list[list[Any]] = []
    before: _Mark | None = None
    for entry in conditioning:
        mark = entry[1].get(_MARK)
        goes_on = mark and before and mark.conditionings is before.conditionings and mark.at > before.at
        if goes_on:
            parts[-1].append(entry)
        else:
            parts.append([entry])
        before = mark
    return parts


def _own_entries(
    set_since: Sequence[tuple[_Mark, dict[str, Any]]], own: Conditioning, rows: slice, total: int, name: str
) -> list[Any]:
    """A prompt's own entries, with what was set in those that stand for them."""
    # As many entries as the marked ones, or else what was set in the first of these.
    if len(own) != len(set_since):
        set_since = [set_since[0]] * len(own)
    entries = []
    for (text, extras), (mark, change) in zip(own, set_since, strict=True):
        values = {key: _of_rows(key, value, rows, total, name) for key, value in change.items()}
        for key, value in values.items():
            values[key] = added(key, value, mark.extras.get(key), extras.get(key), name)
        entries.append([text, {**extras, **values}])
    return entries


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
    changes = {
        key: value for key, value in extras.items()
        if key != _MARK and not isinstance(value, _NeedsItsModel) and value is not mark.extras.get(key)
    }  # fmt: skip
    if "control" in changes and _WITH_CONTROL in extras:
        changes[_WITH_CONTROL] = extras[_WITH_CONTROL]
    return changes


def _of_rows(key: str, value: Any, rows: slice, total: int, name: str) -> Any:
    """What a prompt's rows get of a value that was set for all."""
    if key == "control" and not hints_repeat(value, rows.stop - rows.start):
        raise ValueError(
            f"{name}: expected a ControlNet with one picture, got one with several. Put the ControlNet node before "
            "Share Sampling, with a list of pictures: it then runs once per prompt."
        )
    return value[rows] if isinstance(value, torch.Tensor) and value.ndim > 1 and len(value) == total > 1 else value
