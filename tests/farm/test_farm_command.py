"""The farm's command line in a real ComfyUI: the same pictures as one run, whatever happens on the way."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from comfyui_sage.farm.command import FAILURES, FINISHED, STOPPED, USAGE, _parser
from comfyui_sage.farm.report import Report
from comfyui_sage.sage_core.farm.job import read_job
from comfyui_sage.sage_core.farm.ledger import ledgers, read
from comfyui_sage.sage_core.farm.workflow_file import checked_graph
from comfyui_server import Graph, Server
from farm_graph import farm_graph, one_node_graph, share_graph, split_graph
from farm_process import FARM, LIST, command, events, farm, finished, pictures, until
from install_comfyui import REPO
from PIL import Image
from workflow_to_api import to_api

# A ComfyUI starts up to three times in a test, beside another suite.
pytestmark = pytest.mark.timeout(900)
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
        until(process, "saved", 3)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    kept = pictures(out)
    assert 0 < len(kept) < 48 and all(pictures(whole)[name] == data for name, data in kept.items())
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}

    with farm(files, "parts", "--shard", "2/2") as process:
        until(process, "saved")
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


# Prompts with negatives of their own, one of them twice.
TABLE = (
    "prompt,negative\na red car in the snow,\na blue car in the snow,a house\na small boat on the sea,\n"
    "a red house on the beach,a boat\na blue house on the beach,a boat\na red car in the snow,\n"
)


def rendered(graph: Graph, folder: Path, *, kill: bool) -> dict[str, bytes]:
    """The images of the table by the farm's command, which may be killed on the way and given again."""
    (folder / "list.csv").write_text(TABLE, encoding="utf-8")
    (folder / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    arguments, kept = ("parts", "--prompts", str(folder / "list.csv")), {}
    if kill:
        with farm(folder, *arguments) as process:
            until(process, "saved", 2)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        kept = pictures(folder / "parts")
        assert 0 < len(kept) < 12
    code, said = finished(folder, *arguments)
    found = pictures(folder / "parts")
    assert code == FINISHED and kept.items() <= found.items(), said
    assert kill or [each["event"] for each in said].count("task") > 1
    return found


@pytest.mark.parametrize(("graph", "kill"), [(share_graph, True), (split_graph, False), (one_node_graph, False)])
def test_other_samplers_and_savers(graph: Callable[[], Graph], kill: bool, tmp_path: Path, server: Server) -> None:
    """As in one run of the whole list."""
    found = rendered(graph(), tmp_path, kill=kill)
    page = graph()
    page["2"]["inputs"] |= {"prompts": "", "prompt_file": "farm.csv"}
    page[checked_graph(page).save_node]["inputs"]["filename_prefix"] = f"{graph.__name__}/image"
    (server.folder / "input" / "farm.csv").write_text(TABLE, encoding="utf-8")
    [whole] = [files for node in server.queue(page).values() if (files := server.files(node))]
    assert len(found) == len(whole) == 12
    for path, (name, data) in zip(whole, found.items(), strict=True):
        with Image.open(io.BytesIO(data)) as mine, Image.open(path) as other:
            assert np.abs(np.asarray(mine, dtype=int) - np.asarray(other, dtype=int)).max() <= 1, name
            text, _ = TABLE.splitlines()[(1 + int(name[6:11])) // 2].split(",")
            one = json.loads(mine.info["prompt"])["2"]["inputs"]["prompts"]
            assert one == json.loads(mine.info["sage"])["prompt"] == text
            if graph is share_graph:  # saved by SAGE Save Images
                assert path.name == name and mine.info["parameters"] == other.info["parameters"]


def test_more_images_than_the_prompts_have_are_not_saved(tmp_path: Path) -> None:
    graph = one_node_graph()
    graph["8"] = {"class_type": "ImageBatch", "inputs": {"image1": ["6", 0], "image2": ["6", 0]}}
    graph["7"]["inputs"]["images"] = ["8", 0]
    (tmp_path / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    (tmp_path / "list.txt").write_text("a red car\na blue car", encoding="utf-8")
    code, said = finished(tmp_path, "out", "--retries", "1")
    assert code == FAILURES and not pictures(tmp_path / "out")
    [failed] = [each for each in said if each["event"] == "failed"]
    assert "images: expected 2 of each of the 2 prompts" in failed["error"]


@pytest.mark.parametrize(("add", "said"), [
    ({"6": {"class_type": "VAEDecode", "inputs": {"samples": ["8", 0], "vae": ["1", 2]}},
      "8": {"class_type": "RebatchLatents", "inputs": {"latents": ["5", 0], "batch_size": 1}}},
     r"RebatchLatents \(node 8\): expected no list but that of the prompts"),
    ({"7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "a/../../b"}}},
     "filename_prefix: expected"),
])  # fmt: skip
def test_what_only_comfyui_can_tell(add: Graph, said: str, tmp_path: Path) -> None:
    """Is told before anything is rendered."""
    (tmp_path / "graph.json").write_text(json.dumps({**one_node_graph(), **add}), encoding="utf-8")
    (tmp_path / "list.txt").write_text("a red car", encoding="utf-8")
    code, events = finished(tmp_path, "out")
    assert code == USAGE and len(events) == 1
    assert re.search(said, events[0]["error"])


def test_a_workflow_as_the_page_saves_it(tmp_path: Path, server: Server) -> None:
    """A template, as it is; and one that the farm cannot read, by name."""
    template = json.loads((REPO / "example_workflows" / "6 Share Sampling (any sampler).json").read_text("utf-8"))
    (tmp_path / "list.txt").write_text("a {red|blue} car in the snow\na boat", encoding="utf-8")
    (tmp_path / "graph.json").write_text(json.dumps(template), encoding="utf-8")
    code, said = finished(tmp_path, "out")
    assert code == FINISHED and len(pictures(tmp_path / "out")) == 3, said
    graph = read_job(tmp_path / "out" / ".sage").graph.graph
    assert graph == to_api(template, server.get("/object_info"))

    sampler = next(node for node in template["nodes"] if node["type"] == "KSampler")
    sampler["widgets_values"].insert(0, "a widget of its own")
    (tmp_path / "graph.json").write_text(json.dumps(template), encoding="utf-8")
    code, said = finished(tmp_path, "other")
    assert code == USAGE and not pictures(tmp_path / "other")
    assert "(KSampler): seed: expected a value of the type INT" in said[-1]["error"]
    assert "Export (API)" in said[-1]["error"]


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


def test_a_check_renders_a_small_group(files: Path) -> None:
    found = subprocess.run(command("check", files), stdout=subprocess.PIPE, text=True, check=True, cwd="/")
    *_, good = map(json.loads, found.stdout.splitlines())
    assert good["event"] == "good" and good["images"] == 4 and "SAGE version" in good["made_of"]


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
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--engine", "local", "--workers", "2"],
     "workers: expected the engine ray"),
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--workers", "0"], "workers: expected at least"),
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--gpus", "-1"], "gpus: expected 0 or more"),
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--gpus", "nan"], "gpus: expected 0 or more"),
    (["render", "graph.json", "--prompts", "list.txt", "--out", "out", "--comfy-args='--cpu"],
     "comfy-args: expected arguments as they are typed, got .*--cpu.*: No closing quotation"),
    (["check", "graph.json", "--comfy-args=[1"], "comfy-args: expected arguments as they are typed, got '.1'"),
    (["status", "."], "out: expected the output folder of a job"),
])  # fmt: skip
def test_wrong_arguments_are_named_before_comfyui_starts(
    files: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(files)
    options = _parser(FARM.parent).parse_args(arguments)
    with pytest.raises(ValueError, match=said):
        options.run(options, Report(io.StringIO(), as_json=True))


def test_nothing_imports_torch_before_comfyui_starts(files: Path) -> None:
    """ComfyUI sets up the memory of the GPU first, and every command reads its workflow before that."""
    program = (
        "import runpy, sys\n"
        f"start = runpy.run_path({str(FARM / '__main__.py')!r})\n"
        "start['load_pack']()\n"
        "from comfyui_sage.farm import command, local_engine, ray_worker\n"
        "from comfyui_sage.sage_core.farm.workflow_file import Path, read_workflow\n"
        f"read_workflow(Path({str(files / 'graph.json')!r}))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=files)
