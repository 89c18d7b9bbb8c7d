"""Wildcards: files with one text per line, which a prompt names as ``__name__``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..file_names import MOST_BYTES
from .braces import ReadWildcard
from .lines import prompt_lines
from .text_file import read_text


def wildcard_reader(folders: Sequence[Path]) -> ReadWildcard:
    """What reads the wildcards of some folders; of two files with one name, that of the first folder.

    The reader raises ValueError for a file that is no text, or has no line.
    """

    def read(name: str) -> tuple[tuple[int, str], ...] | None:
        if ".." in PurePosixPath(name).parts or name.startswith("/"):  # no way out of the folders
            return None
        if any(len(part.encode()) > MOST_BYTES for part in f"{name}.txt".split("/")):  # no file can have this name
            return None
        path = next((path for folder in folders if (path := folder / f"{name}.txt").exists()), None)
        if path is None:
            return None
        try:
            lines = prompt_lines(read_text(path)).numbered
        except (OSError, ValueError) as error:
            raise ValueError(f"wildcard __{name}__: {error}") from error
        if not lines:
            raise ValueError(f"wildcard __{name}__: expected at least one line in {path}, got none.")
        return lines

    return read
