"""Saves and loads the state of a training: all that it needs to continue exactly where it was."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Protocol

from ..serialization import read_data, write_data

log = logging.getLogger(__name__)
# Of the saved state; the first files have no number.
FORMAT = 1


class Savable(Protocol):
    """A training that can be saved.

    Attributes:
        done: steps that are done.
        updating: whether a step was cut off while it changed the weights: then there is no state to save.
    """

    done: int
    updating: bool

    def state(self) -> dict[str, Any]:
        """All that it needs to continue, as plain data."""


class StateFile:
    """The file of a training that runs. A disk that is full is no reason to stop: what is learnt is in memory.

    Attributes:
        path: the file.
        done: steps that are done in the state in it; 0 where there is none.
        error: why the last state could not be written; empty where it could.
    """

    def __init__(self, path: Path, done: int) -> None:
        self.path, self.done, self.error = path, done, ""

    def save(self, training: Savable) -> None:
        """Write the state, where it is another one than the file's; what goes wrong is logged and kept."""
        if training.done == self.done:
            return
        if training.updating:
            log.warning("SAGE: stopped in the middle of a step. %s", self.kept())
            return
        try:
            save_state(self.path, training.state())
        except OSError as error:
            self.error = str(error)
            log.warning("SAGE: %s. %s", error, self.kept())
        else:
            self.done, self.error = training.done, ""

    def kept(self) -> str:
        """What a later run can continue from."""
        return f"The state after step {self.done} is saved." if self.done else "No state is saved."


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
        ValueError: there is no such file, it is damaged, or a newer version of the pack has written it.
    """
    try:
        state = read_data(path)
    except ValueError as error:
        raise ValueError(f"run_name: the saved state is damaged ({error}). Choose another name.") from error
    number = state.get("format", 0) if isinstance(state, dict) else None
    if not isinstance(number, int):
        raise ValueError(f"run_name: {path} is no saved state of a training. Choose another name.")
    if number > FORMAT:
        raise ValueError(
            f"run_name: the saved state has format {number}, expected at most {FORMAT}: a newer version of SAGE has "
            "saved it. Update SAGE, or choose another name."
        )
    return state
