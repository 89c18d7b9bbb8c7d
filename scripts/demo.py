"""Renders the bundled example workflow through a live ComfyUI server and shows what it saved.

Run by scripts/demo.sh with ComfyUI's Python.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from comfyui_server import Graph, Server, ServerError, has_cuda, serve
from install_comfyui import REPO
from workflow_to_api import saves_grid, to_api

WORKFLOW = REPO / "example_workflows" / "1 Try SAGE (no download).json"
OUTPUT = REPO / "demo_output"
UNITS = {
    "SageSemanticGroupPrompts": "prompts",
    "SageSharedKSamplerPrefix": "evaluations",
    "SageBranchKSampler": "evaluations",
    "SageBranchSave": "evaluations",
    "SageKSampler": "evaluations",
    "SamplerCustomAdvanced": "evaluations",
    "SageMetrics": "images",
    "SageSaveImages": "images",
}


class Progress:
    """Prints the server's messages: one line per node, which counts up while it runs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.live = sys.stdout.isatty()
        self.node: str | None = None
        self.count, self.quarter, self.start = "", 0, 0.0

    def __call__(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "executing":
            self.finish()
            if data["node"] in self.graph:
                self.node, self.count, self.quarter, self.start = data["node"], "", 0, time.monotonic()
        elif kind == "progress" and data["node"] == self.node:
            self.update(data["value"], data["max"])

    def update(self, value: int, most: int) -> None:
        """Counts up; where a line cannot be written over, it is written at every quarter."""
        unit = UNITS.get(self.graph[self.node]["class_type"], "") if self.node else ""
        self.count = f"{value}/{most} {unit}".rstrip()
        before, self.quarter = self.quarter, 4 * value // max(most, 1)
        if self.live or before < self.quarter < 4:
            self.write("" if self.live else "\n")

    def finish(self) -> None:
        """Closes the line of the node that ran."""
        if self.node:
            self.write(f"  {time.monotonic() - self.start:.1f} s\n")
        self.node = None

    def write(self, end: str) -> None:
        title = self.graph[self.node]["_meta"]["title"] if self.node else ""
        over = "\r\x1b[K" if self.live else ""
        print(f"{over}  {title:<28} {self.count:<24}", end=end, flush=True)


def short(path: Path) -> str:
    """A path relative to the current folder."""
    return os.path.relpath(path)


def render(server: Server, workflow: dict[str, Any]) -> None:
    """Runs the workflow and prints its report and its files."""
    graph = to_api(workflow, server.get("/object_info"))
    start = time.monotonic()
    outputs = server.queue(graph, Progress(graph))
    seconds = time.monotonic() - start
    files = {node: server.files(output) for node, output in outputs.items()}
    grids = [path for node, saved in files.items() if saves_grid(graph, node) for path in saved]
    images = [path for saved in files.values() for path in saved if path not in grids]
    if not images:
        raise ServerError("the workflow saved no image")
    # Samplers show their report themselves, and a preview node may show it again.
    for text in dict.fromkeys(text for output in outputs.values() for text in output.get("text", [])):
        print(f"\n{text}")
    print(f"\n{len(images)} images in {seconds:.1f} s:")
    print(*(f"  {short(path)}" for path in images), sep="\n")
    for path in grids:
        print(f"All in one picture: {short(path)}")


def show_page(server: Server, root: Path, stay: bool) -> None:
    """Says how to see it in the browser; with `stay`, keeps the server running for it."""
    place = f"Workflow > Browse Templates > sage-shared-sampling > {WORKFLOW.stem}"
    print(f"Server log: {short(server.log)}")
    if stay:
        print(f"\nOpen {server.url} ({place}). Ctrl-C ends the server.", flush=True)
        server.process.wait()
        raise ServerError(f"ComfyUI ended:\n{server.log_tail()}")
    cpu, python = "" if has_cuda() else " --cpu", os.path.relpath(sys.executable, root)
    print("\nTo try it in the browser:  bash scripts/demo.sh --stay")
    print(f"or, as you start ComfyUI:   cd {short(root)} && {python} main.py{cpu}")
    print(f"Then open {place}")


def end(number: int, frame: object) -> None:
    """Ends the demo on a signal, so that the server stops too."""
    print("\nStopping ComfyUI.", file=sys.stderr)
    sys.exit(128 + number)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the folder of ComfyUI")
    parser.add_argument("--stay", action="store_true", help="leave the server running for the browser")
    parser.add_argument("--workflow", type=Path, default=WORKFLOW, help="another workflow to run")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    start = time.monotonic()
    try:
        workflow = json.loads(options.workflow.read_text("utf-8"))
        print(f"Rendering {short(options.workflow)} in {short(options.root)}", flush=True)
        with serve(options.root, Path(sys.executable), OUTPUT) as server:
            print(f"ComfyUI is ready at {server.url} ({time.monotonic() - start:.0f} s)", flush=True)
            render(server, workflow)
            show_page(server, options.root, options.stay)
    except (ServerError, OSError, ValueError) as error:
        print(f"\nThe demo failed: {error}\nServer log: {short(OUTPUT / 'server.log')}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
