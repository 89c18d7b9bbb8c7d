"""Runs the tasks of a farm in the ComfyUI of this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..sage_core.farm.graphs import SAVE, JobGraph
from ..sage_core.farm.ledger import SavedFile
from .host import Host


class LocalEngine:
    """Renders, embeds and plans prompts of one job."""

    def __init__(self, host: Host, graph: JobGraph, folder: Path) -> None:
        """Prepare ComfyUI for the graphs of tasks.

        Args:
            folder: of the job's files; they need not be there yet.
        """
        self._host, self._graph, self._folder = host, graph, str(folder)
        nodes = host.pack(SAVE, "farm")
        for node in nodes.FARM_NODES:
            host.add_node(node)
        self._saved_event: str = nodes.SAVED
        self._on_saved: Callable[[int, Sequence[SavedFile]], None] = lambda prompt, files: None
        host.on_event = self._on_event

    def check(self) -> None:
        """Check the artist's own graph before the first task: models, nodes and inputs that are missing are named.

        Raises:
            Refused: ComfyUI does not take it.
        """
        self._host.check(self._graph.given())

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings, (N, D), unit rows."""
        shown = self._host.run(self._graph.embedding(json.dumps(texts)))[self._graph.groups]
        return np.array(shown["vectors"], dtype=np.float32)

    def render(
        self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[[int, Sequence[SavedFile]], None]
    ) -> None:
        """See `run.Engine`."""
        self._on_saved = on_saved
        self._host.run(self._graph.task(self._folder, json.dumps(prompts), json.dumps(done)))

    def plan(self, prompts: Sequence[int]) -> tuple[int, int, bool] | None:
        """What prompts will cost, and would cost alone, in evaluations, and whether they may cost less.

        None where it depends on the pictures.
        """
        cost = self._host.run(self._graph.plan(self._folder, json.dumps(prompts)))[self._graph.prefix]["cost"]
        return tuple(cost[0]) if cost else None

    def _on_event(self, event: str, data: dict[str, Any]) -> None:
        if event == self._saved_event:
            self._on_saved(data["prompt"], data["files"])
