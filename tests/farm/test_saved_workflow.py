"""The converter from workflow format to API format, on hand-made cases."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_sage.farm.flat_workflow import BYPASSED, MUTED
from comfyui_sage.farm.host import Host, Refused
from comfyui_sage.farm.saved_workflow import check_subgraphs, classes, to_api

CODECS = [
    {"key": "auto", "inputs": {}},
    {"key": "h264", "inputs": {"required": {"quality": ["INT", {"default": 23}]}}},
]
INFO = {
    "Source": {"display_name": "A source", "input": {}},
    "Sampler": {
        "display_name": "A sampler",
        "input": {
            "required": {
                "model": ["MODEL"],
                "seed": ["INT", {"default": 0, "control_after_generate": True}],
                "scheduler": [["simple", "karras"]],
            },
            "optional": {
                "text": ["STRING", {"forceInput": True}],
                "share": ["FLOAT", {"default": 0.4}],
            },
        },
    },
    "Saver": {
        "display_name": "A saver",
        "input": {"required": {"codec": ["COMFY_DYNAMICCOMBO_V3", {"options": CODECS}], "name": ["STRING", {}]}},
    },
    "Patch": {"display_name": "", "input": {"required": {"clip": ["CLIP"], "model": ["MODEL"]}}},
}


def node(number: int, kind: str, values: Any = None, mode: int = 0, **links: int | None) -> dict[str, Any]:
    """A node whose inputs have the type of their name, and which gives a CLIP and a MODEL."""
    inputs = [{"name": name, "type": name.upper(), "link": link} for name, link in links.items()]
    outputs = [{"type": "CLIP"}, {"type": "MODEL"}]
    return {"id": number, "type": kind, "mode": mode, "inputs": inputs, "outputs": outputs, "widgets_values": values}


def convert(*nodes: dict[str, Any], links: list[list[int]]) -> dict[str, Any]:
    return to_api({"nodes": list(nodes), "links": [[*link, "MODEL"] for link in links]}, INFO)


def test_values_and_links() -> None:
    sampler = node(2, "Sampler", [7, "randomize", "karras", 0.5], model=1)
    graph = convert(node(1, "Source"), sampler, node(3, "Note", ["hello"]), links=[[1, 1, 1, 2, 0]])
    assert graph["2"]["inputs"] == {"seed": 7, "scheduler": "karras", "share": 0.5, "model": ["1", 1]}
    assert graph["2"]["_meta"] == {"title": "A sampler"}
    assert set(graph) == {"1", "2"}


def test_inputs_newer_than_the_workflow_get_their_defaults() -> None:
    graph = convert(node(2, "Sampler", [7, "fixed"]), links=[])
    assert graph["2"]["inputs"] == {"seed": 7, "scheduler": "simple", "share": 0.4}


def test_our_own_nodes_do_what_they_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INFO, "SageSampler", INFO["Sampler"])
    graph = convert(node(2, "SageSampler", [7, "fixed"]), links=[])
    assert graph["2"]["inputs"] == {"seed": 7, "scheduler": "simple"}


@pytest.mark.parametrize(("values", "expected"), [
    ([], {"codec": "auto", "name": None}),
    (["auto", "sea"], {"codec": "auto", "name": "sea"}),
    (["h264", 18, "sea"], {"codec": "h264", "codec.quality": 18, "name": "sea"}),
])  # fmt: skip
def test_options_with_inputs_of_their_own(values: list[Any], expected: dict[str, Any]) -> None:
    assert convert(node(1, "Saver", values), links=[])["1"]["inputs"] == expected


@pytest.mark.parametrize(("mode", "expected"), [(0, ["2", 1]), (BYPASSED, ["1", 1]), (MUTED, None)])
def test_modes(mode: int, expected: list[Any] | None) -> None:
    graph = convert(
        node(1, "Source"),
        node(2, "Patch", mode=mode, clip=1, model=2),
        node(3, "Reroute", model=3),
        node(4, "Sampler", [7, "fixed", "simple"], model=4),
        links=[[1, 1, 0, 2, 0], [2, 1, 1, 2, 1], [3, 2, 1, 3, 0], [4, 3, 0, 4, 0]],
    )
    assert graph["4"]["inputs"].get("model") == expected
    assert ("2" in graph) == (mode == 0)


def test_an_unknown_class_keeps_its_links() -> None:
    graph = convert(node(1, "Source"), node(5, "Unheard", ["a value"], model=1), links=[[1, 1, 1, 5, 0]])
    assert graph["5"] == {"class_type": "Unheard", "inputs": {"model": ["1", 1]}, "_meta": {"title": "Unheard"}}


@pytest.mark.parametrize(("values", "said"), [
    (["fixed", 7, "simple"], r"node 2 \(Sampler\): seed: expected a value of the type INT, got 'fixed'"),
    ([7, "fixed", "simple", True], "share: expected a value of the type FLOAT, got True"),
    ({"seed": 7}, r"node 2 \(Sampler\): expected a list of values, got dict"),
])  # fmt: skip
def test_values_that_belong_to_other_widgets(values: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        convert(node(2, "Sampler", values), links=[])


def test_an_option_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"node 1 \(Saver\): codec: expected one of auto, h264, got 'av1'"):
        convert(node(1, "Saver", ["av1", "sea"]), links=[])


@pytest.mark.parametrize(("mode", "expected"), [(0, 9), (MUTED, 7)])
def test_a_primitive_node_sets_a_value(mode: int, expected: int) -> None:
    """Also through a reroute, and whatever value the input had before."""
    graph = convert(
        node(1, "PrimitiveNode", [9, "randomize"], mode),
        node(2, "Reroute", any=1),
        node(3, "Sampler", [7, "fixed", "simple"], seed=2),
        links=[[1, 1, 0, 2, 0], [2, 2, 0, 3, 1]],
    )
    assert graph["3"]["inputs"] == {"seed": expected, "scheduler": "simple", "share": 0.4}
    assert set(graph) == {"3"}


def test_values_of_a_subgraph_are_refused() -> None:
    inner = {"id": "inner", "nodes": [node(1, "Source")], "links": []}
    workflow = {"nodes": [node(2, "inner")], "links": [], "definitions": {"subgraphs": [inner]}}
    check_subgraphs(workflow)
    assert classes(workflow) == {"inner", "Source"}
    workflow["nodes"] = [node(2, "inner", [7])]
    with pytest.raises(ValueError, match="node 2: expected a subgraph without values of its own"):
        check_subgraphs(workflow)


def test_a_subgraph_in_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "_info", lambda self, kinds: INFO)
    inner = {"id": "inner", "nodes": [node(1, "inner")], "links": []}
    workflow = {"nodes": [node(2, "inner")], "links": [], "definitions": {"subgraphs": [inner]}}
    with pytest.raises(Refused, match="workflow: expected one as the page saves it, got other data"):
        Host.__new__(Host).as_api(workflow)
