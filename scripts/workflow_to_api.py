"""Turns a workflow as the browser saves it into the API format that the server runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]
Info = dict[str, Any]
"""The server's /object_info: the inputs of every node class."""

MUTED, BYPASSED = 2, 4
NOTES = ("Note", "MarkdownNote")
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def to_api(workflow: dict[str, Any], info: Info) -> dict[str, Node]:
    """The workflow's active nodes with their values and links, as POST /prompt takes them.

    Muted nodes go with their links, bypassed ones hand on what comes in by type, reroutes are followed.

    Raises:
        ValueError: a class that the server does not know.
    """
    links = {link[0]: (link[1], link[2]) for link in workflow["links"]}
    wiring = _Wiring({node["id"]: node for node in workflow["nodes"]}, links)
    graph = {}
    for node in workflow["nodes"]:
        if node["type"] in (*NOTES, "Reroute") or node.get("mode", 0) in (MUTED, BYPASSED):
            continue
        if node["type"] not in info:
            raise ValueError(f"node {node['id']}: the server has no class {node['type']!r}")
        inputs = widget_values(node, info[node["type"]])
        for socket in node.get("inputs", []):
            if origin := wiring.origin(socket.get("link")):
                inputs[socket["name"]] = origin
        title = node.get("title") or info[node["type"]]["display_name"] or node["type"]
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}
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
    values = iter(node.get("widgets_values") or [])
    found = {}
    for name, kind, options in _inputs(info):
        if not _is_widget(kind, options):
            continue
        found[name] = next(values, _default(kind, options))
        if _has_companion(name, kind, options):
            next(values, None)
    return found


def _default(kind: Any, options: Node) -> Any:
    choices = kind if isinstance(kind, list) else options.get("options", [None])
    return options.get("default", next(iter(choices), None))


def _inputs(info: Info) -> list[tuple[str, Any, Node]]:
    """Name, type and options of each input, in order."""
    specs = [item for part in ("required", "optional") for item in info["input"].get(part, {}).items()]
    return [(name, spec[0], spec[1] if len(spec) > 1 else {}) for name, spec in specs]


def _is_widget(kind: Any, options: Node) -> bool:
    return (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput")


def _has_companion(name: str, kind: Any, options: Node) -> bool:
    seed = kind == "INT" and name in ("seed", "noise_seed")
    return bool(options.get("control_after_generate", seed) or options.get("image_upload"))


@dataclass(frozen=True)
class _Wiring:
    """Who feeds what: nodes by id, and links by id as (node id, output)."""

    nodes: dict[int, Node]
    links: dict[int, tuple[int, int]]

    def origin(self, link: int | None) -> list[Any] | None:
        """The real node and output at the far end of a link; None if there is none."""
        if link is None or link not in self.links:
            return None
        node_id, slot = self.links[link]
        node = self.nodes[node_id]
        mode = node.get("mode", 0)
        if mode == MUTED:
            return None
        if node["type"] == "Reroute":
            return self.origin(node["inputs"][0].get("link"))
        if mode == BYPASSED:
            wanted = node["outputs"][slot]["type"]
            inputs = node.get("inputs", [])
            # As the browser does it: the input in the same place first, then any of that type.
            candidates = [*inputs[slot : slot + 1], *inputs]
            passed = (socket.get("link") for socket in candidates if socket["type"] == wanted)
            return self.origin(next(passed, None))
        return [str(node_id), slot]
