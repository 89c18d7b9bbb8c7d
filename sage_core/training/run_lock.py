"""One training of a name at a time, whichever server it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..output_space import check_room


@contextmanager
def locked_run(path: Path) -> Iterator[None]:
    """Context in which the state of a training belongs to this process alone.

    The operating system frees the lock when the process ends, however it ends. Its file stays, and is empty.

    Args:
        path: of the saved state; its folder is made.

    Raises:
        ValueError: the training of this name runs already.
        OSError: the folder cannot be written to.
    """
    check_room(path.parent)
    lock = FileLock(path.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"run_name: the training {path.stem!r} is running already, here or in another ComfyUI. Wait until it has "
            "ended, or choose another run_name."
        ) from error
    try:
        yield
    finally:
        lock.release()
