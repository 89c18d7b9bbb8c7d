"""SageAddPrompts."""

from __future__ import annotations

from typing import Any

import comfy.utils
from comfy_api.latest import io

from ..sage_core.adding import add_prompts
from ..sage_core.prefix import check_prefix
from ..sage_core.prompts import parse_prompts
from .encoder_models import measure
from .types import CATEGORY, Groups, Prefix


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
        embed, _ = measure(prefix.groups.encoder, prefix.groups.encoder_model)
        bar = comfy.utils.ProgressBar(len(set(parsed)))
        added, report = add_prompts(clip, prefix, parsed, embed=embed, on_prompt=bar.update_absolute)
        return io.NodeOutput(added, added.groups, report)
