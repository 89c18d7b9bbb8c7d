"""Prompt lists as users type them: one prompt per line, comments, braces and wildcards for every combination."""

from __future__ import annotations

from collections.abc import Sequence

from ..phrases import counted
from ..validation import check_text
from .braces import Expansion, ReadWildcard
from .checked_list import checked_list
from .limits import check_size
from .lines import Lines, is_blank, prompt_lines, single_spaced_lines
from .prompt_list import Prompt, PromptList


def no_wildcards(name: str) -> None:
    """Where no folder of wildcards is known."""


def parse_text(text: str, read_wildcard: ReadWildcard = no_wildcards, *, required: bool = True) -> PromptList:
    """Split a text into prompts.

    One prompt per line, without comments (see `prompt_lines`); braces and wildcards give every combination (see
    `Expansion`). Lines and combinations with nothing to see are left out.

    Args:
        required: whether no prompt at all is an error.

    Raises:
        ValueError: no prompt is left, a line is wrong (the message names it), or the list is too large.
    """
    check_text(text)
    expansion = Expansion(read_wildcard)
    lines = prompt_lines(text)
    prompts: list[str] = []
    empty = characters = 0
    for number, line in lines.numbered:
        try:
            found = expansion.expand(line)
            filled = [each for each in found if not is_blank(each)]
            empty += len(found) - len(filled)
            prompts += filled
            characters += sum(map(len, filled))
            check_size(len(prompts), characters)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if required and not prompts:
        raise ValueError(
            "expected at least one prompt (one per line; a line that starts with # and a space is a comment), got none."
        )
    return PromptList(tuple(map(Prompt, prompts)), (*_line_notes(lines, empty), *_expansion_notes(expansion)))


def parse_prompts(text: str) -> tuple[str, ...]:
    """The prompts of a text alone, without wildcards; errors as `parse_text`."""
    return parse_text(text).texts


def parse_items(
    items: Sequence[str], read_wildcard: ReadWildcard = no_wildcards, *, required: bool = True, name: str = "prompts",
    as_they_are: bool = False,
) -> PromptList:  # fmt: skip
    """Prompts of an input that takes a list of texts.

    One text is parsed, see `parse_text`. Of several, every one is a prompt as it is, with single white space in every
    line; empty ones are left out.

    Args:
        required: whether no prompt at all is an error.
        name: of the input, for errors and notes.
        as_they_are: whether one text is a prompt as it is, too. One of several lines is still a prompt per line.

    Raises:
        ValueError: an item is no text, a text cannot be parsed, or there are too many prompts or none.
    """
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str):
            raise ValueError(f"{name}: expected a list of texts, got {type(item).__name__} as item {number}.")
    try:
        if len(items) == 1 and not (as_they_are and len(prompt_lines(items[0]).numbered) == 1):
            listed = parse_text(items[0], read_wildcard, required=required)
        else:
            listed = checked_list((Prompt(single_spaced_lines(item)) for item in items), required=required)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return PromptList(listed.prompts, tuple(f"{name}: {note}" for note in listed.notes))


def _line_notes(lines: Lines, empty: int) -> list[str]:
    notes = []
    if lines.comments:
        notes.append(f"{counted(lines.comments, 'comment')} skipped")
    if lines.hashes:
        notes.append(
            f"{counted(lines.hashes, 'line')} with # directly before a word: used as a prompt; for a comment, write # "
            "and a space"
        )
    if empty:
        notes.append(f"{counted(empty, 'empty prompt')} left out")
    return notes


def _expansion_notes(expansion: Expansion) -> list[str]:
    notes = [f"wildcard __{name}__: {counted(len(texts), 'text')}" for name, texts in expansion.wildcards.items()]
    if expansion.missing:
        names = ", ".join(f"__{name}__" for name in sorted(expansion.missing))
        notes.append(
            f"no wildcard file was found for {names}, so the prompts have this as text; put a file with one text per "
            "line into models/wildcards, for example colors.txt for __colors__"
        )
    if expansion.has_weights:
        notes.append("weights in braces (as in {0.3::red|blue}) are ignored: every combination is rendered")
    return notes
