"""What decides the pictures of a machine."""

from __future__ import annotations

from pathlib import Path

import comfyui_version
import folder_paths
import pytest
from comfyui_sage.farm.identity import model_files, versions
from comfyui_sage.sage_core.farm.graphs import JobGraph
from comfyui_sage.sage_core.farm.workflow_file import checked_graph
from farm_graph import farm_graph


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobGraph:
    """A graph with a checkpoint and an image of the input folder; both are in tmp_path."""
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "checkpoints", ([str(tmp_path)], {".safetensors"}))
    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path / "input"))
    (tmp_path / "input").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "model.safetensors").write_bytes(bytes(3 << 20))
    (tmp_path / "input" / "start.png").write_bytes(b"a picture")
    graph = farm_graph()
    graph["1"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub/model.safetensors"}}
    graph["8"] = {"class_type": "LoadImage", "inputs": {"image": "start.png"}}
    graph["4"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["8", 0], "vae": ["1", 2]}}
    return checked_graph(graph)


def test_files_count_by_their_ends_and_size(graph: JobGraph, tmp_path: Path) -> None:
    first = model_files(graph)
    assert list(first) == ["file start.png", "file sub/model.safetensors"]
    model = tmp_path / "sub" / "model.safetensors"
    for change in (b"\1" + bytes((3 << 20) - 1), bytes((3 << 20) - 1) + b"\1", bytes((3 << 20) + 1)):
        model.write_bytes(change)
        now = model_files(graph)
        assert now["file sub/model.safetensors"] != first["file sub/model.safetensors"]
        assert now["file start.png"] == first["file start.png"]


def test_texts_that_are_no_files_are_left_out(graph: JobGraph) -> None:
    before, nodes = model_files(graph), dict(graph.graph)
    for key, text in enumerate(("a prompt. With dots.", "x." * 400, "a\nb.png", "", "..", "."), start=20):
        nodes[str(key)] = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": text}}
        nodes["5"]["inputs"][f"more {key}"] = [str(key), 0]
    assert model_files(checked_graph(nodes)) == before


def test_versions() -> None:
    found = versions()
    assert found["ComfyUI version"] == comfyui_version.__version__ and found["SAGE version"].count(".") == 2
