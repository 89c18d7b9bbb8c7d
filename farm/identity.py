"""What decides the pictures of a ComfyUI beside the workflow: versions, and the contents of the files it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from ..sage_core.farm.graphs import JobGraph

_PROJECT = Path(__file__).parent.parent / "pyproject.toml"
# Bytes that are looked at, at the beginning and at the end of a file: whole models would take minutes.
_ENDS = 1 << 20
# No file name is longer.
_LONGEST_NAME = 255


def versions() -> dict[str, str]:
    """The versions of ComfyUI and of this pack, by their names for the user."""
    import comfyui_version

    found = re.search(r'^version = "(.+)"$', _PROJECT.read_text("utf-8"), re.MULTILINE)
    return {"ComfyUI version": comfyui_version.__version__, "SAGE version": found[1] if found else ""}


def model_files(graph: JobGraph) -> dict[str, str]:
    """Digests of the files that a graph names: models, and images of the input folder."""
    found = {name: _paths(name) for name in sorted(set(_names(graph)))}
    return {f"file {name}": " ".join(map(_digest, paths)) for name, paths in found.items() if paths}


def _names(graph: JobGraph) -> Iterator[str]:
    for _, inputs in graph.recipe().values():
        for value in inputs.values():
            if isinstance(value, str) and "." in value and len(value) <= _LONGEST_NAME and value.isprintable():
                yield value


def _paths(name: str) -> list[Path]:
    """The files of a name, as ComfyUI finds them: folders of several kinds may each have one."""
    import folder_paths

    found = [folder_paths.get_full_path(kind, name) for kind in folder_paths.folder_names_and_paths]
    if folder_paths.exists_annotated_filepath(name):
        found.append(folder_paths.get_annotated_filepath(name))
    return [path for path in map(Path, dict.fromkeys(filter(None, found))) if path.is_file()]


def _digest(path: Path) -> str:
    """Of the size and both ends of a file."""
    with path.open("rb") as file:
        start = file.read(_ENDS)
        size = file.seek(0, 2)
        file.seek(max(0, size - _ENDS))
        return sha256(start + file.read() + str(size).encode()).hexdigest()
