"""Which workers a node may use. A workflow never says so: one from the internet must not open connections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SETTINGS_FILE = "sage_farm.json"
ADDRESS = "SAGE_FARM_ADDRESS"
_KINDS: dict[str, tuple[type, ...]] = {"address": (str,), "workers": (int,), "gpus": (int, float)}


def worker_options(path: Path, environment: Mapping[str, str]) -> list[str]:
    """The options of the farm's command that say where to render.

    Args:
        path: of the settings, a JSON object with address, workers and gpus; each can be left out, and so can the file.
        environment: its SAGE_FARM_ADDRESS comes before the file's.

    Raises:
        ValueError: the file is not as expected; says what is wrong.
    """
    found = _read(path) if path.exists() else {}
    if environment.get(ADDRESS):
        found["address"] = environment[ADDRESS]
    return ["--engine", "ray", *(part for name in _KINDS if name in found for part in (f"--{name}", str(found[name])))]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: expected JSON, got an error: {error}.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(found).__name__}.")
    for name, value in found.items():
        if name not in _KINDS or not isinstance(value, _KINDS[name]) or isinstance(value, bool):
            raise ValueError(f"{path}: expected address, a text, workers and gpus, numbers, got {name}: {value!r}.")
    return found
