"""The subgraph blueprint: listed by the server, with sockets and inputs that match the nodes."""

from __future__ import annotations

import json
from typing import Any

import install_comfyui
from comfyui_server import Server

NAME = "SAGE text to image"


def blueprint(server: Server) -> dict[str, Any]:
    listed = server.get("/global_subgraphs")
    (entry,) = [key for key, each in listed.items() if each["name"] == NAME]
    assert listed[entry]["info"]["node_pack"] == f"custom_nodes.{install_comfyui.PACK}"
    found: dict[str, Any] = json.loads(server.get(f"/global_subgraphs/{entry}")["data"])
    return found


def test_the_server_lists_it(server: Server) -> None:
    (node,) = blueprint(server)["nodes"]
    assert node["title"] == NAME


def test_its_sockets_are_those_of_the_graph_inside(server: Server) -> None:
    file = blueprint(server)
    (node,), (inside,) = file["nodes"], file["definitions"]["subgraphs"]
    assert node["type"] == inside["id"]
    for side in ("inputs", "outputs"):
        outer, inner = ([(slot["name"], slot["type"]) for slot in part[side]] for part in (node, inside))
        assert outer == inner
    for side, end in (("inputs", "origin"), ("outputs", "target")):
        for number, slot in enumerate(inside[side]):
            links = [link for link in inside["links"] if link["id"] in slot["linkIds"]]
            border = inside["inputNode" if end == "origin" else "outputNode"]["id"]
            assert links and {(link[f"{end}_id"], link[f"{end}_slot"]) for link in links} == {(border, number)}


def test_its_nodes_have_the_inputs_that_it_links(server: Server) -> None:
    info = server.get("/object_info")
    (inside,) = blueprint(server)["definitions"]["subgraphs"]
    for node in inside["nodes"]:
        assert node["type"] in info
        known = {name for part in info[node["type"]]["input"].values() for name in part}
        assert {slot["name"] for slot in node["inputs"]} <= known
        for number, slot in enumerate(node["inputs"]):
            if slot["link"] is not None:
                (link,) = [each for each in inside["links"] if each["id"] == slot["link"]]
                assert (link["target_id"], link["target_slot"], link["type"]) == (node["id"], number, slot["type"])
