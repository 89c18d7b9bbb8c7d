"""Finds what the prompts of a list repeat, so that they can be told apart by the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache
from os.path import commonprefix

from ..phrases import shorten

# A phrase that this part of the prompts repeats says nothing about how they differ.
_MOST = 0.8
_FEW_LETTERS = 8
# Phrases end at punctuation of any script, line ends, dashes, options ("--ar"), BREAK and AND; a LoRA's name is one.
_BETWEEN = (
    r"(<[^<>]*>)|\b(?:BREAK|AND)\b|[,;|\n，、；｜。！？：،؛؟]+|(?<![.!?:])[.!?:]+(?=\s|$)"
    r"|(?<=\s)[-–—](?=\s)|(?<!\S)--(?=\w)"
)
_BRACKETS_AND_WEIGHTS = r"[()\[\]{}]|(?<!\d):-?(?:\d+(?:\.\d*)?|\.\d+)(?=\s*[)\]]|\s*$)"
# A number after these is a name, not a count.
NUMBERED = ("act", "chapter", "day", "frame", "image", "page", "panel", "part", "picture", "scene", "shot", "step",
            "take", "v", "version")  # fmt: skip
# "1" of "1. a car" and "scene 1" of "scene 1: a car", whatever the number.
_NUMBER = rf"(?:(?:{'|'.join(NUMBERED)}) )?\d+"
# Stands for the rest of a phrase that begins or ends as most prompts do.
_REST = "…"
# What may follow the "of" of such a beginning, which says how something is shown, not what; where such an end begins.
_ARTICLES = (["a"], ["an"], ["the"])
_ABOUT = {"against", "at", "by", "during", "from", "in", "on", "photographed", "rendered", "shot", "taken", "under",
          "with"}  # fmt: skip


def phrases(text: str) -> list[str]:
    """The phrases of a prompt in order: what stands between commas and the like, without brackets and weights."""
    parts = (re.sub(_BRACKETS_AND_WEIGHTS, "", part or "") for part in re.split(_BETWEEN, text))
    return [" ".join(words) for part in parts if (words := part.split())]


def repeated_phrases(prompts: Sequence[str]) -> frozenset[str]:
    """The phrases that most prompts of a list repeat, wherever they have them, in small letters.

    "oil painting of a …" is how most prompts begin, and "… shot on 35mm film" how they end, where nothing separates
    that from the rest; in English only. Equal prompts count once.

    Source: ours.
    """
    different = set(prompts)
    listed = [phrases(text) for text in different]
    counts = Counter(phrase for parts in listed for phrase in set(map(_key, parts)))
    least = max(2, _MOST * len(different))
    repeated = {phrase for phrase, count in counts.items() if count >= least}
    own = [parts for all_parts in listed if (parts := [part for part in all_parts if _key(part) not in repeated])]
    start = _common([parts[0].lower().split() for parts in own], least)
    end = _common([parts[-1].lower().split()[::-1] for parts in own], least)[::-1]
    return frozenset(repeated.union(_starts(start), _ends(end)))


def _key(phrase: str) -> str:
    """What a phrase is counted as: without capitals, and numbers of a numbered list as one."""
    small = phrase.lower()
    return re.sub(r"\d+", "#", small) if re.fullmatch(_NUMBER, small) else small


def _common(listed: Sequence[Sequence[str]], least: float) -> list[str]:
    """The longest row of words with which at least so many lists of words begin, and do not end."""
    found: list[str] = []
    rest = list(listed)
    while rest:
        at = len(found)
        rest = [words for words in rest if len(words) > at + 1]
        word, count = max(Counter(words[at] for words in rest).items(), key=lambda each: each[1], default=("", 0))
        if count < least:
            break
        found.append(word)
        rest = [words for words in rest if words[at] == word]
    return found


def _starts(words: Sequence[str]) -> list[str]:
    """How the phrases begin, up to the last "of"; none where that is short."""
    last = max((at for at, word in enumerate(words) if word == "of"), default=-1)
    end = last + 1 + (words[last + 1 : last + 2] in _ARTICLES)
    start = " ".join(words[:end]) if last > 0 else ""
    return [f"{start} {_REST}"] if len(start) > _FEW_LETTERS else []


def _ends(words: Sequence[str]) -> list[str]:
    """How the phrases end, from the first word on that says where or how; none where that is short."""
    end = " ".join(words[next((at for at, word in enumerate(words) if word in _ABOUT), len(words)) :])
    return [f"{_REST} {end}"] if len(end) > _FEW_LETTERS else []


def without_phrases(prompts: Sequence[str], repeated: Collection[str]) -> list[str]:
    """Prompts without the given phrases; a prompt stays whole where nothing else is in it.

    Args:
        repeated: as `repeated_phrases` gives them.
    """
    keys = frozenset().union(*map(_keys, repeated))
    starts = [each.removesuffix(_REST) for each in repeated if each.endswith(_REST)]
    ends = [each.removeprefix(_REST) for each in repeated if each.startswith(_REST)]

    def own(text: str) -> str:
        parts = phrases(text)
        left = [part for part in parts if _key(part) not in keys]
        if left:
            left[0] = _cut_start(left[0], starts)
            left[-1] = _cut_end(left[-1], ends)
        return ", ".join(left) if left and left != parts else text

    return [own(text) for text in prompts]


@lru_cache(maxsize=4096)
def _keys(repeated: str) -> frozenset[str]:
    """What a phrase to set aside is counted as. One that was saved by older rules can be several by now."""
    return frozenset([repeated] if _REST in repeated else map(_key, phrases(repeated)))


def _cut_start(phrase: str, starts: Sequence[str]) -> str:
    """A phrase without how it begins, if that is one of `starts`."""
    start = next((each for each in starts if phrase.lower().startswith(each)), "")
    return phrase[len(start) :]


def _cut_end(phrase: str, ends: Sequence[str]) -> str:
    """A phrase without how it ends, if that is one of `ends`."""
    end = next((each for each in ends if phrase.lower().endswith(each)), "")
    return phrase[: len(phrase) - len(end)]


def labels(prompts: Sequence[str], length: int, set_aside: Collection[str] = ()) -> list[str]:
    """Every prompt in at most `length` characters, by which it can be told from the others.

    A text that is too long loses phrases until it fits, first those that most prompts repeat. If it then starts like
    another one for longer than half of the length, the middle of that start is left out too: "a red fox with …
    standing on a hill". Different texts that would read alike keep their weights.

    Args:
        set_aside: more phrases to lose, which prompts that are not here repeat.

    Source: ours.
    """
    if all(len(text) <= length for text in prompts):
        return list(prompts)
    different = list(dict.fromkeys(prompts))
    repeated = repeated_phrases(prompts).union(set_aside)
    counts = Counter(phrase for text in different for phrase in set(map(_key, phrases(text))))
    own = without_phrases(different, repeated)
    shorter = [text if len(text) <= length else cut for text, cut in zip(different, own, strict=True)]
    found = _told_apart([_rarest_phrases(text, counts, length) for text in shorter], length)
    alike = {label for label, count in Counter(found).items() if count > 1}
    whole = [text for text, label in zip(different, found, strict=True) if label in alike]
    by_text = {**dict(zip(different, found, strict=True)), **dict(zip(whole, _told_apart(whole, length), strict=True))}
    return [by_text[text] for text in prompts]


def without_common_start(texts: Sequence[str]) -> list[str]:
    """Texts without the words that all of them begin with, for where there is room for a few letters only.

    A few letters in common, such as an article, stay.
    """
    different = set(texts)
    end = commonprefix(list(different)).rfind(" ") + 1 if len(different) > 1 else 0
    return [text[end:] for text in texts] if end > _FEW_LETTERS else list(texts)


def _rarest_phrases(text: str, counts: Counter[str], length: int) -> str:
    """A text without what other prompts say, too, until it fits; the most frequent first."""
    if len(text) <= length:
        return text
    parts = phrases(text)
    frequent = [at for at, part in enumerate(parts) if counts[_key(part)] > 1]
    left, size = set(range(len(parts))), len(", ".join(parts))
    for at in sorted(frequent, key=lambda at: -counts[_key(parts[at])]):
        if len(left) == 1 or (size <= length and len(left) < len(parts)):
            break
        left.remove(at)
        size -= len(parts[at]) + 2
    return text if len(left) == len(parts) else ", ".join(parts[at] for at in sorted(left))


def _told_apart(texts: Sequence[str], length: int) -> list[str]:
    """Every text in at most `length` characters, with where it begins to differ from the one most like it."""
    starts = _shared_starts(texts)
    return [_from_difference(text, starts[text], length) for text in texts]


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
    return shorten(f"{text[: _word(text, length // 4, length)]}… {text[_word(text, shared, length) :]}", length)


def _word(text: str, at: int, length: int) -> int:
    """Where the word at a place begins; the place itself in a script without spaces."""
    start = text.rfind(" ", 0, at + 1) + 1
    return start if at - start < length // 4 else at
