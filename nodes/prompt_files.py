"""The files of prompts in ComfyUI's input folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import folder_paths

from ..sage_core.prompts.files import SUFFIXES
from ..sage_core.validation import check_text
from .file_state import file_state

# By folder, what changes when a file in it comes or goes.
_States = dict[Path, Any]
# By the input folder: the states of all folders in it, and the files of prompts there.
_LISTED: dict[Path, tuple[_States, list[str]]] = {}


def input_folder() -> Path:
    """ComfyUI's input folder."""
    return Path(folder_paths.get_input_directory())


def prompt_file_path(name: str) -> Path:
    """Where a file of prompts is.

    Raises:
        ValueError: it is not inside the input folder.
    """
    check_text(name, "prompt_file")
    path = input_folder() / name
    if not _is_inside(path):
        raise ValueError(f"prompt_file: expected a file inside the input folder, got {name!r}, which is not.")
    return path


def prompt_files() -> list[str]:
    """The names of all files of prompts. ComfyUI asks often, so a large folder is not read again without need."""
    folder = input_folder()
    states, names = _LISTED.get(folder, ({}, []))
    if not states or any(file_state(each) != then for each, then in states.items()):
        _, names = _LISTED[folder] = _listed(folder)
    return list(names)


def _listed(folder: Path) -> tuple[_States, list[str]]:
    states: _States = {}
    found: list[Path] = []
    for parent, _, names in os.walk(folder):
        states[Path(parent)] = file_state(Path(parent))
        paths = (Path(parent, name) for name in names if os.path.splitext(name)[1].lower() in SUFFIXES)
        found += [path for path in paths if path.is_file() and _is_inside(path)]
    return states, sorted(path.relative_to(folder).as_posix() for path in found)


def _is_inside(path: Path) -> bool:
    """Whether a path leads into the input folder; links may lead out."""
    return path.resolve().is_relative_to(input_folder().resolve())
