"""Walks through a graph as ComfyUI runs it: from a node to those that its inputs come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

# ComfyUI's PROMPT: node id to class_type and inputs; an input is a value or [node id, output].
Graph = dict[str, dict[str, Any]]
# The type of an output ("IMAGE") by the class of its node and its number; None where it is not known.
OutputType = Callable[[str, int], str | None]
# Whether to follow an input, by its name and its link.
Follows = Callable[[str, list[Any]], bool]
# Nodes that are looked at, at most.
_MOST_NODES = 200


def links(graph: Graph, node: str) -> dict[str, list[Any]]:
    """The inputs of a node that come from other nodes, by name."""
    inputs = graph.get(node, {}).get("inputs", {})
    return {name: value for name, value in inputs.items() if is_link(value)}


def upstream(
    graph: Graph, start: str, follows: Follows = lambda name, link: True, most: int = _MOST_NODES
) -> Iterator[str]:
    """A node and all that it depends on, nearest first, each once; at most so many."""
    seen, waiting = {start}, [start]
    while waiting:
        node = waiting.pop(0)
        if node not in graph:
            continue
        yield node
        for name, link in links(graph, node).items():
            if str(link[0]) not in seen and len(seen) < most and follows(name, link):
                seen.add(str(link[0]))
                waiting.append(str(link[0]))


def recipe(graph: Graph, node: str) -> str:
    """How the inputs of a node that come from other nodes are made, as text; the same for the same nodes and values."""
    above = sorted(set(upstream(graph, node, most=len(graph))) - {node})
    made_by = {key: [graph[key]["class_type"], graph[key].get("inputs", {})] for key in above}
    return json.dumps([links(graph, node), made_by], sort_keys=True)


def follows_types(graph: Graph, output_type: OutputType, *types: str) -> Follows:
    """For `upstream`: follow the links that carry one of these types."""
    return lambda name, link: link_type(graph, link, output_type) in types


def link_type(graph: Graph, link: list[Any], output_type: OutputType) -> str | None:
    """What a link carries; None where it is not known."""
    source = graph.get(str(link[0]))
    return None if source is None else output_type(source["class_type"], link[1])


def is_link(value: Any) -> bool:
    """Whether an input comes from another node."""
    return isinstance(value, list) and len(value) == 2


def plain_value(graph: Graph, value: Any) -> Any:
    """A plain value, or the only plain one of the node that it comes from; None where there is no such one.

    The text of an input `prompts` is a list, of which another node gets one item at a time.
    """
    if not is_link(value):
        return value if isinstance(value, int | float | str) else None
    inputs = graph.get(str(value[0]), {}).get("inputs", {})
    plain = {name: each for name, each in inputs.items() if isinstance(each, int | float | str)}
    return next(iter(plain.values())) if len(plain) == 1 and "prompts" not in plain else None
