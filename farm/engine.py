"""What the farm's commands ask of whatever renders for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..sage_core.farm.graphs import JobGraph
from ..sage_core.farm.run import Engine
from ..sage_core.prompts.braces import ReadWildcard
from ..sage_core.prompts.prompt_list import Prompt


class FarmEngine(Engine, Protocol):
    """A ComfyUI, here or elsewhere, with the graph of a job."""

    @property
    def graph(self) -> JobGraph:
        """The artist's graph.

        Raises:
            ValueError: the workflow is none that the farm can render.
        """

    def hello(self) -> dict[str, str]:
        """What decides its pictures: versions, and digests of the models' files, by their names for the user."""

    @property
    def read_wildcard(self) -> ReadWildcard:
        """What reads its wildcards."""

    def check(self) -> None:
        """Check the artist's own graph: models, nodes and inputs that are missing are named.

        Raises:
            Refused: ComfyUI does not take it.
        """

    def embed(self, prompts: Sequence[Prompt]) -> np.ndarray:
        """Embeddings, (N, D), unit rows."""

    def plan(self, prompts: Sequence[int]) -> tuple[int, int, bool] | None:
        """What prompts will cost, and would cost alone, in evaluations, and whether they may cost less.

        None where that is known only when it has run.
        """

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""

    def stop(self) -> None:
        """End what runs, and refuse all else. Any thread may call it."""

    def close(self) -> None:
        """Remove what it has left behind."""
