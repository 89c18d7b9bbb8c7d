"""What a graph must have, and the graphs of tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comfyui_sage.sage_core.farm.workflow_file import checked_graph, is_saved, read_workflow
from comfyui_sage.sage_core.prompts.parser import parse_prompts
from farm_graph import Graph, farm_graph, one_node_graph, share_graph, split_graph
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
    assert found["2"]["inputs"] == {"clip": ["1", 1], "encoder": "clip", "prompts": '["a"]'}


def test_planning_ends_at_the_prefix() -> None:
    found = checked_graph(farm_graph()).plan("/out/.sage", "[0]")
    assert set(found) == set("12345") and found["5"]["class_type"] == "SageFarmPlan"


def test_a_graph_with_one_prompt() -> None:
    inputs = checked_graph(farm_graph()).with_prompt("a {red} car")["2"]["inputs"]
    assert inputs["prompts"] == r"a \{red\} car" and "prompt_file" not in inputs


def test_a_graph_with_a_prompt_of_several_lines() -> None:
    lyrics = "[verse]\none\n\ntwo"
    prompts = checked_graph(farm_graph()).with_prompt(lyrics)["2"]["inputs"]["prompts"]
    assert "\n" not in prompts and parse_prompts(prompts) == (lyrics,)


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
    assert read_workflow(tmp_path / "graph.json") == read_workflow(tmp_path / "image.png") == farm_graph()


def test_a_saved_workflow_is_looked_at_later(tmp_path: Path) -> None:
    """Only ComfyUI knows what its values mean."""
    saved = {"nodes": [], "links": []}
    info = PngInfo()
    info.add_text("workflow", json.dumps(saved))
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png", pnginfo=info)
    assert read_workflow(tmp_path / "image.png") == saved and is_saved(saved) and not is_saved(farm_graph())


def without(key: str) -> dict[str, Any]:
    graph = farm_graph()
    del graph[key]
    return graph


def changed(key: str, name: str, value: Any) -> dict[str, Any]:
    graph = farm_graph()
    graph[key]["inputs"][name] = value
    return graph


@pytest.mark.parametrize(("data", "said"), [
    ([], r"expected an API export, got \[\]"),
    ({}, "expected an API export"),
    ({"1": {"class_type": "A"}}, "expected an API export"),
    (without("2"), "expected Semantic Group Prompts at the input groups"),
    (without("6"), "expected one node SAGE Branch and Save or SAGE Save Images or Save Image, got 0"),
    ({**farm_graph(), "8": farm_graph()["6"]}, "expected one node SAGE Branch and Save .* got 2"),
    ({**changed("5", "model", ["9", 0]), "9": {"class_type": "SageAddPrompts", "inputs": {}}},
     "got SageAddPrompts on their way"),
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


@pytest.mark.parametrize(("graph", "node", "name", "value", "said"), [
    (share_graph, "3", "text", "a car", "expected Prompt List before the input positive of node 6"),
    (share_graph, "6", "prompts", None, "prompts of node 6: expected the prompts of Prompt List"),
    (share_graph, "6", "prompts", ["2", 2], "prompts of node 6: expected the prompts of Prompt List"),
    (share_graph, "9", "latent_image", ["9b", 0], "latent_image of node 9: expected Share Sampling"),
    (share_graph, "10", "samples", ["9c", 0], "got SaveImage on their way"),
    (share_graph, "8", "groups", None, "from one node Semantic Group Prompts, or .* got 0, 1 and 2 of them"),
    (share_graph, "4", "text", ["2b", 1], "got 0, 2 and 1 of them"),
    (share_graph, "6", "latent_rows", "prompts", "latent_rows of node 6: expected auto or variations"),
    (share_graph, "8", "reuse", True, "reuse of node 8: expected False"),
    (share_graph, "6", "threshold", ["1", 0], "threshold of node 6: expected a value, got a link"),
    (share_graph, "11", "groups", ["1", 0], "expected Semantic Group Prompts or Share Sampling at the input groups"),
    (share_graph, "11", "filename_prefix", ["2", 2], "filename_prefix of node 11: expected a value"),
])  # fmt: skip
def test_what_the_farm_cannot_render_of_other_samplers(
    graph: Callable[[], Graph], node: str, name: str, value: Any, said: str
) -> None:
    changed = {
        **graph(), "2b": {"class_type": "SagePromptList", "inputs": {}},
        "9b": {"class_type": "VAEEncodeTiled", "inputs": {"pixels": ["7", 0]}},
        "9c": {"class_type": "SaveImage", "inputs": {"images": ["9", 0]}},
    }  # fmt: skip
    changed[node]["inputs"][name] = value
    with pytest.raises(ValueError, match=f"workflow: .*{said}"):
        checked_graph(changed)


def test_a_grid_is_not_the_images() -> None:
    graph = one_node_graph()
    graph["8"] = {"class_type": "SageComparisonGrid", "inputs": {"images": ["6", 0], "groups": ["2", 0]}}
    graph["7"]["inputs"]["images"] = ["8", 0]
    with pytest.raises(ValueError, match="expected the images of the prompts at node 7, got SageComparisonGrid"):
        checked_graph(graph)


def test_a_list_in_front_of_semantic_group_prompts() -> None:
    """The farm's list takes the place of both."""
    graph = one_node_graph()
    graph["8"] = {"class_type": "SagePromptList", "inputs": {"prompts": "a car"}}
    graph["2"]["inputs"] |= {"prompts": ["8", 0], "chosen": ["8", 0]}
    found = checked_graph(graph)
    assert (found.groups_node, found.list_node) == ("2", None)
    assert "8" not in found.task("/out/.sage", "[0]", "[]") and "8" not in found.given()


def test_branch_and_save_comes_before_what_else_saves() -> None:
    graph = {**farm_graph(), **{f"s{key}": node for key, node in share_graph().items()}}
    assert checked_graph(graph).save_node == "6"


def test_rows_of_a_guider() -> None:
    """They are those of the sampler that it guides."""
    graph = one_node_graph()
    first = graph["5"]["inputs"]
    guider = {name: first[name] for name in ("model", "groups", "negative", "cfg", "share")}
    graph["8"] = {"class_type": "SageGuider", "inputs": {**guider, "latent_rows": "prompts"}}
    graph["9"] = {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["8", 0], "latent_image": ["5", 0]}}
    graph["6"]["inputs"]["samples"] = ["9", 0]
    assert checked_graph(graph).groups_node == "2"
    graph["9"]["inputs"]["latent_image"] = ["4", 0]
    with pytest.raises(ValueError, match="latent_rows of node 8: expected auto or variations"):
        checked_graph(graph)


def test_a_task_of_share_sampling() -> None:
    """The list and its groups are the job's; the second pass, its sampler and all settings are the artist's."""
    graph = checked_graph(share_graph())
    task, numbers = graph.task("/out/.sage", "[1, 2]", "[]"), {"job": "/out/.sage", "prompts": "[1, 2]"}
    assert task["2"] == {"class_type": "SageFarmPrompts", "inputs": {"negative": "a tree", **numbers}}
    [added] = set(task) - set(share_graph())
    assert task[added] == {"class_type": "SageFarmPartition", "inputs": numbers}
    assert task["6"]["inputs"] == {**share_graph()["6"]["inputs"], "groups": [added, 0]}
    wires = {"images": ["10", 0], "groups": ["8", 4]}
    assert task["11"] == {"class_type": "SageFarmSaveImages", "inputs": {**wires, **numbers, "done": "[]"}}
    same = ("1", "3", "4", "5", "7", "8", "9", "10", "12", "13")
    assert {key: task[key] for key in same} == {key: share_graph()[key] for key in same}


def test_what_the_encoders_of_share_sampling_make_is_compared() -> None:
    found = checked_graph(share_graph()).embedding('["a"]')
    assert set(found) == {"1", "2", "3", "6"}
    assert found["2"] == {"class_type": "SageFarmList", "inputs": {"negative": "a tree", "prompts": '["a"]'}}
    assert found["6"]["inputs"] == {"positive": ["3", 0], "prompts": '["a"]'}
    graph = share_graph()
    graph["6"]["inputs"] |= {"encoder": "sentence", "encoder_model": "mini"}
    found = checked_graph(graph).embedding('["a"]')
    inputs = {"encoder": "sentence", "encoder_model": "mini", "prompts": '["a"]'}
    assert found == {"6": {"class_type": "SageFarmEmbed", "inputs": inputs}}


def test_a_graph_with_one_prompt_of_a_list() -> None:
    one = checked_graph(share_graph()).with_prompt("a car", "a boat")
    assert one["2"]["inputs"] == {"prompts": "a car", "negative": "a boat"}


def test_which_cost_can_be_told() -> None:
    assert [checked_graph(graph()).planned for graph in (farm_graph, one_node_graph, share_graph)] == ["5", "5", None]


def test_names_of_files_that_come_from_other_nodes() -> None:
    graph = checked_graph(split_graph())
    assert graph.filename_prefix == "SAGE/image"
    saving = graph.task("/out/.sage", "[1]", "[]")["11"]["inputs"]
    assert saving["groups"] == ["6", 4] and "filename_prefix" not in saving


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
            read_workflow(tmp_path / name)
