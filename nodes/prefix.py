"""SageSavePrefix, SageLoadPrefix and SageAddPrompts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
from comfy_api.latest import io

from ..sage_core.atomic_file import write_new
from ..sage_core.output_space import check_room
from ..sage_core.phrases import with_notes
from ..sage_core.prefix.extend import add_prompts
from ..sage_core.prefix.file import ENDING, load_prefix, save_prefix
from ..sage_core.prompts.notes import list_notes
from ..sage_core.prompts.parser import parse_items
from ..sage_core.sampling.prefix import check_prefix
from ..sage_core.validation import check_choice
from .encoder_folder import load_embedder
from .file_state import file_state
from .graph import gives_list
from .list_inputs import takes_lists
from .output_path import output_path
from .prompt_inputs import LIST_TIP, NO_FILE, prompts_fingerprint, wildcards
from .sockets import CATEGORY, Groups, Prefix, searched_as


class AddPrompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageAddPrompts",
            display_name="Add Prompts",
            category=CATEGORY,
            **searched_as("more prompts", "append prompts"),
            description=(
                "Adds prompts to shared steps that have already run. Each new prompt continues from the group that "
                "it is most similar to, so it costs its own branch only (with correction: its own steps)."
            ),
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            is_input_list=True,
            inputs=[
                Prefix.Input(
                    "prefix",
                    tooltip="From Shared KSampler Prefix or Load Prefix. From another Add Prompts: the prompts of "
                    "that node come first, then the new ones.",
                ),
                io.Clip.Input("clip", tooltip="The text encoder that the groups were made with."),
                io.String.Input(
                    "prompts", multiline=True, dynamic_prompts=False,
                    tooltip="New prompts, one per line, written as in Semantic Group Prompts (comments and braces "
                    f"too). They use its encoder and template. {LIST_TIP}",
                ),
            ],
            outputs=[
                Prefix.Output(
                    display_name="prefix",
                    tooltip="For a separate Branch KSampler: it has the new prompts only.",
                ),
                Groups.Output(
                    display_name="groups",
                    tooltip="The new prompts, by the group that each of them joined. For grids and files.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which group each new prompt joined, and which prompts are sampled alone.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    @takes_lists("prompts")
    def fingerprint_inputs(cls, prompts: Sequence[Any] = (), **inputs: Any) -> Any:
        return prompts_fingerprint(prompts, NO_FILE)

    @classmethod
    @takes_lists("prompts")
    def execute(cls, prefix: Any, clip: Any, prompts: list[str]) -> io.NodeOutput:
        check_prefix(prefix)
        listed = parse_items(prompts, wildcards(), as_they_are=gives_list(cls.hidden, "prompts"))
        embed, _ = load_embedder(prefix.groups.encoder, prefix.groups.encoder_model)
        bar = comfy.utils.ProgressBar(len(set(listed.texts)))
        added, report = add_prompts(clip, prefix, listed.texts, embed=embed, on_prompt=bar.update_absolute)
        notes = (*listed.notes, *list_notes(listed.texts))
        return io.NodeOutput(added, added.groups, with_notes(report, notes))


_FOLDER = "prefixes"
# How ComfyUI marks a file of its output folder in a list of input files.
_FROM_OUTPUT = " [output]"


class SavePrefix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSavePrefix",
            display_name="Save Prefix",
            category=CATEGORY,
            description="Saves the shared steps of a prefix, so that you can continue from them in another session.",
            inputs=[
                Prefix.Input("prefix", tooltip="From Shared KSampler Prefix or Add Prompts."),
                io.String.Input(
                    "filename_prefix", default=f"{_FOLDER}/SAGE",
                    tooltip="How the file name starts, in the output folder; a number follows. Load Prefix lists the "
                    f"files in output/{_FOLDER}.",
                ),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file is.")],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None = None) -> bool | str:
        """Checks the folder before the run that it is to keep. A name from another node is not known yet."""
        try:
            if filename_prefix is not None:
                check_room(output_path(filename_prefix)[0])
        except (OSError, ValueError) as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, prefix: Any, filename_prefix: str) -> io.NodeOutput:
        check_prefix(prefix)
        folder, stem, first, _ = output_path(filename_prefix)
        names = (folder / f"{stem}_{number:05}_{ENDING}" for number in itertools.count(first))
        return io.NodeOutput(str(write_new(names, lambda path: save_prefix(prefix, path))))


class LoadPrefix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageLoadPrefix",
            display_name="Load Prefix",
            category=CATEGORY,
            description="Loads shared steps that Save Prefix saved.",
            inputs=[
                io.Combo.Input(
                    "file", options=_files(),
                    tooltip=f"A file of Save Prefix, in output/{_FOLDER} or in the input folder. Press R to see a new "
                    "file.",
                ),
            ],
            outputs=[Prefix.Output(display_name="prefix", tooltip="For Branch KSampler and Add Prompts.")],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, file: str) -> Any:
        """A rewritten file counts as a changed input, though its name is the same."""
        return file_state(_path(file)) if file in _files() else ""

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        check_choice("file", file, _files())
        return io.NodeOutput(load_prefix(_path(file)))


def _path(file: str) -> Path:
    return Path(folder_paths.get_annotated_filepath(file))


def _files() -> list[str]:
    output, inputs = Path(folder_paths.get_output_directory()), Path(folder_paths.get_input_directory())
    saved = sorted(path.relative_to(output).as_posix() for path in (output / _FOLDER).rglob(f"*{ENDING}"))
    return [*(name + _FROM_OUTPUT for name in saved), *sorted(path.name for path in inputs.glob(f"*{ENDING}"))]


NODES = [AddPrompts, SavePrefix, LoadPrefix]
