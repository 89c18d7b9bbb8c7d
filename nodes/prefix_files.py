"""SageSavePrefix and SageLoadPrefix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..sage_core.prefix_file import ENDING, load_prefix, save_prefix
from .places import output_place
from .types import CATEGORY, Prefix

_FOLDER = "prefixes"
_FROM_OUTPUT = " [output]"
"""How the host marks a file of its output folder in a list of input files."""


class SavePrefix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSavePrefix",
            display_name="Save Prefix",
            category=CATEGORY,
            description="Saves the shared steps of a prefix, to go on with them in another session.",
            inputs=[
                Prefix.Input("prefix", tooltip="From Shared KSampler Prefix or Add Prompts."),
                io.String.Input(
                    "filename_prefix", default=f"{_FOLDER}/SAGE",
                    tooltip="How the file's name starts, in the output folder; a number follows. Load Prefix lists "
                    f"what is in output/{_FOLDER}.",
                ),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file is.")],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, prefix: Any, filename_prefix: str) -> io.NodeOutput:
        folder, stem, number, _ = output_place(filename_prefix)
        path = folder / f"{stem}_{number:05}_{ENDING}"
        save_prefix(prefix, path)
        return io.NodeOutput(str(path))


class LoadPrefix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageLoadPrefix",
            display_name="Load Prefix",
            category=CATEGORY,
            description="Loads the shared steps that Save Prefix has saved.",
            inputs=[
                io.Combo.Input(
                    "file", options=_files(),
                    tooltip=f"A file of Save Prefix, in output/{_FOLDER} or in the input folder. Press R if it is new.",
                ),
            ],
            outputs=[Prefix.Output(display_name="prefix", tooltip="For Branch KSampler and Add Prompts.")],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, file: str) -> Any:
        """A file that was written anew is another input, though its name is the same."""
        return _path(file).stat().st_mtime_ns if file in _files() else ""

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        known = _files()
        if file not in known:
            raise ValueError(f"file: expected one of {', '.join(known) or '(nothing there yet)'}, got {file!r}.")
        return io.NodeOutput(load_prefix(_path(file)))


def _path(file: str) -> Path:
    return Path(folder_paths.get_annotated_filepath(file))


def _files() -> list[str]:
    output, inputs = Path(folder_paths.get_output_directory()), Path(folder_paths.get_input_directory())
    saved = sorted(path.relative_to(output).as_posix() for path in (output / _FOLDER).rglob(f"*{ENDING}"))
    return [*(name + _FROM_OUTPUT for name in saved), *sorted(path.name for path in inputs.glob(f"*{ENDING}"))]
