"""The graph that a node is run in, and what its links carry."""

from __future__ import annotations

from typing import Any

from nodes import NODE_CLASS_MAPPINGS  # type: ignore[attr-defined]  # ComfyUI's; the type checker finds ours

from ..sage_core.graph import Graph


def place_in_graph(hidden: Any) -> tuple[Graph | None, str | None]:
    """The graph, and the id of the node that runs; None where a node is called without a graph.

    Args:
        hidden: a node's own, with prompt and unique_id.
    """
    return (None, None) if hidden is None else (hidden.prompt, hidden.unique_id)


def output_type(class_type: str, index: int) -> str | None:
    """The type of a node's output; None where ComfyUI does not know it."""
    types = getattr(NODE_CLASS_MAPPINGS.get(class_type), "RETURN_TYPES", ())
    return types[index] if index < len(types) else None
