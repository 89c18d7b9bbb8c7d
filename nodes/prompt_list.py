"""SagePromptList."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from ..sage_core.prompts.chosen import only_chosen
from ..sage_core.prompts.names import named
from ..sage_core.prompts.notes import list_notes
from ..sage_core.prompts.prompt_list import Prompt
from .graph import gives_list
from .list_inputs import takes_lists
from .prompt_inputs import (
    NO_FILE,
    all_prompts,
    chosen_input,
    prompt_file_input,
    prompts_fingerprint,
    prompts_input,
)
from .sockets import CATEGORY, searched_as

log = logging.getLogger(__name__)


class PromptList(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SagePromptList",
            display_name="Prompt List",
            category=CATEGORY,
            description=(
                "Gives a list of prompts, one by one. Connect it to any node: ComfyUI runs that node, and those after "
                "it, once per prompt."
            ),
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            is_input_list=True,
            inputs=[
                prompts_input(),
                io.String.Input(
                    "negative", multiline=True, dynamic_prompts=False, default="", optional=True,
                    tooltip="The negative prompt of every prompt that has none of its own in the file.",
                ),
                prompt_file_input("The columns 'negative', 'name' and 'seed offset' are used too. "),
                chosen_input(),
            ],
            outputs=[
                io.String.Output(
                    display_name="prompt", is_output_list=True,
                    tooltip="The prompts, one by one. For example for CLIP Text Encode.",
                ),
                io.String.Output(
                    display_name="negative", is_output_list=True, tooltip="The negative prompt of each prompt.",
                ),
                io.String.Output(
                    display_name="name", is_output_list=True,
                    tooltip="A short name of each prompt: the one in the file, or else the first words of the prompt. "
                    "For example for the filename_prefix of Save Image.",
                ),
                io.Int.Output(
                    display_name="seed_offset", is_output_list=True,
                    tooltip="The seed offset of each prompt, from the file; else 0. Add it to the seed of a sampler "
                    "that runs once per prompt.",
                ),
            ],
            **searched_as("prompt list", "batch prompts", "multiple prompts", "wildcard", "storyboard"),
        )  # fmt: skip

    @classmethod
    @takes_lists("prompts")
    def fingerprint_inputs(cls, prompts: Sequence[Any] = (), prompt_file: str | None = NO_FILE, **inputs: Any) -> Any:
        return prompts_fingerprint(prompts, prompt_file)

    @classmethod
    @takes_lists("prompts")
    def execute(
        cls, prompts: list[str], negative: str = "", prompt_file: str = NO_FILE, chosen: str = ""
    ) -> io.NodeOutput:
        whole = all_prompts(prompts, prompt_file, as_they_are=gives_list(cls.hidden, "prompts"))
        listed = only_chosen(named(whole), chosen)
        for note in (*listed.notes, *list_notes(listed.texts)):
            log.warning("SAGE: %s", note)
        return as_outputs(listed.prompts, negative)


def as_outputs(prompts: Sequence[Prompt], negative: str = "") -> io.NodeOutput:
    """The outputs of the node.

    Args:
        negative: of prompts that have none of their own.
    """
    return io.NodeOutput(
        [prompt.text for prompt in prompts], [prompt.negative or negative for prompt in prompts],
        [prompt.name for prompt in prompts], [prompt.seed_offset for prompt in prompts],
    )  # fmt: skip


NODES = [PromptList]
