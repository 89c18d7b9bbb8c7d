"""python custom_nodes/<this pack>/farm render WORKFLOW.json --prompts LIST.txt --out DIR"""

from __future__ import annotations

import sys
import types
from pathlib import Path

# Not resolved: the link in custom_nodes says which ComfyUI this is.
PACK = Path(__file__).absolute().parent.parent


def load_pack() -> None:
    """Make the pack importable by a name, without ComfyUI and without its root on the path, where `nodes` is ours."""
    package = types.ModuleType("comfyui_sage")
    package.__path__ = [str(PACK)]
    sys.modules["comfyui_sage"] = package
    sys.path[:] = [
        path for path in sys.path if Path(path or ".").resolve() not in (PACK.resolve(), PACK.resolve() / "farm")
    ]


if __name__ == "__main__":
    load_pack()
    from comfyui_sage.farm.command import main

    sys.exit(main(sys.argv[1:], PACK))
