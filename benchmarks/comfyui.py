"""Loads a real ComfyUI and the pack, for every benchmark: the one in COMFYUI_PATH, or that of the demo."""

from __future__ import annotations

import os
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "tests" / "support"))

from pack import load_pack


def load() -> None:
    """Import ComfyUI, and the pack as `comfyui_sage`.

    Raises:
        SystemExit: there is no ComfyUI.
    """
    root = Path(os.environ.get("COMFYUI_PATH", REPO / ".hosts" / "0.30.0" / "ComfyUI"))
    if not (root / "comfy").is_dir():
        raise SystemExit(f"COMFYUI_PATH: expected the folder of a ComfyUI, got {root}. scripts/demo.sh installs one.")
    load_pack(root)
