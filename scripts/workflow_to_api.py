"""The farm's converter from a saved workflow to the API format, for programs that ComfyUI's server runs it for."""

from __future__ import annotations

import sys
from runpy import run_path
from typing import Any

from install_comfyui import REPO

if "comfyui_sage" not in sys.modules:  # the tests have loaded all of it
    run_path(str(REPO / "farm" / "__main__.py"))["load_pack"]()

from comfyui_sage.farm.saved_workflow import to_api

__all__ = ["saves_grid", "to_api"]


def saves_grid(graph: dict[str, Any], node: str) -> bool:
    """Whether a node of a graph in the API format saves a comparison grid, and not single images."""
    origin = graph[node]["inputs"].get("images", [None])[0]
    return origin in graph and graph[origin]["class_type"] == "SageComparisonGrid"
