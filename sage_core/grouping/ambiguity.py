"""Finds doubtful prompts: close to another group, or differing from a group mate in a count or a negation only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

import numpy as np

from ..prompts.differences import NUMBERED
from .prompt_groups import PromptGroups

# A prompt is borderline if its own group is nearer by less than this fraction of the distance to the other group.
_MARGIN = 0.3
# Prompts that are compared at once.
_BLOCK = 1024
# Words that change no count: `a dog` and `dog` are both one dog, and `with` only says that something is there.
_IGNORED_WORDS = {"a", "an", "one", "1", "single", "with"}
_MODIFIERS = {
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty", "zero",
    "both", "dozen", "dozens", "few", "hundreds", "many", "pair", "several",
    "never", "no", "nobody", "none", "not", "without",
}  # fmt: skip
# Plurals without an s, and words with an s that are none.
_SINGULARS = {"children": "child", "feet": "foot", "fish": "fish", "geese": "goose", "men": "man", "mice": "mouse",
              "people": "person", "sheep": "sheep", "teeth": "tooth", "women": "woman"}  # fmt: skip
_NO_PLURALS = {"across", "has", "is", "lens", "shows", "was"}
# A number after these is no count, nor is a year.
_NO_COUNT = {*NUMBERED, "age", "aged", "iso", "number", "room", "size"}
_MOST = 999
# What is not said: LoRAs, weights, and the number of a line.
_UNSAID = r"<[^<>]*>|:-?[\d.]+(?=\s*[)\]])|^\s*\d+[.)]\s"
_WRITINGS = (
    (r"[’ʼ]", "'"), (r"\bcan(?:'t|not)\b", "can not"), (r"n't\b", " not"), (r"_", " "),
    (r"\b(\d+)(?=(?:girl|boy|other)s?\b)", r"\1 "),
)  # fmt: skip

# A text's words without counts and negations; and those counts and negations, each with the word that it precedes.
SplitPrompt = tuple[tuple[str, ...], tuple[tuple[int, str], ...]]


def borderline_prompts(groups: PromptGroups) -> dict[int, tuple[int, float, float]]:
    """Prompts of groups that are hardly nearer to their group mates than to another group.

    Similarity to a group is the mean over its members. The margin is relative, so that it fits every encoder.

    Returns:
        By prompt the other group's index, and the similarities to its own group and to the other one.

    Source: the simplified silhouette, after Rousseeuw 1987; the mean over a group is computed from the sum of its
    embeddings, without all pairs of the list.
    """
    group_of = groups.group_of()
    sizes = np.array([len(members) for members in groups.partition])
    sums = np.stack([groups.embeddings[list(members)].sum(0) for members in groups.partition])
    shared = [index for members in groups.partition if len(members) > 1 for index in members]
    found = {}
    for start in range(0, len(shared) if len(sizes) > 1 else 0, _BLOCK):
        part = shared[start : start + _BLOCK]
        own, row = [group_of[index] for index in part], np.arange(len(part))
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
    """A text without its counts and negations, and these; English only, other languages have none."""
    text = re.sub(_UNSAID, " ", text.lower())
    for written, plain in _WRITINGS:
        text = re.sub(written, plain, text)
    words = [word for word in re.findall(r"\w+|[^\w\s]", text) if word not in _IGNORED_WORDS]
    content: list[str] = []
    modifiers: list[tuple[int, str]] = []
    for at, word in enumerate(words):
        if word in _MODIFIERS or _counts(words, at):
            modifiers.append((len(content), word))
        elif word[0].isalnum():
            content.append(_SINGULARS.get(word, word.removesuffix("s")))
    return tuple(content), tuple(modifiers)


def _counts(words: Sequence[str], at: int) -> bool:
    """Whether a number says how many: "2 dogs" and "2 red dogs" do, "scene 2" does not."""
    if not words[at].isdecimal() or int(words[at]) > _MOST or (at > 0 and words[at - 1] in _NO_COUNT):
        return False
    following = takewhile(lambda word: word[0].isalnum(), words[at + 1 : at + 3])
    return any(map(_is_plural, following))


def _is_plural(word: str) -> bool:
    return word in _SINGULARS or (word.endswith("s") and not word.endswith("ss") and word not in _NO_PLURALS)


def modifier_conflicts(split_prompts: Sequence[SplitPrompt]) -> list[list[int]]:
    """Positions of texts that differ in a count or a negation only, one list per set of such texts."""
    said: dict[tuple[str, ...], list[int]] = {}
    for at, (content, _) in enumerate(split_prompts):
        said.setdefault(content, []).append(at)
    return [places for places in said.values() if _differ(split_prompts[at][1] for at in places)]


def _differ(values: Iterable[tuple[tuple[int, str], ...]]) -> bool:
    return len(set(values)) > 1
