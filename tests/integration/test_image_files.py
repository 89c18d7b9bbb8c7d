"""The nodes that save images: names, what is in the files, and going on where a run was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import pytest
import torch
from comfy_api.latest import io
from comfyui_sage.nodes.images import BranchSave, SaveImages
from comfyui_sage.sage_core.images.finished_files import finished_files
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.level_runner import LevelRunner
from comfyui_server import Graph, Server, ServerError
from evaluations import count_evaluations
from graphs import sage_graph
from groups import named_groups
from models import MODELS, conditioning, vae
from PIL import Image
from reference import SETTINGS, different, grouped, small

Stopped = comfy.model_management.InterruptProcessingException
GRAPH: Graph = {
    "1": {"class_type": "Loader", "inputs": {"ckpt_name": "base"}},
    "2": {"class_type": "SageSharedKSamplerPrefix", "inputs": {"model": ["1", 0], "seed": 5}},
    "3": {"class_type": "SageBranchSave", "inputs": {"model": ["1", 0], "prefix": ["2", 0], "vae": ["1", 2]}},
}


@pytest.fixture(autouse=True)
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the nodes save in."""
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    return tmp_path


def node(kind: type[Any], graph: Graph = GRAPH) -> Any:
    """A node as ComfyUI runs it, at its place in a graph."""
    hidden = io.HiddenHolder("3", graph, {"workflow": {"nodes": []}}, None, None, None)
    return type(kind.__name__, (kind,), {"hidden": hidden})


@pytest.fixture(scope="module")
def prefix() -> Any:
    """Five prompts in two groups, with two variations."""
    groups = grouped(different("sd15", 5), [(0, 1, 2), (3, 4)])
    settings = {**SETTINGS, "steps": 2, "share": 0.5}
    return ksampler.sample_prefix(
        MODELS["sd15"](), groups, conditioning("sd15", seed=1), small("sd15", batch=2), **settings
    )[0]


def branch(prefix: Any, name: str, graph: Graph = GRAPH, **inputs: Any) -> tuple[str, int]:
    """Run Branch and Save.

    Returns:
        The report, and the rows that the model evaluated.
    """
    model = MODELS["sd15"]()
    with count_evaluations(model) as evaluations:
        out = node(BranchSave, graph).execute(model, prefix, vae(), name, **inputs)
    return out.args[0], evaluations.rows


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class TestGoingOn:
    @pytest.fixture(autouse=True)
    def two_prompts_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LevelRunner, "_clusters_at_once", lambda self, job: 2)

    def test_after_a_stop(self, prefix: Any, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A second run makes the missing files, and all are those of one uninterrupted run."""
        branch(prefix, "whole/image")
        written: list[Path] = []
        save = Image.Image.save

        def stop(self: Any, path: Path, *args: Any, **more: Any) -> None:
            if len(written) == 5:
                raise Stopped
            written.append(path)
            save(self, path, *args, **more)

        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(Image.Image, "save", stop)
            branch(prefix, "parts/image")
        assert len(files(output / "parts")) == 5
        report, _ = branch(prefix, "parts/image")
        assert "2 prompts: finished by an earlier run" in report
        assert files(output / "parts") == files(output / "whole")

    def test_when_all_are_there(self, prefix: Any, output: Path) -> None:
        _, cost = branch(prefix, "image")
        before = files(output)
        report, nothing = branch(prefix, "image")
        assert cost > nothing == 0 and "5 prompts: finished by an earlier run" in report
        assert files(output) == before
        _, again = branch(prefix, "image", render_all=True)
        assert again == cost and len(files(output)) == 20

    def test_deleted_files_are_made_again(self, prefix: Any, output: Path) -> None:
        branch(prefix, "image")
        before = files(output)
        next(output.glob("*_00006_*")).unlink()
        next(output.glob("*_00001_*")).unlink()
        branch(prefix, "image")
        assert files(output) == before

    @pytest.mark.parametrize("cut", [lambda data: data[:-40], lambda data: data[:-40] + bytes(40)])
    def test_a_file_that_is_cut_off_is_made_again(
        self, prefix: Any, output: Path, cut: Callable[[bytes], bytes]
    ) -> None:
        """Its texts are whole, and so is its mark; its pixels are not."""
        branch(prefix, "image")
        path = next(output.glob("*_00003_*"))
        whole = path.read_bytes()
        path.write_bytes(cut(whole))
        report, _ = branch(prefix, "image")
        assert "4 prompts: finished by an earlier run" in report
        [again] = (each for each in output.glob("*.png") if each != path and each.read_bytes() == whole)
        assert again.name.startswith("image_00013_")

    @pytest.mark.parametrize("changed", [("1", "ckpt_name", "other"), ("2", "seed", 6)])
    def test_another_graph_is_another_run(self, prefix: Any, output: Path, changed: tuple[str, str, Any]) -> None:
        branch(prefix, "image")
        key, name, value = changed
        graph = json.loads(json.dumps(GRAPH))
        graph[key]["inputs"][name] = value
        branch(prefix, "image", graph)
        assert len(files(output)) == 20


def test_a_file_that_is_no_picture_is_passed_over(output: Path) -> None:
    (output / "image_00001_g01_x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (output / "image_00002_g01_x.png").write_text("text")
    assert finished_files(output, "image") == {}


@pytest.mark.parametrize("longer", ["image_test", "image_2", "image_2025-01-01", "image_20250101", "image_00001_g01"])
def test_the_files_of_a_longer_name_are_others(prefix: Any, output: Path, longer: str) -> None:
    _, cost = branch(prefix, longer)
    assert branch(prefix, "image")[1] == cost
    assert branch(prefix, "image")[1] == branch(prefix, longer)[1] == 0
    assert len(files(output)) == 20


def test_only_its_own_prompt(prefix: Any, output: Path) -> None:
    branch(prefix, "own", workflow=False)
    node(SaveImages).execute(torch.zeros(2, 8, 8, 3), named_groups(((0, 1),)), "late", workflow=False)
    for path in output.iterdir():
        with Image.open(path) as file:
            assert {"parameters", "sage"} <= set(file.info) and not {"prompt", "workflow"} & set(file.info)
    node(SaveImages).execute(torch.zeros(2, 8, 8, 3), named_groups(((0, 1),)), "all")
    with Image.open(next(output.glob("all*"))) as file:
        assert {"prompt", "workflow"} <= set(file.info)


def test_pictures_that_are_none_are_named(prefix: Any, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(4, 8, 8, 3)
    images[1, 2, 3] = torch.nan
    with pytest.raises(ValueError, match=r"images: No file for prompt 2 \('b'\): expected finite .* NaN .* are saved"):
        node(SaveImages).execute(images, named_groups(((0, 1), (2, 3)), list("abcd")), "image")
    assert len(files(output)) == 3
    broken = vae()
    monkeypatch.setattr(broken, "decode", lambda samples: torch.full((len(samples), 8, 8, 3), torch.nan))
    report = node(BranchSave).execute(MODELS["sd15"](), prefix, broken, "none").args[0]
    assert "Warning: No file for prompt 1 ('prompt 0'), 2 ('prompt 1')" in report
    assert not list(output.glob("none*"))


def test_a_full_disk_is_found_before_sampling(prefix: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    model = MODELS["sd15"]()
    with count_evaluations(model) as evaluations, pytest.raises(OSError, match="too full: expected .* got 0 MiB"):
        node(BranchSave).execute(model, prefix, vae(), "image")
    assert evaluations.rows == 0


@pytest.mark.parametrize("prefix, message", [
    ("x" * 196, "at most 195 bytes"), ("𝒳" * 60, "at most 195 bytes"), ("a/CON/b", "no device of Windows"),
    ("what?", "without"), ("a:b/c", "without"), ("dot./c", "dot or a space"), ("nul\x00", "without"), ("\ud800", ""),
    ("../x", "inside the output folder"), ("", "inside the output folder"),
])  # fmt: skip
@pytest.mark.parametrize("kind", [SaveImages, BranchSave])
def test_names_that_cannot_be_are_refused_before_anything_runs(kind: Any, prefix: str, message: str) -> None:
    refusal = kind.validate_inputs(prefix)
    assert refusal.startswith("filename_prefix: expected ") and message in refusal


@pytest.mark.parametrize("prefix", ["SAGE/image", "x" * 195, "%date:hh:mm%/%Shot: 1.seed%", "a\\b", "naïve/日本", None])
def test_names_that_can_be(prefix: str | None) -> None:
    assert SaveImages.validate_inputs(prefix) is True


def test_values_of_the_graph_that_make_no_name(output: Path) -> None:
    graph = {**GRAPH, "1": {"class_type": "Loader", "inputs": {"ckpt_name": "x" * 300}}}
    with pytest.raises(ValueError, match="filename_prefix: expected a name of at most 195 bytes"):
        node(SaveImages, graph).execute(torch.zeros(2, 8, 8, 3), named_groups(((0, 1),)), "%Loader.ckpt_name%")
    assert not files(output)


class TestServer:
    def saved(self, prefix: str) -> Graph:
        inputs = {"images": ["6", 0], "groups": ["2", 0], "filename_prefix": prefix}
        return {**sage_graph(), "7": {"class_type": "SageSaveImages", "inputs": inputs}}

    def test_tokens(self, server: Server) -> None:
        path = server.files(server.queue(self.saved("tokens/%SageKSampler.seed%/%date:yyyy%_%width%"))["7"])[0]
        assert path.parent.name == "1" and path.name[:2] == "20" and path.name[4:9] == "_128_"

    def test_a_bad_name_is_refused_when_queued(self, server: Server) -> None:
        ran: list[str] = []
        with pytest.raises(ServerError, match="SageSaveImages.*filename_prefix: expected a name of at most 195 bytes"):
            server.queue(self.saved("x" * 300), lambda kind, data: ran.append(kind))
        assert "executing" not in ran
