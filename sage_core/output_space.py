"""Checks that a folder takes a file, before the work that the file is to keep."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

# What a file system needs beside the files themselves, bytes.
_SPARE = 16 * 2**20


def check_room(folder: Path, size: int = 0) -> None:
    """Refuse a folder that cannot be written to, or a disk that is too full.

    Args:
        folder: where files are to be written; it is made.
        size: of the files together, bytes.

    Raises:
        OSError: names the folder, and how much room is wanted and there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"The folder {folder} cannot be written to ({error}). Choose another one.") from error
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        wanted = (size + _SPARE) / 2**20
        raise OSError(
            f"The disk of {folder} is too full: expected {wanted:,.0f} MiB of room, got {free / 2**20:,.0f} MiB."
        )
