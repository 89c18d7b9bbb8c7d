"""Renders on workers for SAGE Branch and Save: starts the farm's command, and shows how far it is."""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_api.latest import io
from PIL import Image

from ..routes.node_progress import progress_sender
from ..sage_core.farm.comfy_arguments import joined
from ..sage_core.farm.graphs import JobGraph
from ..sage_core.farm.job import has_job, made_of, read_job
from ..sage_core.farm.ledger import FOLDER, ledgers, read
from ..sage_core.farm.process import run_command
from ..sage_core.farm.settings import SETTINGS_FILE, worker_options
from ..sage_core.farm.workflow_file import checked_graph
from ..sage_core.graph import is_link
from ..sage_core.panels.pictures import finished_pictures
from ..sage_core.panels.workers import WorkersMonitor
from ..sage_core.phrases import counted
from ..sage_core.prompts.chosen import only_chosen
from ..sage_core.prompts.prompt_list import PromptList
from .image_saver import saved_images
from .output_path import output_prefix
from .prompt_inputs import NO_FILE, all_prompts

THIS_MACHINE, WORKERS = RUN_ON = ("this machine", "workers")

# Events that the user should read about in the report.
_NOTED = ("note", "not started", "refused", "lost", "retry", "failed")
# Not resolved: the link in custom_nodes says which ComfyUI this is.
_FARM = Path(__file__).absolute().parent.parent / "farm"


def run_on_input() -> io.Combo.Input:
    return io.Combo.Input(
        "run_on", options=list(RUN_ON), default=THIS_MACHINE, optional=True,
        tooltip="workers: other processes render, one for every GPU of this machine or of a cluster. Of the nodes "
        "before this one, only Semantic Group Prompts and those that it needs run here. Needs Ray. Where the workers "
        "are is not in the workflow: see the help page.",
    )  # fmt: skip


def render_on_workers(hidden: Any, filename_prefix: str, *, render_all: bool) -> io.NodeOutput:
    """Render the prompts of Semantic Group Prompts on workers, into a folder of their own.

    Args:
        hidden: of the node that runs, with the graph.
        render_all: whether to begin anew where a folder with some of the images is there.

    Raises:
        ValueError: the graph is none that the farm renders, or the farm cannot begin.
        RuntimeError: not all prompts could be rendered; says which and why.
    """
    folder, _, stem = output_prefix(filename_prefix, hidden).replace("\\", "/").rpartition("/")
    graph, listed = _job(hidden, stem)
    out = _out_folder(graph, listed, folder, stem, render_all=render_all)
    options = worker_options(_settings_file(), os.environ)
    comfy.model_management.unload_all_models()  # the memory is needed by a worker on this GPU
    comfy.model_management.soft_empty_cache()
    with tempfile.TemporaryDirectory(prefix="sage-workers-") as folder:
        command = _command(Path(folder), graph, listed, out, options)
        last, notes = _follow(command, hidden, len(listed.prompts), out)
    if last["event"] == "error":
        raise ValueError(last["error"])
    done = f"{last['done']} of {counted(last['prompts'], 'prompt')}, in {out}"
    report = "\n- ".join([f"SAGE Branch and Save, on workers: {done}", *notes])
    if last["done"] < last["prompts"]:  # a run that succeeds is not made again
        raise RuntimeError(f"{report}\nRun again to render the missing ones.")
    return io.NodeOutput(report, ui=saved_images(_files(out), _subfolder(out)))


def _settings_file() -> Path:
    """Where it is said where the workers are: a folder that ComfyUI's server does not let a page write to.

    Raises:
        ValueError: there is a file in the folder of before only, where every page can write.
    """
    path = Path(folder_paths.get_system_user_directory("sage"), SETTINGS_FILE)
    before = Path(folder_paths.get_user_directory(), "default", SETTINGS_FILE)
    if before.exists() and not path.exists():
        raise ValueError(
            f"run_on: expected the settings of the workers in {path}, got them in {before}. Move the file."
        )
    return path


def _job(hidden: Any, stem: str) -> tuple[JobGraph, PromptList]:
    """The graph, with file names that begin with a stem in the folder of the job, and its prompts."""
    if hidden is None or hidden.prompt is None:
        raise ValueError("run_on: workers need the workflow, but this node is called without one.")
    graph = checked_graph(hidden.prompt)
    prompts = graph.inputs(graph.groups_node)
    linked = [name for name in ("prompts", "prompt_file", "chosen") if is_link(prompts.get(name))]
    if linked:
        raise ValueError(
            "run_on: with workers, the prompts have to be typed in Semantic Group Prompts, or in its prompt_file, but "
            f"its {' and '.join(linked)} (node {graph.groups_node}) come over a link."
        )
    listed = all_prompts([prompts["prompts"]], prompts.get("prompt_file", NO_FILE))
    inputs = {**graph.inputs(graph.save_node), "filename_prefix": stem}
    renamed = {**graph.graph, graph.save_node: {**graph.graph[graph.save_node], "inputs": inputs}}
    return replace(graph, graph=renamed), only_chosen(listed, prompts.get("chosen", ""))


def _out_folder(graph: JobGraph, listed: PromptList, folder: str, stem: str, *, render_all: bool) -> Path:
    """The folder of a job in the output folder: the same one for the same prompts and settings, to go on there."""
    key = made_of(graph, listed, {})
    name = f"{stem.replace('%', '')}_workers_{key['workflow'][:6]}{key['prompts'][:6]}"
    output = Path(folder_paths.get_output_directory()) / folder
    names = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(output / each for each in names if not (render_all and has_job(output / each / FOLDER)))


def _command(folder: Path, graph: JobGraph, listed: PromptList, out: Path, options: list[str]) -> list[str]:
    """The farm's command, with files for it in a folder. Its workers have the arguments of this ComfyUI."""
    workflow, prompts = folder / "workflow.json", folder / "prompts.json"
    workflow.write_text(json.dumps(graph.graph), encoding="utf-8")
    rows = [{"prompt": prompt.text, "seed offset": prompt.seed_offset} for prompt in listed.prompts]
    prompts.write_text(json.dumps(rows), encoding="utf-8")
    return [
        sys.executable, str(_FARM), "render", str(workflow), "--prompts", str(prompts), "--out", str(out), "--json",
        "--comfy", folder_paths.base_path, f"--comfy-args={joined(sys.argv[1:])}", *options,
    ]  # fmt: skip


def _follow(command: list[str], hidden: Any, total: int, out: Path) -> tuple[dict[str, Any], list[str]]:
    """Run the command and show how far it is; its last event, and what the user should know.

    Raises:
        InterruptProcessingException: the user has stopped it.
    """
    send, bar = progress_sender(hidden), comfy.utils.ProgressBar(total)
    monitor = None if send is None else WorkersMonitor(send, total, lambda: _finished(out))
    last: dict[str, Any] = {"event": "stopped"}
    notes: list[str] = []
    try:
        for last in run_command(command, comfy.model_management.throw_exception_if_processing_interrupted):
            if monitor is not None:
                monitor.tell(last)
            if last["event"] == "saved":
                bar.update_absolute(last["done"])
            elif last["event"] in _NOTED:
                notes.append(_note(**last))
    finally:
        if monitor is not None:
            monitor.end(stopped=last["event"] != "end")
    if last["event"] == "stopped":
        raise comfy.model_management.InterruptProcessingException
    return last, notes


def _note(
    event: str, worker: str = "", error: str = "", note: str = "", prompts: Sequence[int] = (), **others: Any
) -> str:
    """An event in a line of the report; the numbers of prompts count from 1."""
    numbers = ", ".join(str(prompt + 1) for prompt in prompts)
    return ": ".join(filter(None, (event, worker, numbers and f"prompts {numbers}", error or note)))


def _files(out: Path) -> dict[int, list[str]]:
    """The names of the files of every prompt that is done."""
    records = chain.from_iterable(read(path) for path in ledgers(out / FOLDER))
    return {record["prompt"]: [name for name, _ in record["files"]] for record in records if "prompt" in record}


def _subfolder(out: Path) -> str:
    return out.relative_to(folder_paths.get_output_directory()).as_posix()


def _finished(out: Path) -> dict[str, Any]:
    """The update of the panel with the files that are there."""
    if not (files := _files(out)):
        return {}
    width, height = _size(out / next(iter(files.values()))[0])
    return finished_pictures(read_job(out / FOLDER).groups, files, _subfolder(out), width / height)


@functools.lru_cache(1)
def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size
