"""The farm's command line in a real ComfyUI: the same pictures as one run, whatever happens on the way."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfyui_sage.farm.command import FAILURES, FINISHED, STOPPED, _parser
from comfyui_sage.farm.report import Report
from comfyui_sage.sage_core.farm.ledger import ledgers, read
from comfyui_server import Graph, Server
from farm_graph import farm_graph
from install_comfyui import linked_as
from PIL import Image

COMFYUI = Path(os.environ["COMFYUI_PATH"]).resolve()
FARM = COMFYUI / "custom_nodes" / linked_as(COMFYUI) / "farm"
# A ComfyUI starts up to three times in a test, beside another suite.
pytestmark = pytest.mark.timeout(900)
# 24 prompts, the last one a repeat.
LIST = (
    "a {red|blue|green|white} {car|boat} in the {snow|desert}\na {red|blue|green} house on the {sea|beach}\n"
    "a small boat on the sea\na red car in the snow\n"
)
SLOW = "an unlucky bird\na {red|blue} car in the snow\na small boat on the sea\n"
# A text encoder whose conditioning of a text with "unlucky" fails in sampling.
UNLUCKY = """
class NoControl:
    def __getattr__(self, name):
        raise RuntimeError("out of luck")


class Unlucky:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"clip": ("CLIP",)}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("CLIP",), "run", "test"

    def run(self, clip):
        clip, tokenize, encode, texts = clip.clone(), clip.tokenize, clip.encode_from_tokens_scheduled, []

        def tokenized(text, *args, **more):
            texts.append(text)
            return tokenize(text, *args, **more)

        def encoded(tokens, *args, **more):
            found = encode(tokens, *args, **more)
            extras = {"control": NoControl()} if "unlucky" in texts[-1] else {}
            return [[text, {**others, **extras}] for text, others in found]

        clip.tokenize, clip.encode_from_tokens_scheduled = tokenized, encoded
        return (clip,)


NODE_CLASS_MAPPINGS = {"Unlucky": Unlucky}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with graph.json and list.txt."""
    folder = tmp_path_factory.mktemp("farm")
    (folder / "graph.json").write_text(json.dumps(farm_graph()), encoding="utf-8")
    (folder / "list.txt").write_text(LIST, encoding="utf-8")
    return folder


@contextmanager
def farm(files: Path, out: str, *more: str, nodes: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, with the tasks of 8 prompts."""
    whitelist = " ".join([linked_as(COMFYUI), *nodes])
    arguments = f"--cpu --disable-api-nodes --disable-all-custom-nodes --whitelist-custom-nodes {whitelist}"
    if nodes:
        arguments += f" --extra-model-paths-config {files / 'nodes.yaml'}"
    job = [files / "graph.json", "--prompts", files / "list.txt", "--out", files / out]
    command = [sys.executable, FARM, "render", *job, "--split", "8", "--json", "--comfy-args", arguments, *more]
    with (files / f"{out}.log").open("ab") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=log, text=True, cwd="/")
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout
    return (json.loads(line) for line in process.stdout)


def finished(files: Path, out: str, *more: str, **farm_settings: Any) -> tuple[int, list[dict[str, Any]]]:
    """Run the command to its end: its exit code and its events."""
    with farm(files, out, *more, **farm_settings) as process:
        found = list(events(process))
        return process.wait(60), found


def until_saved(process: subprocess.Popen[str], count: int) -> None:
    """Return when some files are there."""
    saved = (event for event in events(process) if event["event"] == "saved")
    for _ in range(count):
        next(saved)


def pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.rglob("*.png"))}


@pytest.fixture(scope="module")
def whole(files: Path) -> Path:
    """The output folder of a run that nothing has stopped."""
    code, said = finished(files, "whole")
    assert code == FINISHED, said
    assert said[-1] == {"event": "end", "prompts": 24, "done": 24, "failed": 0}
    return files / "whole"


def test_as_branch_and_save_in_one_run(files: Path, whole: Path, server: Server) -> None:
    """The same names, pixels, and words in the files."""
    graph: Graph = farm_graph()
    graph["2"]["inputs"]["prompts"] = LIST
    graph["6"]["inputs"]["filename_prefix"] = "one_run/image"
    one_run = {path.name: path for path in server.files(server.queue(graph)["6"])}
    found = {path.name: path for path in (whole / "SAGE").glob("*.png")}
    assert found.keys() == one_run.keys() and len(found) == 48
    for name, path in found.items():
        with Image.open(path) as mine, Image.open(one_run[name]) as other:
            difference = np.abs(np.asarray(mine, dtype=int) - np.asarray(other, dtype=int))
            assert difference.max() <= 1
            assert (mine.info["sage"], mine.info["parameters"]) == (other.info["sage"], other.info["parameters"])
            [prompt] = json.loads(mine.info["prompt"])["2"]["inputs"]["prompts"].splitlines()
            assert prompt == json.loads(mine.info["sage"])["prompt"]


def test_repeats_are_written_for_each(whole: Path) -> None:
    """The last prompt is the first one again."""
    first, last = ([np.asarray(Image.open(path)) for path in sorted(whole.rglob(f"image_{number}_*"))]
                   for number in ("0000[12]", "0004[78]"))  # fmt: skip
    assert len(first) == len(last) == 2
    np.testing.assert_array_equal(first, last)


def test_killed_and_stopped(files: Path, whole: Path) -> None:
    """Two shards, one killed and one stopped: a last run renders what is missing, and gives the same bytes."""
    out = files / "parts"
    with farm(files, "parts", "--shard", "1/2") as process:
        until_saved(process, 3)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    kept = pictures(out)
    assert 0 < len(kept) < 48 and all(pictures(whole)[name] == data for name, data in kept.items())
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}

    with farm(files, "parts", "--shard", "2/2") as process:
        until_saved(process, 1)
        process.send_signal(signal.SIGINT)
        *_, last = events(process)
        assert process.wait(60) == STOPPED and last["event"] == "stopped" and last["done"] < last["prompts"]
    code, said = finished(files, "parts")
    assert code == FINISHED and said[0]["event"] == "start" and said[0]["done"] >= 4
    assert pictures(out) == pictures(whole)
    rendered = [record["prompt"] for path in ledgers(out / ".sage") for record in read(path)]
    assert len(ledgers(out / ".sage")) == 3 and sorted(rendered) == list(range(24))
    assert sum(path.stat().st_mtime_ns == time for path, time in times.items()) >= 6
    assert not list(out.rglob("*.part"))


def test_a_bad_prompt_is_named_and_the_others_are_done(files: Path, tmp_path: Path) -> None:
    (tmp_path / "custom_nodes" / "unlucky").mkdir(parents=True)
    (tmp_path / "custom_nodes" / "unlucky" / "__init__.py").write_text(UNLUCKY, encoding="utf-8")
    (tmp_path / "nodes.yaml").write_text(f"test:\n  custom_nodes: {tmp_path}/custom_nodes\n", encoding="utf-8")
    graph = farm_graph()
    graph["8"] = {"class_type": "Unlucky", "inputs": {"clip": ["1", 1]}}
    graph["2"]["inputs"]["clip"] = ["8", 0]
    (tmp_path / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    (tmp_path / "list.txt").write_text(SLOW, encoding="utf-8")
    code, said = finished(tmp_path, "out", "--retries", "2", nodes=["unlucky"])
    assert code == FAILURES and said[-1] == {"event": "end", "prompts": 4, "done": 3, "failed": 1}
    [failed] = [event for event in said if event["event"] == "failed"]
    assert failed["prompts"] == [0] and "SageSharedKSamplerPrefix (node 5): out of luck" in failed["error"]
    assert len(pictures(tmp_path / "out")) == 6
    output = io.StringIO()
    options = _parser(FARM.parent).parse_args(["status", str(tmp_path / "out"), "--json"])
    assert options.run(options, Report(output, as_json=True)) == FINISHED
    told = [json.loads(line) for line in output.getvalue().splitlines()]
    assert told[0]["texts"] == ["an unlucky bird"]
    assert (told[1]["prompts"], told[1]["done"], told[1]["failed"], told[1]["left"]) == (4, 3, 1, 0)


def test_a_plan_renders_nothing(files: Path) -> None:
    code, said = finished(files, "plan", "--plan")
    plan = said[-1]
    assert code == FINISHED and plan["event"] == "plan" and plan["prompts"] == 24 and not pictures(files / "plan")
    assert 0 < plan["evaluations"] < plan["alone"] == 24 * 2 * 2 * 4


@pytest.mark.parametrize(("arguments", "said"), [
    (["render", "none.json", "--prompts", "list.txt", "--out", "out"], "workflow: none.json: expected a file"),
    (["render", "graph.json", "--prompts", "none.txt", "--out", "out"], "prompts: expected a .txt"),
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--shard", "3/2"], "shard: expected a number"),
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--split", "0"], "split, retries: expected"),
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--comfy", "."], "comfy: expected the folder"),
    (["status", "."], "out: expected the output folder of a job"),
])  # fmt: skip
def test_wrong_arguments_are_named_before_comfyui_starts(
    files: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(files)
    options = _parser(FARM.parent).parse_args(arguments)
    with pytest.raises(ValueError, match=said):
        options.run(options, Report(io.StringIO(), as_json=True))
