"""SageSavePrefix, SageLoadPrefix and SageAddPrompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
from comfy_api.latest import io

from ..sage_core.prefix.extend import add_prompts
from ..sage_core.prefix.file import ENDING, load_prefix, save_prefix
from ..sage_core.prompts.parser import parse_prompts
from ..sage_core.sampling.prefix import check_prefix
from .encoder_folder import load_embedder
from .output_path import output_path
from .sockets import CATEGORY, Groups, Prefix


class AddPrompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageAddPrompts",
            display_name="Add Prompts",
            category=CATEGORY,
            description=(
                "New prompts for a prefix that is there: each goes on from the shared steps of the group it is most "
                "like, so that it costs its branch only."
            ),
            inputs=[
                Prefix.Input(
                    "prefix",
                    tooltip="From Shared KSampler Prefix. From another Add Prompts, its prompts come too, first.",
                ),
                io.Clip.Input("clip", tooltip="The text encoder that the groups were made with."),
                io.String.Input(
                    "prompts", multiline=True, dynamic_prompts=False,
                    tooltip="New prompts, one a line, written as in Semantic Group Prompts, comments and braces "
                    "too. Its encoder and template apply to them.",
                ),
            ],
            outputs=[
                Prefix.Output(
                    display_name="prefix", tooltip="For a Branch KSampler of its own: it has the new prompts only."
                ),
                Groups.Output(
                    display_name="groups", tooltip="The new prompts by the group they joined, for grids and files."
                ),
                io.String.Output(
                    display_name="report", tooltip="Which group every new prompt joined, and which prompts are alone."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, prefix: Any, clip: Any, prompts: str) -> io.NodeOutput:
        check_prefix(prefix)
        parsed = parse_prompts(prompts)
        embed, _ = load_embedder(prefix.groups.encoder, prefix.groups.encoder_model)
        bar = comfy.utils.ProgressBar(len(set(parsed)))
        added, report = add_prompts(clip, prefix, parsed, embed=embed, on_prompt=bar.update_absolute)
        return io.NodeOutput(added, added.groups, report)


_FOLDER = "prefixes"
# How the host marks a file of its output folder in a list of input files.
_FROM_OUTPUT = " [output]"


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
        folder, stem, number, _ = output_path(filename_prefix)
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


NODES = [AddPrompts, SavePrefix, LoadPrefix]
