"""Where files are saved: inside the output folder, named by ComfyUI's own rules."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..sage_core.validation import check_text


def output_path(prefix: str, width: int = 0, height: int = 0, *, name: str = "filename_prefix") -> tuple[
    Path, str, int, str
]:  # fmt: skip
    """Folder, start of the file's name, its number, and the subfolder.

    Args:
        width, height: of an image, for %width% and %height% in the prefix.
        name: of the input, for errors.

    Raises:
        ValueError: the prefix leads out of the output folder.
    """
    check_output_prefix(prefix, name)
    output = folder_paths.get_output_directory()
    folder, stem, first, subfolder, _ = folder_paths.get_save_image_path(prefix, output, width, height)
    return Path(folder), stem, first, subfolder


def check_output_prefix(prefix: str, name: str = "filename_prefix") -> None:
    check_text(name, prefix)
    inside = Path(folder_paths.get_output_directory()).resolve()
    if not (inside / prefix).resolve().is_relative_to(inside) or not prefix.strip("/\\. "):
        raise ValueError(f"{name}: expected a name inside the output folder, got {prefix!r}.")
