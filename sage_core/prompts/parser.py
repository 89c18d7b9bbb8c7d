"""Prompt lists as users type them: one prompt per line, comments, and braces for every combination."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

# A longer list is probably a mistake: braces multiply quickly.
MAX_PROMPTS = 100_000
# How deep braces may be nested.
_DEEPEST = 50


def parse_prompts(text: str) -> tuple[str, ...]:
    """Split a text into prompts.

    One prompt per line; blank lines and lines that start with ``#`` are skipped; a line that starts with ``\\#`` is a
    prompt that starts with ``#``. Braces give every combination, leftmost slowest: ``a {red|blue} car in {snow|rain}``
    is four prompts. ``\\{``, ``\\|`` and ``\\}`` are the characters themselves; so is a ``|`` outside braces.

    Raises:
        ValueError: no prompt is left, a brace has no partner, or the list is longer than `MAX_PROMPTS`.
    """
    prompts: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not has_prompts(line):
            continue
        if line.startswith("\\#"):
            line = line[1:]
        try:
            prompts.extend(expand_braces(line, limit=MAX_PROMPTS - len(prompts)))
        except ValueError as error:
            raise ValueError(f"prompts, line {number}: {error}") from None
    if not prompts:
        raise ValueError(
            "prompts: expected at least one prompt (one per line; lines that start with # are comments), got none."
        )
    return tuple(prompts)


def has_prompts(text: str) -> bool:
    """Whether any line is more than blank or a comment."""
    return any(line.strip() and not line.strip().startswith("#") for line in text.splitlines())


def parse_items(items: Sequence[str], *, required: bool = True) -> tuple[str, ...]:
    """Prompts of an input that takes a list of texts.

    One text is parsed, see `parse_prompts`. Of several, every one is a prompt as it is, see `plain_prompts`.

    Args:
        required: whether no prompt at all is an error.

    Raises:
        ValueError: an item is no text, a text cannot be parsed, or there are too many prompts or none.
    """
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str):
            raise ValueError(f"prompts: expected a list of texts, got {type(item).__name__} as item {number}.")
    if len(items) == 1:
        return parse_prompts(items[0]) if required or has_prompts(items[0]) else ()
    prompts = plain_prompts(items)
    if not int(required) <= len(prompts) <= MAX_PROMPTS:
        raise ValueError(f"prompts: expected a list with 1 to {MAX_PROMPTS} prompts, got {len(prompts)}.")
    return prompts


def plain_prompts(texts: Iterable[str]) -> tuple[str, ...]:
    """Texts as prompts, without braces and comments: white space is made single, empty texts are left out."""
    return tuple(filter(None, (" ".join(text.split()) for text in texts)))


def expand_braces(text: str, *, limit: int = MAX_PROMPTS) -> list[str]:
    """Every combination of the alternatives in (nested) braces, leftmost slowest.

    Raises:
        ValueError: a brace without its partner, braces nested too deep, or more than `limit` combinations.
    """
    alternatives, end = _alternatives(text, 0, depth=0, limit=limit)
    if end != len(text):
        raise ValueError(f"'}}' at character {end + 1} closes nothing; write \\}} for a plain brace.")
    # Collapse the double spaces that an empty alternative leaves: "a {|big} dog".
    return [" ".join(found.split()) if "{" in text else found for found in alternatives]


def _alternatives(text: str, start: int, *, depth: int, limit: int) -> tuple[list[str], int]:
    """Expansions of `text` from `start` to the brace that closes this depth, and where that brace is."""
    if depth > _DEEPEST:
        raise ValueError(f"expected braces nested at most {_DEEPEST} deep, got more; write \\{{ for a plain brace.")
    options: list[str] = []
    parts: list[list[str]] = []
    literal: list[str] = []
    at = start

    def close_option() -> None:
        parts.append(["".join(literal)])
        options.extend(_product(parts, limit=limit - len(options)))
        parts.clear()
        literal.clear()

    while at < len(text):
        character = text[at]
        if character == "\\" and text[at + 1 : at + 2] in ("{", "}", "|"):
            literal.append(text[at + 1])
            at += 2
            continue
        if character == "{":
            inner, closing = _alternatives(text, at + 1, depth=depth + 1, limit=limit)
            if closing >= len(text):
                raise ValueError(f"'{{' at character {at + 1} is never closed; write \\{{ for a plain brace.")
            parts.extend([["".join(literal)], inner])
            literal.clear()
            at = closing + 1
            continue
        if character == "}":
            break
        if character == "|" and depth:
            close_option()
        else:
            literal.append(character)
        at += 1
    close_option()
    return options, at


def _product(parts: list[list[str]], *, limit: int) -> list[str]:
    """Every concatenation of one string from each part, refused before it is built if too many."""
    count = 1
    for part in parts:
        count *= len(part)
        if count > limit:
            raise ValueError(f"expected at most {MAX_PROMPTS} prompts in all, this line makes it more.")
    return ["".join(choice) for choice in itertools.product(*parts)]
