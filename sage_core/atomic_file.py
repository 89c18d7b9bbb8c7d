"""Writes a file so that it is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, part: Path | None = None) -> Iterator[Path]:
    """Context to write a file in: yields a second path, which replaces `path` when the block has succeeded.

    Where the block or the renaming fails, the second file is removed, and `path` stays as it was.

    Args:
        path: the file to make or to replace; its folder exists.
        part: the file to write to, in the same folder; None for `path` with ".part" behind it.

    Raises:
        OSError: the file cannot be renamed. Errors of the block pass through.
    """
    if part is None:
        part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:  # a stop by the user too
        part.unlink(missing_ok=True)
        raise
