"""Pins: prompts that the user put into a group.

Pins are a JSON object, ``{"a prompt": "the prompt it stays with"}``. They hold texts, not numbers, so that they survive
edits of the list. A prompt that stays with itself starts a group of its own; other prompts may be pinned to it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ..prompts.lines import single_spaced

Pins = Mapping[str, str]
_EXPECTED = 'a JSON object {"a prompt": "the prompt it stays with"}'


def parse_pins(text: str) -> dict[str, str]:
    """Pins from what the input `pinned` holds; an empty text is none.

    Raises:
        ValueError: it is not an object of texts.
    """
    if not text.strip():
        return {}
    try:
        pins = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"pinned: expected {_EXPECTED}, got text that is no JSON ({error}).") from None
    if not isinstance(pins, dict) or not all(isinstance(keeper, str) for keeper in pins.values()):
        raise ValueError(f"pinned: expected {_EXPECTED}, got {text[:80]!r}.")
    return pins


def keepers(texts: Collection[str], pins: Pins) -> dict[str, str]:
    """For every pinned text of the list, the one that it ends up with.

    That one is either not pinned, or the group is its own. Pins that name a text outside of the list count for nothing.
    """
    known = {single_spaced(text): text for text in texts}  # older graphs hold texts of several lines in one
    named = ((known.get(single_spaced(text)), known.get(single_spaced(keeper))) for text, keeper in pins.items())
    pins = {text: keeper for text, keeper in named if text is not None and keeper is not None}
    return {text: _end(text, pins) for text in pins}


def with_pinned(clusters: list[list[str]], found: Mapping[str, str]) -> list[list[str]]:
    """Clusters of the texts that are not pinned, joined by those that are, each with its keeper."""
    together: dict[str, list[str]] = {}
    for text, keeper in found.items():
        together.setdefault(keeper, []).append(text)
    joined = [[*cluster, *(text for keeper in cluster for text in together.pop(keeper, ()))] for cluster in clusters]
    return [*joined, *together.values()]


def _end(text: str, pins: Pins) -> str:
    """Where a chain of pins ends; of those that stay with each other in a circle, the first by name."""
    path = {text: 0}
    while (following := pins.get(text)) is not None:
        if following in path:
            return min(list(path)[path[following] :])
        path[following] = len(path)
        text = following
    return text
