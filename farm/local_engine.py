"""Runs the tasks of a farm in the ComfyUI of this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..sage_core.farm.graphs import SAVE, JobGraph
from ..sage_core.farm.ledger import FOLDER, SavedFile
from ..sage_core.prompts.braces import ReadWildcard
from .host import Host
from .identity import model_files, versions


class LocalEngine:
    """Renders, embeds and plans prompts of one job. See `FarmEngine`."""

    def __init__(self, comfy: Path, out: Path, arguments: str, graph: JobGraph, name: str = "") -> None:
        """Start ComfyUI, and prepare it for the graphs of tasks.

        Args:
            comfy: the folder of ComfyUI.
            out: its output folder; the job's files are in it, or will be.
            arguments: more arguments for ComfyUI, as they are typed.
        """
        self.name = name
        self._host, self._graph, self._folder = Host(comfy, out, arguments), graph, str(out / FOLDER)
        nodes = self._host.pack(SAVE, "farm")
        for node in nodes.FARM_NODES:
            self._host.add_node(node)
        self._saved_event: str = nodes.SAVED
        self._on_saved: Callable[[int, Sequence[SavedFile]], None] = lambda prompt, files: None
        self._host.on_event = self._on_event

    def is_ready(self, is_over: Callable[[], bool]) -> bool:
        return True

    def hello(self) -> dict[str, str]:
        return {**versions(), **model_files(self._graph)}

    @property
    def read_wildcard(self) -> ReadWildcard:
        reader: ReadWildcard = self._host.pack(SAVE, "prompt_inputs").wildcards()
        return reader

    def check(self) -> None:
        self._host.check(self._graph.given())

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        shown = self._host.run(self._graph.embedding(json.dumps(texts)))[self._graph.groups]
        return np.array(shown["vectors"], dtype=np.float32)

    def render(
        self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[[int, Sequence[SavedFile]], None]
    ) -> None:
        self._on_saved = on_saved
        self._host.run(self._graph.task(self._folder, json.dumps(prompts), json.dumps(done)))

    def plan(self, prompts: Sequence[int]) -> tuple[int, int, bool] | None:
        cost = self._host.run(self._graph.plan(self._folder, json.dumps(prompts)))[self._graph.prefix]["cost"]
        return tuple(cost[0]) if cost else None

    def stop(self) -> None:
        self._host.stop()

    def close(self) -> None:
        self._host.close()

    def _on_event(self, event: str, data: dict[str, Any]) -> None:
        if event == self._saved_event:
            self._on_saved(data["prompt"], data["files"])
