"""Nodes with `is_input_list`: ComfyUI runs them once for a whole list, and gives them every input as a list."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any


def takes_lists(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator for the methods of such a node: they get these inputs as lists, and the only value of every other one.

    Raises:
        ValueError: another input has several different values, or none.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def with_values(cls: type, **inputs: Sequence[Any]) -> Any:
            return method(
                cls, **{name: each if name in names else _only_value(name, each) for name, each in inputs.items()}
            )

        return with_values

    return decorate


def _only_value(name: str, values: Sequence[Any]) -> Any:
    if not values or not all(_same(value, values[0]) for value in values):
        got = f"a list of {len(values)} that differ" if values else "an empty list"
        raise ValueError(f"{name}: expected one value for all prompts, got {got}.")
    return values[0]


def _same(one: Any, other: Any) -> bool:
    """Equality, of plain values only: tensors have no single answer to it."""
    return one is other or (isinstance(one, str | int | float) and one == other)
