"""Finds the files that an earlier run has saved, by the marks in them."""

from __future__ import annotations

import glob
from pathlib import Path

from PIL import Image

# Key of a PNG's text: the mark of a prompt's pictures (see `sampling.picture_marks`) and the number of this one.
MARK = "sage_run"


def mark_of(mark: str, variation: int) -> str:
    """The mark of one picture; `variation` counts from 0."""
    return f"{mark}_v{variation + 1}"


def finished_files(folder: Path, stem: str) -> dict[str, Path]:
    """The PNG files of a name by the marks in them; of several with one mark the newest.

    Args:
        stem: how the names start, before the number.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(f"{glob.escape(stem)}_*.png")):
        mark = _mark_in(path)
        if mark is not None:
            found[mark] = path
    return found


def number_in(path: Path, stem: str) -> int:
    """The number behind the stem of a file that `finished_files` has found."""
    return int(path.name[len(stem) + 1 :].split("_")[0])


def _mark_in(path: Path) -> str | None:
    """The mark in a file; None where it has none or cannot be read."""
    try:
        with Image.open(path) as file:  # reads the texts, not the pixels
            mark = file.info.get(MARK)
    except (OSError, SyntaxError, ValueError):
        return None
    return mark if isinstance(mark, str) else None
