"""Braces and wildcards in a prompt: every combination of their alternatives."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence

from .limits import check_size
from .lines import single_spaced_lines

# The lines of a wildcard's file with their numbers; None where there is no such file.
ReadWildcard = Callable[[str], Sequence[tuple[int, str]] | None]
# Start and end of a part of a text.
_Span = tuple[int, int]

# How deep braces and wildcards may be nested.
_DEEPEST = 50
_LONGEST_NAME = 100
_WILDCARD = rf"__((?=[^\W_]|\*)[\w*/. -]{{1,{_LONGEST_NAME}}}?)(?<! )__"
# "2$$" or "1-2$$" before the alternatives, and perhaps what joins them: "2$$ and $$".
_PICK = r"\s*(?P<low>\d{1,4})(?:-(?P<high>\d{1,4}))?\$\$(?:(?P<joint>[^|{}$]*)\$\$)?"
_ANY_PICK = r"[\s\d~@!-]*\$\$"
_WEIGHT = r"\s*(?:\d+\.?\d*|\.\d+)::"
_JOINT = ", "
# What `escaping.as_line` writes for a line break, as the lines of a list are a prompt each.
LINE_BREAK = r"{1$$\n}"


class Expansion:
    r"""Expands texts, and keeps what the user should know of them.

    ``{red|blue}`` gives its alternatives, nested ones too, leftmost slowest. ``{2$$a|b|c}`` gives every combination of
    two of them, ``{1-2$$ and $$a|b|c}`` of one or two, joined by " and ". Weights (``{0.3::red|blue}``) are left out.
    Braces without a ``|`` are plain text. ``\{``, ``\|`` and ``\}`` are the characters themselves; so is a ``|``
    outside braces. ``{1$$\n}`` is a line break. ``__name__`` gives the lines of a wildcard's file, which may have
    braces and wildcards.

    Attributes:
        wildcards: those that were found, and what each gives.
        missing: names of those that were not found.
        has_weights: whether any weight was left out.
    """

    def __init__(self, read_wildcard: ReadWildcard) -> None:
        self._read_wildcard = read_wildcard
        self._open: list[str] = []
        self.wildcards: dict[str, list[str]] = {}
        self.missing: set[str] = set()
        self.has_weights = False

    def expand(self, text: str) -> list[str]:
        """Every combination of a text.

        Raises:
            ValueError: a brace without its partner or with a wrong number, nesting too deep, a wildcard that contains
                itself, or too many combinations.
        """
        found = self._expand(text, (0, len(text)), 0)
        # Collapse the double spaces that an empty alternative leaves: "a {|big} dog".
        return list(map(single_spaced_lines, found)) if "{" in text else found

    def _expand(self, text: str, span: _Span, depth: int) -> list[str]:
        if depth > _DEEPEST:
            raise ValueError(f"expected braces nested at most {_DEEPEST} deep, got more; write \\{{ for a plain brace.")
        parts: list[list[str]] = []
        literal: list[str] = []
        at, end = span
        while at < end:
            found: list[str] | None = None
            after = at + 1
            if _is_escape(text, at):
                literal.append(text[after])
                after += 1
            elif text.startswith(LINE_BREAK, at):
                literal.append("\n")
                after = at + len(LINE_BREAK)
            elif text[at] == "{":
                options, after = _split(text, at)
                found = self._alternatives(text, at, options, depth + 1)
            elif text[at] == "}":
                raise ValueError(f"'}}' at character {at + 1} closes nothing; write \\}} for a plain brace.")
            elif named := _wildcard_at(text, at, end):
                found = self._wildcard(named[1], depth + 1)
                after = at + len(named[0]) if found else after
            if found:
                parts += [["".join(literal)], found]
                literal.clear()
            elif after == at + 1:
                literal.append(text[at])
            at = after
        return _combined([*parts, ["".join(literal)]])

    def _alternatives(self, text: str, opened: int, options: list[_Span], depth: int) -> list[str]:
        """What the braces that open at a place give."""
        start, end = options[0]
        pick = re.match(_PICK, text[start:end])
        if pick is None and re.match(_ANY_PICK, text[start:end]):
            raise ValueError(
                f"'{{' at character {opened + 1}: expected a number before $$, as in {{2$$a|b|c}} or {{1-2$$a|b|c}}."
            )
        if pick is None and len(options) == 1:
            return ["{" + each + "}" for each in self._expand(text, options[0], depth)]
        if pick is not None:
            options = [(start + pick.end(), end), *options[1:]]
        found = [self._expand(text, self._without_weight(text, option), depth) for option in options]
        if pick is None:
            return _listed(found)
        if len(found) == 1:  # a wildcard: its lines are the alternatives
            found = [[each] for each in found[0]]
        low, high = int(pick["low"]), int(pick["high"] or pick["low"])
        if not low <= high or not 1 <= high <= len(found):
            raise ValueError(
                f"'{{' at character {opened + 1}: expected a number before $$ from 1 to {len(found)} (the number of "
                f"alternatives), got {high}."
            )
        return _picked(found, range(low, high + 1), _JOINT if pick["joint"] is None else pick["joint"])

    def _without_weight(self, text: str, option: _Span) -> _Span:
        start, end = option
        weight = re.match(_WEIGHT, text[start:end])
        self.has_weights |= weight is not None
        return (start + weight.end(), end) if weight else option

    def _wildcard(self, name: str, depth: int) -> list[str] | None:
        """All that a wildcard's file gives; None where there is no such file."""
        if name in self._open:
            raise ValueError(f"wildcard __{name}__: expected lines without this wildcard itself, got a circle.")
        if name not in self.wildcards and name not in self.missing:
            lines = self._read_wildcard(name)
            if lines is None:
                self.missing.add(name)
                return None
            self._open.append(name)
            self.wildcards[name] = _listed(self._wildcard_line(name, *line, depth) for line in lines)
            self._open.pop()
        return self.wildcards.get(name)

    def _wildcard_line(self, name: str, number: int, line: str, depth: int) -> list[str]:
        try:
            return self._expand(line, (0, len(line)), depth)
        except ValueError as error:
            raise ValueError(f"wildcard __{name}__, line {number}: {error}") from None


def expand_braces(text: str, read_wildcard: ReadWildcard = lambda name: None) -> list[str]:
    """Every combination of the alternatives of a text; rules and errors as `Expansion`."""
    return Expansion(read_wildcard).expand(text)


def _is_escape(text: str, at: int) -> bool:
    return text[at] == "\\" and text[at + 1 : at + 2] in ("{", "|", "}")


def _wildcard_at(text: str, at: int, end: int) -> re.Match[str] | None:
    return re.match(_WILDCARD, text[at : min(end, at + _LONGEST_NAME + 4)]) if text.startswith("__", at) else None


def _split(text: str, opened: int) -> tuple[list[_Span], int]:
    """The alternatives of the brace at a place, and where the text goes on after it."""
    options: list[_Span] = []
    start, depth, at = opened + 1, 0, opened + 1
    while at < len(text):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}" and depth:
            depth -= 1
        elif text[at] == "}":
            return [*options, (start, at)], at + 1
        elif text[at] == "|" and not depth:
            options.append((start, at))
            start = at + 1
        at += 2 if _is_escape(text, at) else 1
    raise ValueError(f"'{{' at character {opened + 1} is never closed; write \\{{ for a plain brace.")


def _picked(options: Sequence[list[str]], numbers: Sequence[int], joint: str) -> list[str]:
    """Every combination of so many of the alternatives."""
    check_size(sum(math.comb(len(options), number) for number in numbers), 0)
    chosen = itertools.chain.from_iterable(itertools.combinations(options, number) for number in numbers)
    return _listed(_combined([part for option in each for part in ([joint], option)][1:]) for each in chosen)


def _combined(parts: Sequence[list[str]]) -> list[str]:
    """Every concatenation of one string from each part; refused before it is built if too large."""
    count = math.prod(map(len, parts))
    check_size(count, sum(sum(map(len, part)) * (count // len(part)) for part in parts))
    return ["".join(choice) for choice in itertools.product(*parts)]


def _listed(groups: Iterable[list[str]]) -> list[str]:
    """All strings of some lists; refused as soon as they are too many."""
    found: list[str] = []
    characters = 0
    for group in groups:
        characters += sum(map(len, group))
        check_size(len(found) + len(group), characters)
        found += group
    return found
