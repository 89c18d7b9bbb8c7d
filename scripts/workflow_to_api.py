"""Turns a workflow as the browser saves it into the API format that the server runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flat_workflow import Node, flat_nodes

Info = dict[str, Any]
"""The server's /object_info: the inputs of every node class."""

CHOICE = "COMFY_DYNAMICCOMBO_V3"
"""A combo whose options have inputs of their own, which come after it and are named "combo.input"."""
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", CHOICE)


def to_api(workflow: dict[str, Any], info: Info) -> dict[str, Node]:
    """The workflow's active nodes with their values and links, as POST /prompt takes them.

    Raises:
        ValueError: a class that the server does not know.
    """
    graph = {}
    for key, (node, origins) in flat_nodes(workflow).items():
        if node["type"] not in info:
            raise ValueError(f"node {key}: the server has no class {node['type']!r}")
        inputs = widget_values(node, info[node["type"]])
        inputs.update({name: list(origin) for name, origin in origins.items()})
        title = node.get("title") or info[node["type"]]["display_name"] or node["type"]
        graph[key] = {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}
    return graph


def saves_grid(graph: dict[str, Node], node: str) -> bool:
    """Whether a node of a graph in the API format saves a comparison grid, and not single images."""
    origin = graph[node]["inputs"].get("images", [None])[0]
    return origin in graph and graph[origin]["class_type"] == "SageComparisonGrid"


def widget_values(node: Node, info: Info) -> Node:
    """The values of a node's widgets by name; defaults for inputs that are newer than the workflow.

    The browser saves them as a list in the order of the inputs, with a value of its own after seeds
    (what to do after a run) and after image uploads. More at the end belong to widgets that only show.
    """
    return _values(iter(node.get("widgets_values") or []), info["input"])


def _values(values: Iterator[Any], inputs: Info, prefix: str = "") -> Node:
    found = {}
    for name, kind, options in _specs(inputs):
        if not _is_widget(kind, options):
            continue
        value = found[prefix + name] = next(values, _default(kind, options))
        if _has_companion(name, kind, options):
            next(values, None)
        if kind == CHOICE:
            chosen = next(option["inputs"] for option in options["options"] if option["key"] == value)
            found.update(_values(values, chosen, f"{prefix}{name}."))
    return found


def _default(kind: Any, options: Node) -> Any:
    choices = kind if isinstance(kind, list) else options.get("options", [None])
    if kind == CHOICE:
        return choices[0]["key"]
    return options.get("default", next(iter(choices), None))


def _specs(inputs: Info) -> list[tuple[str, Any, Node]]:
    """Name, type and options of each input, in order."""
    specs = [item for part in ("required", "optional") for item in inputs.get(part, {}).items()]
    return [(name, spec[0], spec[1] if len(spec) > 1 else {}) for name, spec in specs]


def _is_widget(kind: Any, options: Node) -> bool:
    return (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput")


def _has_companion(name: str, kind: Any, options: Node) -> bool:
    seed = kind == "INT" and name in ("seed", "noise_seed")
    return bool(options.get("control_after_generate", seed) or options.get("image_upload"))
