"""The files of prompts in ComfyUI's input folder."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ..sage_core.prompts.files import SUFFIXES
from ..sage_core.validation import check_text

# By the input folder: when each folder in it changed last, and the files of prompts there.
_LISTED: dict[Path, tuple[dict[str, int], list[str]]] = {}


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
    changed, names = _LISTED.get(folder, ({}, []))
    if not changed or any(_changed(each) != then for each, then in changed.items()):
        changed, names = _LISTED[folder] = _listed(folder)
    return list(names)


def _listed(folder: Path) -> tuple[dict[str, int], list[str]]:
    changed: dict[str, int] = {}
    found: list[Path] = []
    for parent, _, names in os.walk(folder):
        changed[parent] = _changed(parent)
        paths = (Path(parent, name) for name in names if name.lower().endswith(tuple(SUFFIXES)))
        found += [path for path in paths if path.is_file() and _is_inside(path)]
    return changed, sorted(path.relative_to(folder).as_posix() for path in found)


def _changed(folder: str) -> int:
    """When a folder changed last; 0 where it is gone."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _is_inside(path: Path) -> bool:
    """Whether a path leads into the input folder; links may lead out."""
    return path.resolve().is_relative_to(input_folder().resolve())
