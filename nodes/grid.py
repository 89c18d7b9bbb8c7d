"""SageComparisonGrid."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..sage_core.checks import check_groups
from ..sage_core.grid import comparison_grid
from .types import CATEGORY, Groups

_MORE = tuple(f"images_{number}" for number in range(2, 9))


class ComparisonGrid(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageComparisonGrid",
            display_name="SAGE Comparison Grid",
            category=CATEGORY,
            description=(
                "One picture of all images by group: framed in the group's colour, under their prompts, and side by "
                "side if the prompts were rendered in several ways."
            ),
            inputs=[
                Groups.Input("groups", tooltip="From Semantic Group Prompts: which image has which prompt."),
                io.Image.Input("images", tooltip="All prompts rendered in one way."),
                io.String.Input(
                    "titles", multiline=True, default="", optional=True, dynamic_prompts=False,
                    tooltip="What each way is called, a line each, in the order of the inputs.",
                ),
                io.Int.Input(
                    "image_size", default=0, min=0, max=2048, optional=True,
                    tooltip="Longest side of an image in the grid, in pixels. 0 keeps them as they are, or makes them "
                    "smaller if there are too many for one picture.",
                ),
                *(
                    io.Image.Input(name, optional=True, tooltip="The same prompts rendered in another way.")
                    for name in _MORE
                ),
            ],
            outputs=[io.Image.Output(display_name="grid", tooltip="One picture.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, groups: Any, images: Any, titles: str = "", image_size: int = 0, **more: Any
    ) -> io.NodeOutput:
        check_groups(groups)
        batches = {"images": images, **{name: more[name] for name in _MORE if more.get(name) is not None}}
        return io.NodeOutput(comparison_grid(groups, batches, titles.splitlines(), image_size))
