"""The pack in a real ComfyUI: its loader, its server, its workflow format."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import install_comfyui
import pytest
import tomllib
from comfyui_sage.nodes import NODES
from comfyui_server import Server, ServerError, serve
from graphs import sage_graph, split_graph
from PIL import Image

import nodes as comfy_nodes

REPO = install_comfyui.REPO


def test_comfyui_loads_the_pack() -> None:
    before = set(comfy_nodes.NODE_CLASS_MAPPINGS)
    assert asyncio.run(comfy_nodes.load_custom_node(str(REPO)))
    added = set(comfy_nodes.NODE_CLASS_MAPPINGS) - before
    assert added == {node.define_schema().node_id for node in NODES}
    assert str(REPO / "web") in comfy_nodes.EXTENSION_WEB_DIRS.values()


def test_every_input_and_output_explains_itself() -> None:
    for node in NODES:
        schema = node.define_schema()
        assert schema.description
        for socket in (*(schema.inputs or ()), *(schema.outputs or ())):
            assert socket.tooltip, f"{schema.node_id}: {socket.display_name or socket.id}"


def test_requirements_are_the_projects_dependencies() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    assert (REPO / "requirements.txt").read_text().split() == project["dependencies"]
    assert not [name for name in project["dependencies"] if name.startswith("torch")]


def test_a_comfyui_without_this_pack_is_not_served(tmp_path: Path) -> None:
    """What is run in it would find no nodes, and no texts of nodes to export."""
    refused = pytest.raises(ServerError, match="custom_nodes: expected a link to")
    with refused, serve(tmp_path, Path(sys.executable), tmp_path / "out"):
        pass


class TestServer:
    def test_it_knows_every_node(self, server: Server) -> None:
        info = server.get("/object_info")
        assert {node.define_schema().node_id for node in NODES} <= set(info)
        assert "IMPORT FAILED" not in server.log.read_text()

    def test_a_workflow_makes_images(self, server: Server) -> None:
        progress: list[int] = []

        def note(kind: str, data: dict[str, Any]) -> None:
            if kind == "progress" and data["node"] == "5":
                progress.append(data["value"])

        outputs = server.queue(sage_graph(), note)
        images = server.files(outputs["7"])
        assert len(images) == 3 * 2
        assert all(Image.open(image).size == (128, 64) for image in images)
        assert "evaluations" in outputs["8"]["text"][0]
        assert progress and progress == sorted(progress)

    def test_added_prompts_leave_the_prefix_in_the_cache(self, server: Server) -> None:
        graph = split_graph()
        graph["20"] = {
            "class_type": "SageAddPrompts",
            "inputs": {"prefix": ["5", 0], "clip": ["1", 1], "prompts": "a green car in the snow"},
        }
        graph["21"]["inputs"]["prefix"] = ["20", 0]
        graph["8"]["inputs"]["source"] = ["20", 2]
        first = server.queue(graph)
        assert len(server.files(first["7"])) == 2
        assert "1: a green car in the snow: group 1" in first["8"]["text"][0]
        ran: set[str] = set()
        kept: set[str] = set()

        def note(kind: str, data: dict[str, Any]) -> None:
            if kind == "executing" and data["node"]:
                ran.add(data["node"])
            if kind == "execution_cached":
                kept.update(data["nodes"])

        graph["20"]["inputs"]["prompts"] = "a {white|black} car in the snow"
        assert len(server.files(server.queue(graph, note)["7"])) == 4
        assert {"20", "21"} <= ran
        assert "5" in kept and "5" not in ran, "the shared steps are not run again"

    def test_a_saved_prefix_gives_the_same_images(self, server: Server) -> None:
        graph = split_graph()
        graph["20"] = {
            "class_type": "SageSavePrefix",
            "inputs": {"prefix": ["5", 0], "filename_prefix": "prefixes/live"},
        }
        graph["8"]["inputs"]["source"] = ["20", 0]
        outputs = server.queue(graph)
        name = Path(outputs["8"]["text"][0]).name
        file = f"prefixes/{name} [output]"
        info = server.get("/object_info/SageLoadPrefix")["SageLoadPrefix"]["input"]["required"]
        assert file in json.dumps(info["file"])
        loaded = {key: graph[key] for key in ("1", "6", "7", "21")}
        loaded["20"] = {"class_type": "SageLoadPrefix", "inputs": {"file": file}}
        loaded["21"]["inputs"]["prefix"] = ["20", 0]
        pictures = [
            [Image.open(path).tobytes() for path in server.files(out["7"])] for out in (outputs, server.queue(loaded))
        ]
        assert len(pictures[0]) == 6 and pictures[0] == pictures[1]

    def test_grid_metrics_and_files_of_a_workflow(self, server: Server) -> None:
        graph = sage_graph()
        graph["7"] = {
            "class_type": "SageSaveImages",
            "inputs": {"images": ["6", 0], "groups": ["2", 0], "filename_prefix": "sage/own"},
        }
        graph["9"] = {
            "class_type": "SageComparisonGrid",
            "inputs": {"images": ["6", 0], "groups": ["2", 0], "images_5": ["6", 0], "titles": "one\nother"},
        }
        graph["10"] = {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "sage/grid"}}
        graph["11"] = {
            "class_type": "SageMetrics",
            "inputs": {"images": ["6", 0], "groups": ["2", 0], "reference": ["6", 0]},
        }
        graph["12"] = {"class_type": "PreviewAny", "inputs": {"source": ["11", 0]}}
        graph["13"] = {"class_type": "SaveImage", "inputs": {"images": ["11", 1], "filename_prefix": "sage/plot"}}
        outputs = server.queue(graph)
        files = server.files(outputs["7"])
        stems = ("g01_a-red-car-in-the-snow", "g01_a-blue-car-in-the-snow", "g02_a-small-boat-on-the-sea")
        assert [path.name for path in files] == [
            f"own_{row + 1:05}_{stems[row // 2]}_v{row % 2 + 1}.png" for row in range(6)
        ]
        with Image.open(files[2]) as file:
            kept = json.loads(file.text["prompt"])
            assert {node: each["inputs"] for node, each in kept.items()} == {
                node: each["inputs"] for node, each in graph.items()
            }
            metadata = json.loads(file.text["sage"])
        assert (metadata["prompt"], metadata["seed"], metadata["share"]) == ("a blue car in the snow", 1, 0.5)
        assert "text score" in outputs["12"]["text"][0]
        assert all(server.files(outputs[node]) for node in ("10", "13"))
        again = server.queue({**graph, "5": sage_graph(seed=2)["5"]})
        assert server.files(again["7"])[0].name.startswith("own_00007_"), "nothing is written over"

    def test_images_saved_as_they_finish_are_those_saved_at_the_end(self, server: Server) -> None:
        graph = split_graph()
        graph["7"] = {
            "class_type": "SageSaveImages",
            "inputs": {"images": ["6", 0], "groups": ["2", 0], "filename_prefix": "late/image"},
        }
        graph["22"] = {
            "class_type": "SageBranchSave",
            "inputs": {
                "model": ["1", 0],
                "prefix": ["5", 0],
                "vae": ["1", 2],
                "filename_prefix": "early/%width%/image",
            },
        }
        graph["8"]["inputs"]["source"] = ["22", 0]
        outputs = server.queue(graph)
        late, early = server.files(outputs["7"]), server.files(outputs["22"])
        assert [path.name for path in early] == [path.name for path in late] and len(early) == 6
        with Image.open(early[0]) as file:
            assert early[0].parent.name == str(file.width)
        for one, other in zip(early, late, strict=True):
            assert Image.open(one).tobytes() == Image.open(other).tobytes()
            mark = Image.open(one).text.pop("sage_run")
            assert Image.open(one).text == {**Image.open(other).text, "sage_run": mark}
        assert "planned" in outputs["8"]["text"][0]

    def test_nothing_is_sampled_for_a_folder_outside(self, server: Server) -> None:
        graph = split_graph()
        inputs = {"model": ["1", 0], "prefix": ["5", 0], "vae": ["1", 2], "filename_prefix": "../outside"}
        graph = {**{key: graph[key] for key in "12345"}, "22": {"class_type": "SageBranchSave", "inputs": inputs}}
        with pytest.raises(ServerError, match="SageBranchSave.*filename_prefix: expected a name inside"):
            server.queue(graph)

    @pytest.mark.parametrize("prefix", ["../outside", "/tmp/outside", "", ".."])
    def test_files_stay_in_the_output_folder(self, server: Server, prefix: str) -> None:
        graph = sage_graph()
        graph["7"] = {
            "class_type": "SageSaveImages",
            "inputs": {"images": ["6", 0], "groups": ["2", 0], "filename_prefix": prefix},
        }
        with pytest.raises(ServerError, match="filename_prefix: expected a name inside the output folder"):
            server.queue(graph)

    def test_words_that_the_demo_model_does_not_know(self, server: Server) -> None:
        graph = sage_graph()
        graph["2"]["inputs"]["prompts"] = "a chartreuse zeppelin in the snow\na blue car in the snow"
        graph["9"] = {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}}
        outputs = server.queue(graph)
        assert "does not know these words and skips them: chartreuse, zeppelin" in outputs["9"]["text"][0]
        assert len(server.files(outputs["7"])) == 4

    def test_a_refused_value_names_the_input(self, server: Server) -> None:
        with pytest.raises(ServerError, match=r"SageKSampler \(node 5\).*share"):
            server.queue(sage_graph(share=1.5))

    def test_a_failed_node_gives_the_reason(self, server: Server) -> None:
        graph = sage_graph()
        graph["2"]["inputs"]["prompts"] = "# nothing"
        with pytest.raises(ServerError, match="SageSemanticGroupPrompts.*prompts: expected at least one"):
            server.queue(graph)
