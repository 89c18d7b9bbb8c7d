"""The pack's own socket types, and what its schemas have in common."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

Groups = io.Custom("SAGE_GROUPS")
Prefix = io.Custom("SAGE_PREFIX")
CATEGORY = "SAGE"


def searched_as(*words: str) -> dict[str, Any]:
    """More words by which the node search finds a node, for its schema; none where ComfyUI is too old for them."""
    return {"search_aliases": list(words)} if "search_aliases" in io.Schema.__dataclass_fields__ else {}


def groups_of_images() -> Any:
    """The input of a node for the groups that its images were made from."""
    return Groups.Input(
        "groups",
        tooltip="From Semantic Group Prompts, Share Sampling or Add Prompts: which image has which prompt.",
    )
