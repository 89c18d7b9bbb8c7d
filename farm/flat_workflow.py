"""A workflow as the browser saves it, without its subgraphs: what feeds each node, by the rules of the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Node = dict[str, Any]
Origin = tuple[str, int]
"""A node's key, and the number of its output."""

MUTED, BYPASSED = 2, 4
NOTES = ("Note", "MarkdownNote")
PRIMITIVE = "PrimitiveNode"
"""A node of the page alone, which sets the value of an input."""
_BORDER = -10  # the node that stands for the inputs of a subgraph


class FlatNode(NamedTuple):
    """An active node.

    Attributes:
        node: as it is saved.
        origins: of its inputs that are connected.
    """

    node: Node
    origins: dict[str, Origin]


def flat_nodes(workflow: dict[str, Any]) -> dict[str, FlatNode]:
    """The active nodes, those in subgraphs too, in the order of the file; "7:3" is node 3 in the subgraph of node 7.

    Muted nodes go with their links, bypassed ones hand on what comes in by type, reroutes are followed.
    """
    definitions = {each["id"]: each for each in workflow.get("definitions", {}).get("subgraphs", [])}
    return dict(_Graph(workflow, definitions).active())


class _Graph:
    """A graph, or a subgraph in one of its places.

    Args:
        saved: the graph, with nodes and links.
        definitions: of subgraphs, by id.
        host: the node whose subgraph it is, and its own graph.
    """

    def __init__(
        self, saved: dict[str, Any], definitions: dict[str, Any], path: str = "",
        host: tuple[Node, _Graph] | None = None,
    ) -> None:  # fmt: skip
        self.saved, self.path, self.host = saved, path, host
        self.nodes: dict[int, Node] = {node["id"]: node for node in saved["nodes"]}
        self.links = dict(map(_link, saved["links"]))
        self.inner = {
            number: _Graph(definitions[node["type"]], definitions, f"{path}{number}:", (node, self))
            for number, node in self.nodes.items()
            if node["type"] in definitions
        }

    def active(self) -> Iterator[tuple[str, FlatNode]]:
        """The nodes that run, by their keys."""
        for number, node in self.nodes.items():
            if node["type"] in (*NOTES, "Reroute") or node.get("mode", 0) in (MUTED, BYPASSED):
                continue
            if number in self.inner:
                yield from self.inner[number].active()
                continue
            found = {each["name"]: self.origin(each.get("link")) for each in node.get("inputs", [])}
            origins = {name: origin for name, origin in found.items() if origin}
            yield f"{self.path}{number}", FlatNode(node, origins)

    def origin(self, link: int | None) -> Origin | None:
        """The real node at the far end of a link; None if there is none."""
        if link is None or link not in self.links:
            return None
        number, slot = self.links[link]
        if number == _BORDER:
            return self._outer_origin(self.saved["inputs"][slot]["name"])
        node = self.nodes[number]
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
        if number in self.inner:
            inner = self.inner[number]
            return inner.origin(next(iter(inner.saved["outputs"][slot].get("linkIds") or []), None))
        return f"{self.path}{number}", slot

    def _outer_origin(self, name: str) -> Origin | None:
        """What is connected to an input of the node whose subgraph this is."""
        assert self.host is not None
        node, graph = self.host
        return graph.origin(next((each.get("link") for each in node["inputs"] if each["name"] == name), None))


def _link(saved: list[Any] | dict[str, Any]) -> tuple[int, tuple[int, int]]:
    """The id of a link, with the node and the output that it comes from. Subgraphs save links in another way."""
    if isinstance(saved, dict):
        return saved["id"], (saved["origin_id"], saved["origin_slot"])
    return saved[0], (saved[1], saved[2])
