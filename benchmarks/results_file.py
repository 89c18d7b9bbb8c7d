"""Saves a benchmark's results one by one, so that it goes on where it was stopped. Import it after `comfyui.load`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comfyui_sage.sage_core.atomic_file import replacing


class Kept(dict[str, Any]):
    """A dict that is a JSON file: read at the start, written whole at every assignment.

    Args:
        path: the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self.path = path

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep a result and write the file."""
        super().__setitem__(key, value)
        with replacing(self.path) as part:
            part.write_text(json.dumps(self, indent=1))
