"""SageSplitByPrompt."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from comfy_execution.graph import ExecutionBlocker

from ..sage_core.grouping.prompt_groups import check_groups
from ..sage_core.split import split_images, split_latent
from .sockets import CATEGORY, Groups, searched_as


class SplitByPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSplitByPrompt",
            display_name="Split by Prompt",
            category=CATEGORY,
            **searched_as("split batch", "unbatch", "second pass"),
            description=(
                "Splits what was sampled into one part per prompt. Everything that you connect after it runs once per "
                "prompt: a second sampler with the right prompt, Create Video, Save Image."
            ),
            inputs=[
                Groups.Input("groups", tooltip="The groups that were sampled: which part has which prompt."),
                io.Latent.Input(
                    "latent", optional=True,
                    tooltip="The latents of the sampler, all of them: first all variations of prompt 1, then of "
                    "prompt 2, and so on.",
                ),
                io.Image.Input(
                    "images", optional=True,
                    tooltip="The images decoded from these latents, all of them. Frames of videos are images, too.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent", is_output_list=True,
                    tooltip="The latents of each prompt: all its variations.",
                ),
                io.Image.Output(
                    display_name="images", is_output_list=True,
                    tooltip="The images of each prompt: all its variations, or all frames of its video.",
                ),
                io.String.Output(display_name="prompt", is_output_list=True, tooltip="The text of each prompt."),
                io.Conditioning.Output(
                    display_name="positive", is_output_list=True,
                    tooltip="The conditioning of each prompt. For a second sampler.",
                ),
                io.Conditioning.Output(
                    display_name="negative", is_output_list=True,
                    tooltip="The negative of each prompt, where every prompt has its own. If all prompts have the same "
                    "negative, connect that one to the second sampler.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, groups: Any, latent: Any = None, images: Any = None) -> io.NodeOutput:
        check_groups(groups)
        count = len(groups.prompts)
        return io.NodeOutput(
            _missing("connect latent to get latents") if latent is None else split_latent(latent, count),
            _missing("connect images to get images") if images is None else split_images(images, count),
            list(groups.prompts),
            list(groups.conditionings),
            list(groups.negatives)
            or _missing("these prompts have no negatives of their own; connect the negative of the first sampler"),
        )


def _missing(reason: str) -> list[ExecutionBlocker]:
    """In place of a list, for whatever is connected to it: says why in its first run, and is silent in the others."""
    return [ExecutionBlocker(f"Split by Prompt: {reason}."), ExecutionBlocker(None)]


NODES = [SplitByPrompt]
