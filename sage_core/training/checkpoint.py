"""Saves and loads the state of a training: all that it needs to continue exactly where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..serialization import read_data, write_data


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a state, which is plain data (see `serialization.write_data`).

    Raises:
        OSError: the file cannot be written (disk full, no rights); the old one is as it was.
    """
    try:
        write_data(path, state)
    except (OSError, ValueError) as error:
        raise OSError(f"The state of the training cannot be written to {error}") from error


def load_state(path: Path) -> dict[str, Any]:
    """Reads a state.

    Raises:
        ValueError: there is no such file, or it is damaged.
    """
    try:
        return read_data(path)
    except ValueError as error:
        raise ValueError(f"run_name: the saved state is damaged ({error}). Choose another name.") from error
