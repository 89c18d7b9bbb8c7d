"""Finds what the prompts of a list repeat, so that they can be told apart by the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from os.path import commonprefix

from ..phrases import shorten

# A phrase that this part of the prompts repeats says nothing about how they differ.
_MOST = 0.8
_FEW_LETTERS = 8
# Phrases end at punctuation, line ends and BREAK; a LoRA's name is a phrase of its own.
_BETWEEN = r"(<[^<>]*>)|\bBREAK\b|[,;|\n]+|[.!?:]+(?=\s|$)"
_BRACKETS_AND_WEIGHTS = r"[()\[\]{}]|:-?\d*\.?\d+(?=\s*[)\]]|\s*$)"


def phrases(text: str) -> list[str]:
    """The phrases of a prompt in order: what stands between commas and the like, without brackets and weights."""
    parts = (re.sub(_BRACKETS_AND_WEIGHTS, "", part or "") for part in re.split(_BETWEEN, text))
    return [" ".join(words) for part in parts if (words := part.split())]


def repeated_phrases(prompts: Sequence[str]) -> frozenset[str]:
    """The phrases that most prompts of a list repeat, wherever they have them, in small letters.

    Equal prompts count once.

    Source: ours.
    """
    different = set(prompts)
    counts = Counter(phrase for text in different for phrase in {part.lower() for part in phrases(text)})
    return frozenset(phrase for phrase, count in counts.items() if count >= max(2, _MOST * len(different)))


def without_phrases(text: str, repeated: Collection[str]) -> str:
    """A prompt without the given phrases; the whole prompt where nothing else is in it.

    Args:
        repeated: as `repeated_phrases` gives them.
    """
    parts = phrases(text)
    own = [part for part in parts if part.lower() not in repeated]
    return ", ".join(own) if own and len(own) < len(parts) else text


def labels(prompts: Sequence[str], length: int, set_aside: Collection[str] = ()) -> list[str]:
    """Every prompt in at most `length` characters, by which it can be told from the others.

    A text that is too long loses the phrases that most prompts repeat. If it then starts like another one for longer
    than half of the length, the middle of that start is left out too: "a red fox with … standing on a hill".

    Args:
        set_aside: more phrases to lose, which prompts that are not here repeat.

    Source: ours.
    """
    if all(len(text) <= length for text in prompts):
        return list(prompts)
    repeated = repeated_phrases(prompts).union(set_aside)
    own = {text: text if len(text) <= length else without_phrases(text, repeated) for text in prompts}
    starts = _shared_starts(list(own.values()))
    return [_from_difference(own[text], starts[own[text]], length) for text in prompts]


def without_common_start(texts: Sequence[str]) -> list[str]:
    """Texts without the words that all of them begin with, for where there is room for a few letters only.

    A few letters in common, such as an article, stay.
    """
    different = set(texts)
    end = commonprefix(list(different)).rfind(" ") + 1 if len(different) > 1 else 0
    return [text[end:] for text in texts] if end > _FEW_LETTERS else list(texts)


def _shared_starts(texts: Sequence[str]) -> dict[str, int]:
    """How many characters of each text are the start of another one too: in order, that is one of its neighbours."""
    ordered = sorted(set(texts))
    shared = [len(commonprefix(pair)) for pair in zip(ordered, ordered[1:], strict=False)]
    before, after = [0, *shared], [*shared, 0]
    return {text: max(before[at], after[at]) for at, text in enumerate(ordered)}


def _from_difference(text: str, shared: int, length: int) -> str:
    """A text in at most `length` characters, without the middle of its first `shared` ones where it needs that."""
    if len(text) <= length or shared <= length // 2:
        return shorten(text, length)
    start = text[: text.rfind(" ", 0, length // 4 + 1) + 1]
    return shorten(f"{start}… {text[text.rfind(' ', 0, shared + 1) + 1 :]}", length)
