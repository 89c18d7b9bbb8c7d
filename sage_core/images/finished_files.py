"""Finds the files that an earlier run has saved, by the marks in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from PIL import Image

# Key of a PNG's text: the mark of a prompt's pictures (see `sampling.picture_marks`) and the number of this one.
MARK = "sage_run"


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
    """The mark in a file; None where it has none or cannot be read."""
    try:
        with Image.open(path) as file:  # reads the texts, not the pixels
            mark = file.info.get(MARK)
    except (OSError, SyntaxError, ValueError):
        return None
    return mark if isinstance(mark, str) else None
