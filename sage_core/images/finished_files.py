"""Finds the files that an earlier run has saved, by the marks in them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from PIL import Image

# Key of a PNG's text: the mark of a prompt's pictures (see `sampling.picture_marks`) and the number of this one.
MARK = "sage_run"
# How every whole PNG ends: its last chunk.
_END = b"\0\0\0\0IEND\xaeB`\x82"


class FinishedFile(NamedTuple):
    """A file, and the number in its name."""

    number: int
    path: Path


def mark_of(mark: str, variation: int) -> str:
    """The mark of one picture; `variation` counts from 0."""
    return f"{mark}_v{variation + 1}"


def finished_files(folder: Path, stem: str) -> dict[str, FinishedFile]:
    """The PNG files of a name by the marks in them; of several with one mark the newest.

    Args:
        stem: how the names start, before the number. Files of a longer stem are others.
    """
    found: dict[str, FinishedFile] = {}
    for file in sorted(_named(folder, stem)):
        mark = _mark_in(file.path)
        if mark is not None:
            found[mark] = file
    return found


def _named(folder: Path, stem: str) -> list[FinishedFile]:
    """The files whose names are as `png_files` makes them."""
    name = rf"{re.escape(stem)}_(\d{{5,}})_g\d\d+_[^_]+(_v\d+)?\.png"
    matches = ((path, re.fullmatch(name, path.name)) for path in (folder.iterdir() if folder.is_dir() else ()))
    return [FinishedFile(int(match[1]), path) for path, match in matches if match]


def _mark_in(path: Path) -> str | None:
    """The mark in a file; None where it has none, is not whole, or cannot be read."""
    try:
        with Image.open(path) as file:  # reads the texts, not the pixels
            mark = file.info.get(MARK) if _is_whole(path) else None
    except (OSError, SyntaxError, ValueError):
        return None
    return mark if isinstance(mark, str) else None


def _is_whole(path: Path) -> bool:
    """Whether a PNG has its end: a disk or a copy that was cut off may have lost the pixels, but not the texts."""
    with path.open("rb") as file:
        file.seek(-len(_END), os.SEEK_END)
        return file.read() == _END
