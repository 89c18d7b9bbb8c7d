"""Three embedded prompts, and settings to group them by."""

from __future__ import annotations

from typing import Any

import numpy as np
from comfyui_sage.sage_core.panels.groups import EmbeddedPrompts
from comfyui_sage.sage_core.vectors import normalize

PROMPTS = ("red car", "blue car", "moon")
EMBEDDED = EmbeddedPrompts(PROMPTS, normalize(np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]])), 0.7)
FIXED = {"threshold_mode": "fixed", "threshold": 0.9, "max_group_size": 0, "pinned": ""}


def member_lists(preview: dict[str, Any]) -> list[list[int]]:
    """The prompts of every group of a preview."""
    return [list(group["members"]) for group in preview["groups"]]
