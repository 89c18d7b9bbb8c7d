"""What the sampling panel shows of finished pictures: the files of every prompt, and whose panel they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..graph import Graph, OutputType, follows_types, upstream
from ..grouping.prompt_groups import PromptGroups
from .sampling import ClusterLabels

# Classes of nodes with a sampling panel that come before a node that saves.
_WITH_PANEL = {"SageKSampler", "SageBranchKSampler", "SageShare"}
# What carries the rows of a sampler to a node that saves them.
_ROWS = ("IMAGE", "LATENT")
# The most files that the page shows: the browser has to load them all.
MOST_FILES = 256


def panel_of(graph: Graph | None, node_id: str | None, output_type: OutputType) -> str | None:
    """The nearest node with a sampling panel whose rows come to a node; None where there is none, or no graph."""
    if graph is None or node_id is None:
        return None
    above = upstream(graph, node_id, follows_types(graph, output_type, *_ROWS))
    return next((node for node in above if graph[node]["class_type"] in _WITH_PANEL), None)


def finished_pictures(
    groups: PromptGroups, files: Mapping[int, Sequence[str]], subfolder: str, aspect: float
) -> dict[str, Any]:
    """The update of a sampling panel that has the saved pictures.

    Args:
        files: names of the files of prompts by index, one per variation.
        subfolder: of the output folder, where they are.
        aspect: width / height of the pictures.

    Returns:
        finished: aspect, subfolder, and for every prompt what `ClusterLabels.of` gives, and its files. At most 256
        files; prompts that follow are left out.
    """
    labels, pictures, count = ClusterLabels(groups, range(len(groups.prompts))), [], 0
    for prompt in sorted(files):
        count += len(files[prompt])
        if count > MOST_FILES:
            break
        pictures.append({**labels.of((prompt,)), "files": list(files[prompt])})
    return {"finished": {"aspect": aspect, "subfolder": subfolder, "pictures": pictures}}
