"""Keeps the large tensors of many conditionings on the disk, and reads them where they are used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import torch

from ..tensor_shelf import OnDisk, TensorShelf
from .combine import Conditioning

# Bytes of large tensors that stay in memory: the lists of most users, whole.
_IN_MEMORY = 2**28
# Bytes of a tensor that is not worth the disk.
_SMALL = 2**16


class Shelf:
    """Puts the large tensors of conditionings on the disk, as soon as they are too many for the memory."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        """An empty shelf; `in_memory` is how many bytes of tensors stay in memory."""
        self._tensors = TensorShelf(in_memory, "the conditionings of the prompts")

    def put(self, conditioning: Conditioning) -> Conditioning:
        """The conditioning, or one to be read by `shelved`: with `OnDisk` in place of its large tensors."""
        return [
            [self._put(text), {key: self._put(value) for key, value in extras.items()}] for text, extras in conditioning
        ]

    def _put(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if value.nbytes < _SMALL:
            # In memory of its own: what was made beside a large tensor would keep that one's memory from being used
            # again, as a part of it or as the small block after it.
            return value.clone() if self._tensors.is_full else value
        return self._tensors.keep(value)


class ShelvedConditionings(Sequence[Conditioning]):
    """Conditionings like a tuple of them; each is read when it is asked for, and kept by nobody.

    Attributes:
        items: as `Shelf.put` gives them.
    """

    def __init__(self, items: Iterable[Conditioning]) -> None:
        self.items = tuple(items)

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Conditioning: ...
    @overload
    def __getitem__(self, index: slice) -> ShelvedConditionings: ...
    def __getitem__(self, index: int | slice) -> Conditioning | ShelvedConditionings:
        if isinstance(index, slice):
            return ShelvedConditionings(self.items[index])
        return [
            [_read(text), {key: _read(value) for key, value in extras.items()}] for text, extras in self.items[index]
        ]


def shelved(items: Iterable[Conditioning]) -> Sequence[Conditioning]:
    """Conditionings that a shelf has taken; a plain tuple where all are in memory."""
    found = tuple(items)
    values = (value for item in found for text, extras in item for value in (text, *extras.values()))
    return ShelvedConditionings(found) if any(isinstance(value, OnDisk) for value in values) else found


def select(conditionings: Sequence[Conditioning], indices: Iterable[int]) -> Sequence[Conditioning]:
    """Some of the conditionings, in this order; those on the disk stay there."""
    items = unread(conditionings)
    return shelved(items[index] for index in indices)


def joined(first: Sequence[Conditioning], second: Sequence[Conditioning]) -> Sequence[Conditioning]:
    """Conditionings one after the other; those on the disk stay there."""
    return shelved((*unread(first), *unread(second)))


def unread(conditionings: Sequence[Conditioning]) -> Sequence[Conditioning]:
    """The conditionings for who wants no values of their tensors: those on the disk have only a shape there."""
    return conditionings.items if isinstance(conditionings, ShelvedConditionings) else conditionings


def all_extras(conditionings: Sequence[Conditioning]) -> Iterator[dict[str, Any]]:
    """The extras of all entries, as `unread`."""
    return (extras for conditioning in unread(conditionings) for _, extras in conditioning)


def _read(value: Any) -> Any:
    return value.read() if isinstance(value, OnDisk) else value
