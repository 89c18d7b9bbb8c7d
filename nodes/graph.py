"""The graph that a node is run in, and what its links carry."""

from __future__ import annotations

from typing import Any

from nodes import NODE_CLASS_MAPPINGS  # type: ignore[attr-defined]  # ComfyUI's; the type checker finds ours

from ..sage_core.graph import Graph, links


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


def gives_list(hidden: Any, name: str) -> bool:
    """Whether an input comes from an output that is a list of items, be it of one.

    Args:
        hidden: as in `place_in_graph`.
        name: of the input.
    """
    graph, node = place_in_graph(hidden)
    link = links(graph or {}, node or "").get(name)
    if not graph or link is None or str(link[0]) not in graph:
        return False
    are_lists = getattr(NODE_CLASS_MAPPINGS.get(graph[str(link[0])]["class_type"]), "OUTPUT_IS_LIST", ())
    return link[1] < len(are_lists) and bool(are_lists[link[1]])
