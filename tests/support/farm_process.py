"""The farm's command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from install_comfyui import linked_as

COMFYUI = Path(os.environ["COMFYUI_PATH"]).resolve()
FARM = COMFYUI / "custom_nodes" / linked_as(COMFYUI) / "farm"
# 24 prompts, the last one a repeat.
LIST = (
    "a {red|blue|green|white} {car|boat} in the {snow|desert}\na {red|blue|green} house on the {sea|beach}\n"
    "a small boat on the sea\na red car in the snow\n"
)


def command(verb: str, files: Path, *more: str | Path, nodes: Sequence[str] = ()) -> list[str]:
    """A command of the farm that starts ComfyUI, as it is typed.

    Args:
        files: a folder with graph.json.
        nodes: custom nodes beside the pack, in the folders of nodes.yaml.
    """
    whitelist = " ".join([linked_as(COMFYUI), *nodes])
    arguments = f"--cpu --disable-api-nodes --disable-all-custom-nodes --whitelist-custom-nodes {whitelist}"
    if nodes:
        arguments += f" --extra-model-paths-config {files / 'nodes.yaml'}"
    return [str(each) for each in
            (sys.executable, FARM, verb, files / "graph.json", "--json", "--comfy-args", arguments, *more)]  # fmt: skip


@contextmanager
def farm(files: Path, out: str, *more: str, nodes: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """The command `render`, with one group of the list per task.

    Args:
        files: a folder with graph.json and list.txt.
        out: the output folder in it.
        nodes: see `command`.
    """
    job = ("--prompts", files / "list.txt", "--out", files / out, "--split", "4")
    with (files / f"{out}.log").open("ab") as log:
        process = subprocess.Popen(
            command("render", files, *job, *more, nodes=nodes), stdout=subprocess.PIPE, stderr=log, text=True, cwd="/"
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What it tells, as it comes."""
    assert process.stdout
    return (json.loads(line) for line in process.stdout)


def until(process: subprocess.Popen[str], event: str, count: int = 1) -> dict[str, Any]:
    """The so-manieth event of a name, as soon as it is there."""
    said = []
    for each in events(process):
        said.append(each)
        count -= each["event"] == event
        if not count:
            return each
    raise AssertionError(f"expected {event}, got {said}")


def finished(files: Path, out: str, *more: str, **farm_settings: Any) -> tuple[int, list[dict[str, Any]]]:
    """Run the command to its end: its exit code and its events."""
    with farm(files, out, *more, **farm_settings) as process:
        found = list(events(process))
        return process.wait(60), found


def ray_processes(*names: str) -> list[psutil.Process]:
    """Processes of Ray that these tests have started, the latest last. Another suite may run beside this one."""
    found = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if process.info["name"] in names and process.environ().get("COMFYUI_PATH") == os.environ["COMFYUI_PATH"]:
                found.append(process)
    return sorted(found, key=lambda each: each.create_time())


def pictures(out: Path) -> dict[str, bytes]:
    """All images below a folder."""
    return {path.name: path.read_bytes() for path in sorted(out.rglob("*.png"))}
