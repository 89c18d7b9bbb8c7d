"""Loads a real ComfyUI and this pack, for the tests, the benchmarks and the tools."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def load_pack(comfyui: Path) -> None:
    """Put ComfyUI on the path, import the pack as `comfyui_sage`, and make the repository's tools importable.

    ComfyUI comes first, so that `nodes` and `server` are its own. The repository's root must never be on the path.

    Args:
        comfyui: the folder of a ComfyUI.
    """
    sys.path.insert(0, str(comfyui))
    sys.path.append(str(REPO / "tools"))
    import torch
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()  # before anything else of comfy is imported: it looks for devices then
    spec = importlib.util.spec_from_file_location(
        "comfyui_sage", REPO / "__init__.py", submodule_search_locations=[str(REPO)]
    )
    assert spec and spec.loader
    sys.modules["comfyui_sage"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
