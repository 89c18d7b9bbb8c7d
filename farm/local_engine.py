"""Runs the tasks of a farm in the ComfyUI of this process."""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from ..sage_core.farm.graphs import BRANCH, JobGraph
from ..sage_core.farm.ledger import FOLDER, SavedFile
from ..sage_core.farm.workflow_file import checked_graph, is_saved
from ..sage_core.graph import upstream
from ..sage_core.prompts.braces import ReadWildcard
from ..sage_core.prompts.prompt_list import Prompt
from .host import Host, Refused
from .identity import model_files, versions


class LocalEngine:
    """Renders, embeds and plans prompts of one job. See `FarmEngine`."""

    def __init__(self, comfy: Path, out: Path, arguments: str, workflow: dict[str, Any], name: str = "") -> None:
        """Start ComfyUI, and prepare it for the graphs of tasks.

        Args:
            comfy: the folder of ComfyUI.
            out: its output folder; the job's files are in it, or will be.
            arguments: more arguments for ComfyUI, as they are typed.
            workflow: see `read_workflow`.
        """
        self.name = name
        self._host, self._workflow, self._folder = Host(comfy, out, arguments), workflow, str(out / FOLDER)
        nodes = self._host.pack(BRANCH, "farm")
        for node in nodes.FARM_NODES:
            self._host.add_node(node)
        self._saved_event: str = nodes.SAVED
        self._on_saved: Callable[[int, Sequence[SavedFile]], None] = lambda prompt, files: None
        self._host.on_event = self._on_event

    def is_ready(self, is_over: Callable[[], bool]) -> bool:
        return True

    @functools.cached_property
    def graph(self) -> JobGraph:
        saved = is_saved(self._workflow)
        return checked_graph(self._host.as_api(self._workflow) if saved else self._workflow)

    def hello(self) -> dict[str, str]:
        return {**versions(), **model_files(self.graph)}

    @property
    def read_wildcard(self) -> ReadWildcard:
        reader: ReadWildcard = self._host.pack(BRANCH, "prompt_inputs").wildcards()
        return reader

    def check(self) -> None:
        given = self.graph.given()
        self._host.check(given)
        _check_lists(self.graph, self._host.listing(given))
        refusal = self._host.pack(BRANCH, "output_path").prefix_refusal(self.graph.filename_prefix)
        if refusal is not True:
            raise Refused(f"workflow: {refusal}")

    def embed(self, prompts: Sequence[Prompt]) -> np.ndarray:
        shown = self._host.run(self.graph.embedding(json.dumps(list(map(astuple, prompts)))))[self.graph.groups_node]
        return np.array(shown["vectors"], dtype=np.float32)

    def share(self, prompts: Sequence[int]) -> bytes | None:
        with self._file() as file:
            self._host.run(self.graph.shared(self._folder, json.dumps(prompts), str(file)))
            return file.read_bytes() if file.exists() else None

    def render(
        self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[[int, Sequence[SavedFile]], None],
        shared: Any = None,
    ) -> None:  # fmt: skip
        self._on_saved = on_saved
        task = self._folder, json.dumps(prompts), json.dumps(done)
        if shared is None:
            self._host.run(self.graph.task(*task))
            return
        with self._file() as file:
            file.write_bytes(shared)
            self._host.run(self.graph.part(*task, str(file)))

    def plan(self, prompts: Sequence[int]) -> tuple[int, int, bool] | None:
        if self.graph.planned is None:
            return None
        cost = self._host.run(self.graph.plan(self._folder, json.dumps(prompts)))[self.graph.planned]["cost"]
        return tuple(cost[0]) if cost else None

    @property
    def is_stopped(self) -> bool:
        return self._host.is_stopped

    def stop(self) -> None:
        self._host.stop()

    def close(self) -> None:
        self._host.close()

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """Context with the name of a new file for shared steps; ComfyUI would take the same one as done."""
        file = Path(self._folder) / f"shared-{uuid.uuid4().hex}.safetensors"
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    def _on_event(self, event: str, data: dict[str, Any]) -> None:
        if event == self._saved_event:
            self._on_saved(data["prompt"], data["files"])


def _check_lists(graph: JobGraph, listing: Collection[str]) -> None:
    """Refuse lists of other things than prompts: ComfyUI pairs them with the prompts of a task from its first one on.

    Args:
        listing: nodes that give lists.

    Raises:
        Refused: names the node.
    """
    own = {graph.list_node, *(node for node in listing if graph.graph[node]["class_type"] == "SageSplitByPrompt")}
    for node in set(listing) - own:
        if own.isdisjoint(upstream(graph.graph, node, most=len(graph.graph))):
            raise Refused(
                f"workflow: {graph.graph[node]['class_type']} (node {node}): expected no list but that of the prompts, "
                "got one. The farm renders a list in parts, and does not know which of its items belong to a part."
            )
