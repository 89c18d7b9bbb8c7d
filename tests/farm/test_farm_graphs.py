"""What a graph must have, and the graphs of tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from comfyui_sage.sage_core.farm.graphs import checked_graph, read_graph
from farm_graph import farm_graph
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def test_a_task_has_only_what_is_saved() -> None:
    graph = checked_graph(farm_graph())
    task = graph.task("/out/.sage", "[1, 2]", "[2]")
    assert set(task) == set("123456")
    job = {"job": "/out/.sage", "prompts": "[1, 2]"}
    assert task["2"] == {"class_type": "SageFarmGroups", "inputs": {"clip": ["1", 1], **job}}
    wires = {"model": ["1", 0], "prefix": ["5", 0], "vae": ["1", 2]}
    assert task["6"] == {"class_type": "SageFarmSave", "inputs": {**wires, **job, "done": "[2]"}}
    assert graph.graph == farm_graph()


def test_embedding_needs_the_text_encoder_only() -> None:
    found = checked_graph(farm_graph()).embedding('["a"]')
    assert set(found) == {"1", "2"}
    assert found["2"]["inputs"] == {"clip": ["1", 1], "encoder": "clip", "texts": '["a"]'}


def test_planning_ends_at_the_prefix() -> None:
    found = checked_graph(farm_graph()).plan("/out/.sage", "[0]")
    assert set(found) == set("12345") and found["5"]["class_type"] == "SageFarmPlan"


def test_a_graph_with_one_prompt() -> None:
    inputs = checked_graph(farm_graph()).with_prompt("a {red} car")["2"]["inputs"]
    assert inputs["prompts"] == r"a \{red\} car" and "prompt_file" not in inputs


def test_what_comfyui_checks_are_the_artists_own_nodes() -> None:
    given = checked_graph(farm_graph()).given()
    assert given == {**{key: farm_graph()[key] for key in "13456"}, "2": changed("2", "prompts", "a prompt")["2"]}


def test_what_makes_no_difference_to_a_job() -> None:
    graph = farm_graph()
    before = checked_graph(farm_graph()).recipe()
    graph["2"]["inputs"]["prompts"] = "other"
    graph["7"]["inputs"]["source"] = ["5", 0]
    graph["5"]["_meta"] = {"title": "mine"}
    assert checked_graph(graph).recipe() == before
    graph["5"]["inputs"]["seed"] = 2
    assert checked_graph(graph).recipe() != before


def test_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(json.dumps(farm_graph()), encoding="utf-8")
    info = PngInfo()
    info.add_text("prompt", json.dumps(farm_graph()))
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png", pnginfo=info)
    assert read_graph(tmp_path / "graph.json") == read_graph(tmp_path / "image.png") == checked_graph(farm_graph())


def without(key: str) -> dict[str, Any]:
    graph = farm_graph()
    del graph[key]
    return graph


def changed(key: str, name: str, value: Any) -> dict[str, Any]:
    graph = farm_graph()
    graph[key]["inputs"][name] = value
    return graph


@pytest.mark.parametrize(("data", "said"), [
    ({"nodes": [], "links": []}, r"expected an API export, got a workflow as the page saves it.*Export \(API\)"),
    ([], r"expected an API export, got \[\]"),
    ({}, "expected an API export"),
    ({"1": {"class_type": "A"}}, "expected an API export"),
    (without("2"), "expected one node Semantic Group Prompts, got 0"),
    (without("6"), "expected one node SAGE Branch and Save, got 0"),
    ({**farm_graph(), "8": farm_graph()["6"]}, "expected one node SAGE Branch and Save, got 2"),
    (without("5"), r"expected Shared KSampler Prefix at the input prefix of SageBranchSave \(node 6\), got nothing"),
    (changed("6", "prefix", ["1", 0]), "expected Shared KSampler Prefix .* got SageDemoModel"),
    (changed("5", "groups", ["1", 0]), "expected Semantic Group Prompts at the input groups"),
    (changed("5", "reuse", True), "reuse of node 5: expected False, got 'True'"),
    (changed("5", "latent_rows", "prompts"), "latent_rows of node 5: expected auto or variations"),
    (changed("2", "shared_prompts", "a car"), "shared_prompts of node 2: expected ''"),
    (changed("2", "threshold", ["9", 0]), "threshold of node 2: expected a value, got a link"),
    (changed("6", "filename_prefix", ["9", 0]), "filename_prefix of node 6: expected a value"),
])  # fmt: skip
def test_what_the_farm_cannot_render(data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"workflow: .*{said}"):
        checked_graph(data)


def test_files_that_are_none(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "text.json").write_text("{", encoding="utf-8")
    (tmp_path / "other.json").write_bytes(b"\xff\xfe")
    for name, said in {
        "plain.png": "expected a PNG with its workflow", "broken.png": "expected a file that can be read",
        "text.json": "expected JSON", "other.json": "expected a file that can be read", "no.json": "No such file",
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=f"workflow: {name}: .*{said}"):
            read_graph(tmp_path / name)
