"""SAGE Branch and Save on workers, in ComfyUI's own server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfyui_sage.nodes.workers import _out_folder
from comfyui_sage.sage_core.farm.workflow_file import checked_graph
from comfyui_sage.sage_core.prompts.prompt_list import Prompt, PromptList
from comfyui_server import Server, ServerError
from farm_graph import farm_graph
from farm_process import ray_processes
from PIL import Image

pytestmark = pytest.mark.timeout(900)
PROMPTS = "a {red|blue|green} {car|house|boat} in the {snow|desert}\n# a note\na red car in the snow"
COUNT = 19
PAGE = {"id": "run on workers"}


@pytest.fixture
def workers(server: Server) -> Iterator[Path]:
    """The settings of one worker; the default for a machine without a GPU."""
    path = server.folder / "user" / "__sage" / "sage_farm.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"workers": 1, "gpus": 0}), encoding="utf-8")
    yield path
    path.unlink()


def graph(run_on: str, **save: Any) -> dict[str, dict[str, Any]]:
    made = farm_graph(steps=20)
    made["2"]["inputs"]["prompts"] = PROMPTS
    made["6"]["inputs"] |= {"filename_prefix": "on/image", "run_on": run_on, **save}
    del made["7"]  # it would run the prefix here
    return made


def test_stopped_then_gone_on_with(server: Server, workers: Path) -> None:
    """The images of this machine; nothing above the node has run here, and nothing runs after a stop."""
    here = server.files(server.queue(graph("this machine"))["6"])
    seen: list[dict[str, Any]] = []

    def stop(kind: str, data: dict[str, Any]) -> None:
        if kind == "sage.progress" and data["node"] == "6":
            seen.append(data)
            if data["done"]:
                server.ask("/interrupt", b"{}")

    with pytest.raises(ServerError, match="interrupted"):
        server.queue(graph("workers"), stop, PAGE, "a page")
    assert seen[0]["total"] == COUNT and seen[0]["running"] and seen[0]["done"] == 0
    assert seen[-1]["stopped"] and not seen[-1]["running"] and 1 <= seen[-1]["done"] < COUNT
    assert not ray_processes("raylet")

    ran: list[str] = []
    last: list[dict[str, Any]] = []

    def note(kind: str, data: dict[str, Any]) -> None:
        if kind == "executing" and data["node"]:
            ran.append(data["node"])
        if kind == "sage.progress" and data["node"] == "6":
            last.append(data)

    there = server.files(server.queue(graph("workers"), note, PAGE, "a page")["6"])
    assert "5" not in ran and "4" not in ran and "6" in ran
    assert last[-1]["done"] == COUNT and not last[-1]["stopped"]
    assert sum(each["done"] for each in last[-1]["workers"]) == COUNT - seen[-1]["done"]
    assert [len(each["files"]) for each in last[-1]["finished"]["pictures"]] == [2] * COUNT
    assert {path.parent for path in there} == {server.images / last[-1]["finished"]["subfolder"]}
    assert [path.name for path in there] == [path.name for path in here]
    for one, other in zip(here, there, strict=True):
        pixels = [np.array(Image.open(path), dtype=int) for path in (one, other)]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1


def test_all_again_is_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same prompts and settings have the same folder, wherever they are rendered and however often."""
    monkeypatch.setattr("folder_paths.get_output_directory", lambda: str(tmp_path))

    def folder(listed: PromptList, *, render_all: bool = False, run_on: str = "workers") -> str:
        made = checked_graph(graph(run_on, render_all=render_all))
        return _out_folder(made, listed, "cars", "red", render_all=render_all).relative_to(tmp_path).as_posix()

    listed = PromptList((Prompt("a"), Prompt("b")))
    first = folder(listed)
    assert first.startswith("cars/red_workers_") and first == folder(listed, run_on="this machine", render_all=True)
    assert first == folder(listed, render_all=True), "nothing is there"
    (tmp_path / first / ".sage").mkdir(parents=True)
    (tmp_path / first / ".sage" / "job.json").touch()
    assert folder(listed) == first and folder(listed, render_all=True) == f"{first}_2"
    assert folder(PromptList((Prompt("a"),))) != first


def test_a_cluster_that_is_not_there_is_named(server: Server, workers: Path) -> None:
    workers.write_text(json.dumps({"address": "127.0.0.1:9"}), encoding="utf-8")
    with pytest.raises(ServerError, match=r"SageBranchSave.*address: expected local, or HOST:PORT of a Ray cluster"):
        server.queue(graph("workers", filename_prefix="on/unreachable"))


def test_settings_that_are_wrong_are_named(server: Server, workers: Path) -> None:
    workers.write_text(json.dumps({"adress": "local"}), encoding="utf-8")
    with pytest.raises(ServerError, match=r"sage_farm\.json: expected address, a text, .* got adress: 'local'"):
        server.queue(graph("workers", filename_prefix="on/wrong"))


def test_settings_that_every_page_could_write_are_refused(server: Server) -> None:
    """ComfyUI's server writes what a page sends into the folder of its user."""
    server.ask("/userdata/sage_farm.json", json.dumps({"address": "127.0.0.1:9"}).encode())
    written = server.folder / "user" / "default" / "sage_farm.json"
    assert written.exists()
    with pytest.raises(ServerError, match=r"run_on: expected the settings of the workers in .*__sage.* Move the file"):
        server.queue(graph("workers", filename_prefix="on/page"))
    written.unlink()


@pytest.mark.parametrize("name", ["prompts", "chosen"])
def test_prompts_from_another_node_are_refused(server: Server, workers: Path, name: str) -> None:
    linked = graph("workers")
    linked["8"] = {"class_type": "PrimitiveStringMultiline", "inputs": {"value": PROMPTS}}
    linked["2"]["inputs"][name] = ["8", 0]
    with pytest.raises(ServerError, match=rf"run_on: with workers, the prompts have to be typed .* {name} "):
        server.queue(linked)
