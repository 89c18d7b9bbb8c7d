"""What a value is made of, to compare runs by what decides them."""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Iterable
from enum import Enum
from hashlib import sha256
from types import FunctionType, MethodType
from typing import Any
from uuid import UUID

import torch

_COMPARED_BY_VALUE = (str, bytes, int, float, complex, type(None), Enum, UUID, torch.dtype, torch.device)

# Nested tuples of plain values, digests and `_Same`: compared with ==, and it keeps no object alive.
Content = Any


def content(value: Any, *, as_data: tuple[type, ...] = ()) -> Content:
    """What a value is made of; two are equal only if the values do the same.

    Tensors, lists, dicts and functions (with what they have enclosed) are compared by what is in them. Everything else
    is equal to itself only, as long as it lives: whether another one does the same cannot be known.

    Args:
        as_data: classes whose objects are what their attributes are.
    """
    return _content(value, as_data, frozenset())


def stable_digest(value: Any, *, as_data: tuple[type, ...] = ()) -> str:
    """A digest of what a value is made of, which is the same in every process.

    Objects of which nothing can be known count by the name of their class only.

    Args:
        as_data: see `content`.
    """
    return sha256(repr(content(value, as_data=as_data)).encode()).hexdigest()


def _content(value: Any, as_data: tuple[type, ...], inside: frozenset[int]) -> Content:
    if isinstance(value, _COMPARED_BY_VALUE):
        return type(value).__name__, value
    if isinstance(value, torch.Tensor) and not value.is_nested and value.layout == torch.strided:
        return _tensor(value)
    if id(value) in inside:  # a function that encloses itself
        return "again"
    parts = _parts(value, as_data)
    if parts is None:
        return _Same(value)
    within = inside | {id(value)}
    return type(value).__name__, *(_content(part, as_data, within) for part in parts)


def _parts(value: Any, as_data: tuple[type, ...]) -> Iterable[Any] | None:
    """What to compare of a value; None where that is not known."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if isinstance(value, MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, FunctionType):
        # The code of a function is a constant of its file: one object, however often the function is made.
        enclosed = [cell.cell_contents for cell in value.__closure__ or () if not _is_empty(cell)]
        return [value.__code__, value.__defaults__, value.__kwdefaults__, enclosed]
    if isinstance(value, as_data):
        return [type(value), vars(value)]
    if getattr(value, "is_nested", False):  # latents of several parts
        return list(value.unbind())
    return None


def _tensor(value: torch.Tensor) -> Content:
    return value.dtype, tuple(value.shape), digest(value)


def digest(tensor: torch.Tensor) -> bytes:
    """A digest of a tensor's values; two of one type and size are equal only if all values are."""
    flat = tensor.detach().cpu().contiguous().flatten()
    return sha256(flat.view(torch.uint8).numpy().tobytes()).digest()


def _is_empty(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


class _Same:
    """Equals what was made for the same object, as long as that lives."""

    def __init__(self, value: Any) -> None:
        self.name = getattr(value, "__qualname__", type(value).__qualname__)
        self.value: weakref.ref[Any] | None = None
        with contextlib.suppress(TypeError):  # an object of which nothing can be known
            self.value = weakref.ref(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or self.value is None or other.value is None:
            return False
        own = self.value()
        return own is not None and own is other.value()

    def __repr__(self) -> str:
        return self.name

    __hash__ = None  # type: ignore[assignment]
