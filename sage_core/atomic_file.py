"""Writes files so that each is there whole or not at all, whoever else writes in the same folder."""

from __future__ import annotations

import functools
import os
import platform
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# A part of another computer, in a folder that both write in, may belong to a process that still runs; seconds.
_OLD = 24 * 3600
# `functools.cache` lets two threads in at once: the later one would remove what the first one already writes.
_CLEANING = threading.Lock()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Context to write a file in: yields a second path, which replaces `path` when the block has succeeded.

    Where the block or the renaming fails, the second file is removed, and `path` stays as it was.

    Args:
        path: the file to make or to replace; its folder exists.

    Raises:
        OSError: the file cannot be renamed. Errors of the block pass through.
    """
    with _part_in(path.parent) as part:
        yield part
        _flush(part)
        os.replace(part, path)


def write_new(paths: Iterable[Path], write: Callable[[Path], object]) -> Path:
    """Writes a file under the first of some names that is free. Two processes never take the same one.

    Args:
        paths: the names, all in one folder, which exists.
        write: writes the file at the path that it is given.

    Returns:
        The name that was free.

    Raises:
        OSError: the file cannot be put there. Errors of `write` pass through; nothing is left of the file.
    """
    names = iter(paths)
    path = next(names)
    with _part_in(path.parent) as part:
        write(part)
        _flush(part)
        while not _put(part, path):
            path = next(names)
    return path


def _flush(part: Path) -> None:
    """Wait until the disk has a file: after a power cut its name could be there, and nothing in it."""
    with part.open("r+b") as file:
        os.fsync(file.fileno())


def _put(part: Path, path: Path) -> bool:
    """Give a file its name. Returns whether that was free."""
    try:
        os.link(part, path)  # unlike renaming, it fails where there is a file
    except FileExistsError:
        return False
    except OSError:  # a file system without links: take the name with an empty file
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        os.replace(part, path)
    return True


@contextmanager
def _part_in(folder: Path) -> Iterator[Path]:
    """Context with the path of a temporary file, which no other process uses; it is removed at the end."""
    with _CLEANING:
        _remove_leftovers(folder.resolve())
    part = folder / f".sage-{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.part"
    try:
        yield part
    finally:  # after a stop by the user too
        part.unlink(missing_ok=True)


@functools.cache
def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed. Once per folder, before this process writes there."""
    for part in folder.glob(".sage-*.part"):
        with suppress(OSError, ValueError):  # not ours to remove, gone already, or not named by us
            if _is_left_over(part):
                part.unlink()


def _is_left_over(part: Path) -> bool:
    _, host, pid, _ = part.name.split("-")
    if host == _host() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
        return True
    return time.time() - part.stat().st_mtime > _OLD


@functools.cache
def _host() -> str:
    """A short name of this computer."""
    return f"{zlib.crc32(platform.node().encode()):08x}"
