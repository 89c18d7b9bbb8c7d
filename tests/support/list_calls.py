"""Calls of nodes that take lists."""

from __future__ import annotations

from typing import Any


def execute_listed(node: Any, *prompts: str, **inputs: Any) -> Any:
    """Runs a node as ComfyUI does where it takes lists: every input is a list, most of one value."""
    return node.execute(prompts=list(prompts), **{name: [value] for name, value in inputs.items()})
