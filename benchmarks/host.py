"""Puts a real ComfyUI and the pack on the path, for every benchmark: COMFYUI_PATH, or the host of the demo."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


def load() -> None:
    """Import the host, and the pack as `comfyui_sage`.

    Raises:
        SystemExit: there is no ComfyUI.
    """
    host = Path(os.environ.get("COMFYUI_PATH", REPO / ".hosts" / "0.30.0" / "ComfyUI"))
    if not (host / "comfy").is_dir():
        raise SystemExit(f"COMFYUI_PATH: expected the folder of a ComfyUI, got {host}. scripts/demo.sh installs one.")
    sys.path.insert(0, str(host))
    import torch
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()  # before anything else of comfy is imported
    spec = importlib.util.spec_from_file_location(
        "comfyui_sage", REPO / "__init__.py", submodule_search_locations=[str(REPO)]
    )
    assert spec and spec.loader
    sys.modules["comfyui_sage"] = pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
