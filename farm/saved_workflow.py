"""Turns a workflow as the page saves it into the API format that ComfyUI runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .flat_workflow import PRIMITIVE, FlatNode, Node, Origin, flat_nodes

Info = dict[str, Any]
"""As /object_info of ComfyUI's server: the inputs of every node class."""

CHOICE = "COMFY_DYNAMICCOMBO_V3"
"""A combo whose options have inputs of their own, which come after it and are named "combo.input"."""
_TYPES: dict[str, tuple[type, ...]] = {"INT": (int, float), "FLOAT": (int, float), "STRING": (str,), "BOOLEAN": (bool,)}
_MISSING = object()
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", CHOICE)


def to_api(workflow: dict[str, Any], info: Info) -> dict[str, Node]:
    """The workflow's active nodes with their values and links, as POST /prompt takes them.

    Of a class that ComfyUI does not have there are only the links: ComfyUI names it if it is needed.

    Raises:
        ValueError: a node's values do not fit its inputs.
    """
    graph = {}
    nodes = flat_nodes(workflow)
    for key, (node, origins) in nodes.items():
        if node["type"] == PRIMITIVE:
            continue
        known = info.get(node["type"])
        try:
            inputs = {} if known is None else widget_values(node, known)
        except ValueError as error:
            raise ValueError(f"node {key} ({node['type']}): {error}") from None
        inputs.update({name: _given(origin, nodes) for name, origin in origins.items()})
        title = node.get("title") or (known or {}).get("display_name") or node["type"]
        graph[key] = {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}
    return graph


def _given(origin: Origin, nodes: dict[str, FlatNode]) -> Any:
    """What an input gets: a link, or the value that a primitive node sets."""
    source = nodes[origin[0]].node
    return source["widgets_values"][0] if source["type"] == PRIMITIVE else list(origin)


def check_subgraphs(workflow: dict[str, Any]) -> None:
    """Refuse values that are set on a subgraph itself: where the page keeps them depends on its version.

    Raises:
        ValueError: names the node.
    """
    definitions = workflow.get("definitions", {}).get("subgraphs", [])
    inner = {each["id"] for each in definitions}
    for node in (node for graph in (workflow, *definitions) for node in graph["nodes"]):
        has_values = node.get("widgets_values") or node.get("properties", {}).get("proxyWidgets")
        if node["type"] in inner and has_values:
            raise ValueError(f"node {node['id']}: expected a subgraph without values of its own, got some.")


def classes(workflow: dict[str, Any]) -> set[str]:
    """The classes of all nodes, those in subgraphs too."""
    graphs = [workflow, *workflow.get("definitions", {}).get("subgraphs", [])]
    return {node["type"] for graph in graphs for node in graph["nodes"]}


def widget_values(node: Node, info: Info) -> Node:
    """The values of a node's widgets by name; defaults for inputs that are newer than the workflow.

    Our own nodes do not get these: without a value they do what they did when there was no such input.

    The page saves them as a list in the order of the inputs, with a value of its own after seeds
    (what to do after a run) and after image uploads. More at the end belong to widgets that only show.

    Raises:
        ValueError: a value is of another type than its input: the node has widgets of its own on the page.
    """
    values = node.get("widgets_values") or []
    if not isinstance(values, list):
        raise ValueError(f"expected a list of values, got {type(values).__name__}.")
    return _values(iter(values), info["input"], has_defaults=not node["type"].startswith("Sage"))


def _values(values: Iterator[Any], inputs: Info, prefix: str = "", *, has_defaults: bool = True) -> Node:
    found = {}
    for name, kind, options in _specs(inputs):
        if not _is_widget(kind, options):
            continue
        value = next(values, _MISSING)
        if value is _MISSING and not has_defaults and name in inputs.get("optional", {}):
            continue
        value = found[prefix + name] = _default(kind, options) if value is _MISSING else value
        if not _fits(value, kind):
            raise ValueError(f"{prefix}{name}: expected a value of the type {kind}, got {value!r}.")
        if _has_companion(name, kind, options):
            next(values, None)
        if kind == CHOICE:
            chosen = {option["key"]: option["inputs"] for option in options["options"]}
            if value not in chosen:
                raise ValueError(f"{prefix}{name}: expected one of {', '.join(chosen)}, got {value!r}.")
            found.update(_values(values, chosen[value], f"{prefix}{name}."))
    return found


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value can be that of an input. ComfyUI checks those of combos itself."""
    types = _TYPES.get(kind) if isinstance(kind, str) else None
    if value is None or types is None:
        return True
    return isinstance(value, types) and (kind == "BOOLEAN" or not isinstance(value, bool))


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
