"""Inputs on how prompts are grouped, of all nodes that group them."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..sage_core.grouping.build import COMPARE_MODES
from ..sage_core.grouping.threshold import THRESHOLD_MODES


def compare_input() -> io.Combo.Input:
    return io.Combo.Input(
        "compare",
        options=list(COMPARE_MODES),
        default=COMPARE_MODES[0],
        optional=True,
        tooltip="what differs: phrases that most prompts repeat (quality tags, style, LoRA names) do not count when "
        "prompts are compared, so that different subjects do not land in one group. whole prompts: everything counts.",
    )


def threshold_inputs(*, optional: bool = False) -> list[Any]:
    """The inputs threshold_mode, threshold and max_group_size."""
    return [
        io.Combo.Input(
            "threshold_mode",
            options=list(THRESHOLD_MODES),
            default="auto",
            optional=optional,
            tooltip="auto finds a threshold that fits these prompts and this encoder. fixed uses the number "
            "below; which number is good depends on the encoder.",
        ),
        io.Float.Input(
            "threshold",
            default=0.8,
            min=-1.0,
            max=1.0,
            step=0.01,
            optional=optional,
            tooltip="For fixed: every pair of prompts in a group is at least this similar (cosine).",
        ),
        io.Int.Input(
            "max_group_size",
            default=0,
            min=0,
            max=10000,
            optional=optional,
            tooltip="The largest number of different prompts in one group. 0: no limit.",
        ),
    ]
