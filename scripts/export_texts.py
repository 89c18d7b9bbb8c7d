"""Writes locales/en/nodeDefs.json: the English texts of the nodes, from which translators start.

.hosts/0.30.0/venv/bin/python scripts/export_texts.py .hosts/0.30.0/ComfyUI
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from comfyui_server import serve
from install_comfyui import REPO

LOCALES = REPO / "locales"
LANGUAGES = ("en", "zh", "ja", "ko", "fr", "es", "ru", "de")


def node_texts(object_info: dict[str, Any]) -> dict[str, Any]:
    """The texts of our nodes, as the page's translations of node definitions are laid out."""
    return {
        name: {
            "display_name": info["display_name"], "description": info["description"],
            "inputs": {
                key: {"name": key, "tooltip": options[1]["tooltip"]}
                for kind in ("required", "optional") for key, options in info["input"].get(kind, {}).items()
            },
            "outputs": {
                str(index): {"name": label, "tooltip": tooltip}
                for index, (label, tooltip) in enumerate(zip(info["output_name"], info["output_tooltips"], strict=True))
            },
        }
        for name, info in object_info.items() if name.startswith("Sage")
    }  # fmt: skip


def write(texts: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> None:
    """The command line: the folder of a ComfyUI."""
    host = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder, serve(host, Path(sys.executable), Path(folder)) as server:
        write(node_texts(server.get("/object_info")), LOCALES / "en" / "nodeDefs.json")


if __name__ == "__main__":
    main()
