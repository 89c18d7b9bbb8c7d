"""The lines of a text that are prompts, without its comments."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Where a comment begins that ComfyUI's page takes out of a text box with dynamic prompts.
_COMMENT = r"(?=(/\*|//))"
# A line of its own. A hash before a word is not one: "#ff0000 car".
_COMMENT_LINE = r"#+(\s.*)?"
# Stands for a line break inside a comment, so that the next line keeps its number. Unicode has it for such uses.
_BREAK = "\ufdd0"


@dataclass(frozen=True)
class Lines:
    """The lines of a text that are not blank.

    Attributes:
        numbered: number (from 1) and text of each, without white space around it.
        comments: how many comments were left out.
        hashes: how many lines start with a hash that is no comment.
    """

    numbered: tuple[tuple[int, str], ...]
    comments: int
    hashes: int


def prompt_lines(text: str) -> Lines:
    """Split a text into lines, and leave out blank ones and comments.

    ``//`` to the end of the line and ``/* */`` are comments, as in ComfyUI's own text boxes; so is a line that starts
    with ``#`` and a space. ``\\#`` at the start of a line is a hash. Only line feeds and carriage returns end a line;
    other signs for a new line or page are spaces.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text, comments = _without_comments(text)
    numbered: list[tuple[int, str]] = []
    number = hashes = 0
    for line in text.split("\n"):
        number += 1
        start, number = number, number + line.count(_BREAK)
        line = re.sub(r"[\v\f\x1c-\x1e\x85\u2028\u2029]", " ", line.replace(_BREAK, "")).strip()
        if re.fullmatch(_COMMENT_LINE, line):
            comments += 1
        elif not is_blank(line):
            hashes += line.startswith("#")
            numbered.append((start, line[1:] if line.startswith("\\#") else line))
    return Lines(tuple(numbered), comments, hashes)


def _without_comments(text: str) -> tuple[str, int]:
    """A text with a sign for every line break in a comment, in the place of the comment; and how many there were."""
    parts: list[str] = []
    at = comments = 0
    last = text.rfind("*/")  # a block that begins behind it is never closed, and so is no comment
    for found in re.finditer(_COMMENT, text):
        start, is_block = found.start(), found[1] == "/*"
        if start < at or (is_block and start + 2 > last):
            continue
        end = text.index("*/", start + 2) + 2 if is_block else _line_end(text, start)
        parts += [text[at:start], _BREAK * text.count("\n", start, end)]
        at = end
        comments += 1
    return "".join([*parts, text[at:]]), comments


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def is_blank(text: str) -> bool:
    """Whether there is nothing to see: white space, and signs without a width."""
    return all(sign.isspace() or unicodedata.category(sign) in ("Cc", "Cf") for sign in text)


def single_spaced(text: str) -> str:
    """A text with single white space, also in place of line breaks."""
    return " ".join(text.split())


def single_spaced_lines(text: str) -> str:
    """A text with single white space in every line, and no blank line at its ends; some models read lyrics by lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(map(single_spaced, lines)).strip("\n")
