"""Workflows without their subgraphs, on hand-made cases."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_sage.farm.flat_workflow import BYPASSED, MUTED, flat_nodes


def node(number: int, kind: str, mode: int = 0, **links: int | None) -> dict[str, Any]:
    """A node whose inputs have the type of their name, and which gives a MODEL."""
    inputs = [{"name": name, "type": name.upper(), "link": link} for name, link in links.items()]
    return {"id": number, "type": kind, "mode": mode, "inputs": inputs, "outputs": [{"type": "MODEL"}]}


def inner_link(number: int, origin: int, target: int, slot: int = 0) -> dict[str, Any]:
    return {"id": number, "origin_id": origin, "origin_slot": slot, "target_id": target, "target_slot": 0}


def workflow(mode: int = 0, *, connected: bool = True) -> dict[str, Any]:
    """Loader > a subgraph (patch > a subgraph with another patch) > sampler."""
    deep = {
        "id": "deep", "nodes": [node(3, "DeepPatch", model=1)],
        "inputs": [{"name": "model"}], "outputs": [{"linkIds": [2]}],
        "links": [inner_link(1, -10, 3), inner_link(2, 3, -20)],
    }  # fmt: skip
    outer = {
        "id": "outer", "nodes": [node(5, "Patch", model=1), node(6, "deep", model=2)],
        "inputs": [{"name": "model"}], "outputs": [{"linkIds": [3]}],
        "links": [inner_link(1, -10, 5), inner_link(2, 5, 6), inner_link(3, 6, -20)],
    }  # fmt: skip
    nodes = [node(1, "Loader"), node(2, "outer", mode, model=1 if connected else None), node(4, "Sampler", model=2)]
    links = [[1, 1, 0, 2, 0, "MODEL"], [2, 2, 0, 4, 0, "MODEL"]]
    return {"nodes": nodes, "links": links, "definitions": {"subgraphs": [deep, outer]}}


def feeds(of: dict[str, Any]) -> dict[str, Any]:
    return {key: each.origins.get("model") for key, each in flat_nodes(of).items()}


def test_nodes_in_subgraphs() -> None:
    assert feeds(workflow()) == {"1": None, "2:5": ("1", 0), "2:6:3": ("2:5", 0), "4": ("2:6:3", 0)}


def test_nothing_outside_is_connected() -> None:
    assert feeds(workflow(connected=False))["2:5"] is None


@pytest.mark.parametrize(("mode", "expected"), [(BYPASSED, ("1", 0)), (MUTED, None)])
def test_a_subgraph_that_is_off(mode: int, expected: Any) -> None:
    assert feeds(workflow(mode)) == {"1": None, "4": expected}


def test_one_subgraph_in_two_places() -> None:
    found = workflow()
    found["nodes"].append(node(7, "deep", model=3))
    found["links"].append([3, 1, 0, 7, 0, "MODEL"])
    assert {"2:6:3", "7:3"} <= set(feeds(found))
