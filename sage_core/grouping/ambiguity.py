"""Finds doubtful prompts: close to another group, or differing from a group mate in a count or a negation only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from .prompt_groups import PromptGroups

# A prompt is between two groups if its own is nearer by less than this part of the distance to the other.
_MARGIN = 0.3
_BLOCK = 1024
# Said or left out, it is the same: `a dog` and `dog` are one dog, and what is there needs no `with`.
_IGNORED_WORDS = {"a", "an", "one", "1", "single", "with"}
_MODIFIERS = {
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "no", "not", "never", "without",
}  # fmt: skip

# What a text says without its counts and negations, and these.
SplitPrompt = tuple[tuple[str, ...], tuple[str, ...]]


def borderline_prompts(groups: PromptGroups) -> dict[int, tuple[int, float, float]]:
    """Prompts of groups that are hardly nearer to their group mates than to another group.

    Similarity to a group is the mean over its members; the margin is relative, so that it fits every encoder (it is
    the silhouette of Rousseeuw 1987, with a mean instead of all pairs of the list).

    Returns:
        By prompt the other group's index, and the similarities to the own group and to that.
    """
    home = {index: number for number, members in enumerate(groups.partition) for index in members}
    sizes = np.array([len(members) for members in groups.partition])
    sums = np.stack([groups.embeddings[list(members)].sum(0) for members in groups.partition])
    shared = [index for index in home if sizes[home[index]] > 1]
    found = {}
    for start in range(0, len(shared) if len(sizes) > 1 else 0, _BLOCK):
        part = shared[start : start + _BLOCK]
        own, row = [home[index] for index in part], np.arange(len(part))
        totals = groups.embeddings[part] @ sums.T
        inside = (totals[row, own] - 1) / (sizes[own] - 1)
        outside = totals / sizes
        outside[row, own] = -np.inf
        nearest = outside.argmax(1)
        for index, other, here, there in zip(part, nearest, inside, outside[row, nearest], strict=True):
            if here - there < _MARGIN * (1 - there):
                found[index] = int(other), float(here), float(there)
    return found


def split_modifiers(text: str) -> SplitPrompt:
    """English only: of other languages everything is what the text says."""
    words = [word for word in re.findall(r"\w+", text.lower().replace("n't", " not")) if word not in _IGNORED_WORDS]
    deciding = [
        word in _MODIFIERS or (word.isdigit() and following.endswith("s"))  # not `scene 2`, which counts nothing
        for word, following in zip(words, [*words, ""][1:], strict=True)
    ]
    content = tuple(word.removesuffix("s") for word, decides in zip(words, deciding, strict=True) if not decides)
    return content, tuple(word for word, decides in zip(words, deciding, strict=True) if decides)


def modifier_conflicts(split_prompts: Sequence[SplitPrompt]) -> list[list[int]]:
    """Positions of texts that say the same but for a count or a negation, a list for each thing said."""
    said: dict[tuple[str, ...], list[int]] = {}
    for at, (content, _) in enumerate(split_prompts):
        said.setdefault(content, []).append(at)
    return [places for places in said.values() if _differ(split_prompts[at][1] for at in places)]


def _differ(values: Iterable[tuple[str, ...]]) -> bool:
    return len(set(values)) > 1
