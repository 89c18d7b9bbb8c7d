"""What Ray sends to a worker's process: the way to the pack that is there. It cannot import the pack yet."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# On a machine where the pack is in another folder than on the first one, this says where.
PACK_FOLDER = "SAGE_FARM_PACK"


class Remote:
    """Gives the methods of a `RayWorker`."""

    def __init__(self, pack: str, comfy: str, arguments: str, workflow: dict[str, Any]) -> None:
        """Load the pack and start ComfyUI.

        Args:
            pack, comfy: the folders on the first machine.
        """
        # ComfyUI wraps these streams anew; without a reference they would be closed, and Ray writes to them.
        self._kept = sys.stdout, sys.stderr
        own = os.environ.get(PACK_FOLDER)
        folder = Path(own or pack)
        if not (folder / "farm" / "__main__.py").is_file():
            raise ValueError(
                f"{PACK_FOLDER}: expected this pack in {folder}, as on the first machine. Install it there, or set "
                f"{PACK_FOLDER} to its folder inside custom_nodes before Ray is started on this machine."
            )
        spec = importlib.util.spec_from_file_location("sage_farm_start", folder / "farm" / "__main__.py")
        assert spec and spec.loader
        start = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(start)
        start.load_pack()
        from comfyui_sage.farm.ray_worker import RayWorker

        self._worker = RayWorker(folder.parent.parent if own else Path(comfy), arguments, workflow)

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._worker, method)(*arguments)

    def stream(self, method: str, *arguments: Any) -> Iterator[Any]:
        yield from getattr(self._worker, method)(*arguments)

    def stop(self) -> None:
        self._worker.stop()
