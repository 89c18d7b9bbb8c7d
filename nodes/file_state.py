"""Whether a file that a node reads is still the same."""

from __future__ import annotations

from pathlib import Path


def file_state(path: Path) -> tuple[int, ...] | str:
    """What changes whenever a file is written anew, even if it keeps its size and its time; empty without a file."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # no such file, or no such name
        return ""
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
