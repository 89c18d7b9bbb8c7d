"""ComfyUI's own ways to leave out evaluations of a prompt alone. Import it after `comfyui.load`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode

SETTINGS = {"reuse_threshold": 0.2, "start_percent": 0.15, "end_percent": 0.95, "verbose": False}
"""The defaults of both nodes."""

CACHES: dict[str, Callable[[Any], Any]] = {
    "EasyCache": lambda model: EasyCacheNode.execute(model, **SETTINGS).args[0],
    "LazyCache": lambda model: LazyCacheNode.execute(model, **SETTINGS).args[0],
}
"""From a MODEL to one with the cache."""
