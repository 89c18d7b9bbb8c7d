"""Where files are saved: inside the output folder, named by ComfyUI's own rules."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import folder_paths

from ..sage_core.file_names import check_file_name
from ..sage_core.name_tokens import replace_tokens

# Room in the name for what follows the prefix: a number, a group, some of the prompt, an ending.
_FOLLOWS = "-" * 60


def output_path(prefix: str, width: int = 0, height: int = 0, *, name: str = "filename_prefix") -> tuple[
    Path, str, int, str
]:  # fmt: skip
    """Folder, start of the file's name, its number, and the subfolder.

    Args:
        width, height: of an image, for %width% and %height% in the prefix.
        name: of the input, for errors.

    Raises:
        ValueError: as `check_output_prefix`.
    """
    prefix = replace_tokens(prefix, datetime.now())
    check_output_prefix(prefix, name)
    output = folder_paths.get_output_directory()
    folder, stem, first, subfolder, _ = folder_paths.get_save_image_path(prefix, output, width, height)
    return Path(folder), stem, first, subfolder


def output_prefix(prefix: str, hidden: Any) -> str:
    """A prefix with values for its tokens, checked.

    Args:
        hidden: of the node that saves, with prompt and extra_pnginfo; None where it is called without a graph.

    Raises:
        ValueError: as `check_output_prefix`.
    """
    graph, page = (None, None) if hidden is None else (hidden.prompt, hidden.extra_pnginfo)
    prefix = replace_tokens(prefix, datetime.now(), graph, (page or {}).get("workflow"))
    check_output_prefix(prefix)
    return prefix


def check_output_prefix(prefix: str, name: str = "filename_prefix") -> None:
    """Refuse a prefix that is no name inside the output folder, or that not every system takes.

    Raises:
        ValueError: says what is wrong with it.
    """
    parts = [part for part in re.split(r"[/\\]", prefix) if part not in ("", ".", "..")]
    for at, part in enumerate(parts, start=1):
        if at < len(parts):
            check_file_name(name, part)
        else:  # what follows stands behind its dots and spaces
            check_file_name(name, part.rstrip(". "), _FOLLOWS)
    inside = Path(folder_paths.get_output_directory()).resolve()
    if not prefix.strip("/\\. ") or not (inside / prefix).resolve().is_relative_to(inside):
        raise ValueError(f"{name}: expected a name inside the output folder, got {prefix!r}.")


def prefix_refusal(prefix: str | None, name: str = "filename_prefix") -> bool | str:
    """What a node's `validate_inputs` answers to a prefix: True, or what is wrong with it.

    Nothing is wrong yet with one that comes over a link (None), and with tokens whose values are not known yet.

    Args:
        name: of the input, for the error.
    """
    try:
        check_output_prefix("0" if prefix is None else re.sub("%[^%]+%", "0", prefix), name)
    except ValueError as error:
        return str(error)
    return True
