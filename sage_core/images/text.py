"""Draws text on pictures, in any script that a font of this machine has."""

from __future__ import annotations

import os
import sys
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from PIL import ImageDraw, ImageFont

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Words in the names of fonts that are not upright, regular and of letters.
_SKIPPED = ("bold", "italic", "oblique", "mono", "light", "thin", "black", "condensed", "emoji", "symbol")
# How the names of fonts start that are taken first.
_FIRST = ("notosans", "dejavusans", "segoeui", "arial", "helvetica", "sfns")
# No font has this code point: what it draws is the font's sign for a missing letter.
_NO_LETTER = "\U0010ffff"
_ELLIPSIS, _BOX = "\u2026", "\u25a1"


class TextRenderer:
    """Measures, wraps and draws text of one size.

    Letters come from Pillow's own font, and from the fonts of the system where it has none. A letter that no font
    has loses its accents, or becomes a box.

    Args:
        size: height of the letters in pixels.

    Attributes:
        line: height of a line in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.line = round(size * 1.35)

    def width(self, text: str) -> float:
        """Width of one line in pixels."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def draw(self, pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: str | tuple[int, ...]) -> None:
        """Draw one line.

        Args:
            at: (x, y) of its left end and of the top of the line.
            fill: colour, as Pillow takes it.
        """
        x, y = at
        for font, part in self._runs(text):
            pen.text((x, y + self.size), part, fill, font, anchor="ls" if _scalable(font) else None)
            x += font.getlength(part)

    def wrap(self, text: str, width: float, most: int = 0) -> list[str]:
        """Break a text into lines no wider than `width` pixels; a word that is too long breaks anywhere.

        Args:
            most: number of lines, the last of which ends in an ellipsis if there were more; 0 for no limit.
        """
        lines = self._lines(text, width)
        if not most:
            return list(lines)
        first = list(islice(lines, most + 1))  # what comes after is never looked at
        return first if len(first) <= most else [*first[: most - 1], self._cut(" ".join(first[most - 1 :]), width)]

    def ellipsize(self, text: str, width: float) -> str:
        """The start of a text that fits into `width` pixels, with an ellipsis where something is missing."""
        return text if self.width(text) <= width else self._cut(text, width)

    def _lines(self, text: str, width: float) -> Iterator[str]:
        """The lines of a wrapped text, one after the other."""
        line = ""
        for word in text.split():
            longer = f"{line} {word}" if line else word
            if self.width(longer) <= width:
                line = longer
                continue
            if line:
                yield line
            line = ""
            for letter in word:
                if line and self.width(line + letter) > width:
                    yield line
                    line = ""
                line += letter
        yield line

    def _cut(self, text: str, width: float) -> str:
        """The longest start of a text that fits into `width` pixels with an ellipsis behind it."""
        fits, end = 0, 8
        while end < len(text) and self.width(text[:end] + _ELLIPSIS) <= width:
            fits, end = end, 2 * end
        between = range(fits + 1, min(end, len(text)) + 1)
        fits += bisect_left(between, True, key=lambda to: self.width(text[:to] + _ELLIPSIS) > width)
        return text[:fits].rstrip() + _ELLIPSIS

    def _runs(self, text: str) -> list[tuple[Font, str]]:
        """The text in parts of one font each; one part if a font has all its letters."""
        text = _drawable(text)
        if (whole := _file_of_all(text)) is not None:
            return [(_load(whole, self.size), text)]
        parts: list[tuple[Font, str]] = []
        for letter in text:
            font = _load(_file(letter) or "", self.size)
            if parts and (parts[-1][0] is font or not letter.isalpha()):
                parts[-1] = (parts[-1][0], parts[-1][1] + letter)
            else:
                parts.append((font, letter))
        return parts


def _drawable(text: str) -> str:
    """The text in letters that some font has: without control characters, with a box for what no font has."""
    letters = []
    for letter in unicodedata.normalize("NFC", text.replace("\n", " ")):
        if unicodedata.category(letter)[0] == "C":
            continue
        plain = unicodedata.normalize("NFKD", letter)[:1]
        letters.append(next((each for each in (letter, plain) if _file(each) is not None), _BOX))
    return "".join(letters)


def _scalable(font: Font) -> bool:
    """Whether text can be placed by its baseline; Pillow's old bitmap font has none."""
    return isinstance(font, ImageFont.FreeTypeFont)


@lru_cache(maxsize=4096)
def _file(letter: str) -> str | None:
    """The font that has a letter: "" for Pillow's own, a path, or None."""
    if letter.isascii() or letter in (_ELLIPSIS, _BOX):
        return ""
    return next((path for path in _system_fonts() if _has(path, letter)), None)


@lru_cache(maxsize=4096)
def _file_of_all(text: str) -> str | None:
    """The first font that has every letter of a text, as `_file`."""
    odd = {letter for letter in text if not letter.isascii()} - {_ELLIPSIS, _BOX}
    if not odd:
        return ""
    return next((path for path in _system_fonts() if all(_has(path, letter) for letter in odd)), None)


@lru_cache(maxsize=64)
def _load(path: str, size: int) -> Font:
    """A font of one size; "" for Pillow's own."""
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@lru_cache(maxsize=65536)
def _has(path: str, letter: str) -> bool:
    """Whether a font has a letter; no where it cannot be read."""
    try:
        font = _load(path, 24)
        return bytes(font.getmask(letter)) != bytes(font.getmask(_NO_LETTER))
    except OSError:
        return False


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[str, ...]:
    """Upright, regular fonts of this machine; well-known ones first, then by name, so that the choice is stable."""
    home = Path.home()
    folders = {
        "win32": [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"],
        "darwin": [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"],
    }.get(sys.platform, [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts"])
    found = [
        path for folder in folders if folder.is_dir() for path in folder.rglob("*")
        if path.suffix.lower() in (".ttf", ".otf", ".ttc") and not any(word in path.stem.lower() for word in _SKIPPED)
    ]  # fmt: skip

    def rank(path: Path) -> tuple[int, str]:
        name = path.stem.lower().replace("-", "").replace("_", "")
        return next((i for i, known in enumerate(_FIRST) if name.startswith(known)), len(_FIRST)), str(path)

    return tuple(str(path) for path in sorted(found, key=rank))
