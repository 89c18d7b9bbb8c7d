"""Results that are kept as they come, so that a benchmark goes on where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Kept(dict[str, Any]):
    """A dict that is a JSON file: read at the start, written whole at every assignment.

    Args:
        path: of the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self.path = path

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self, indent=1))
        part.replace(self.path)
