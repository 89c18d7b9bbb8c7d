"""Keeps the large tensors of many conditionings on the disk, and reads them where they are used."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, overload

import torch

from .combine import Conditioning

log = logging.getLogger(__name__)

# Bytes of large tensors that stay in memory: the lists of most users, whole.
_IN_MEMORY = 2**28
# Bytes of a tensor that is not worth the disk.
_SMALL = 2**16
# Where it is there: the usual folder for temporary files may be in memory itself. TemporaryFile keeps the file private.
_ON_DISK = "/var/tmp"  # nosec B108


class Shelf:
    """Puts the large tensors of conditionings into one temporary file, as soon as they are too many for the memory.

    The file is gone when nothing refers to a tensor in it.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        """An empty shelf; `in_memory` is how many bytes of tensors stay in memory."""
        self._room = in_memory
        self._file: IO[bytes] | None = None

    def put(self, conditioning: Conditioning) -> Conditioning:
        """The conditioning, or one to be read by `shelved`: with `_OnDisk` in place of its large tensors."""
        return [
            [self._put(text), {key: self._put(value) for key, value in extras.items()}] for text, extras in conditioning
        ]

    def _put(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if value.nbytes < _SMALL:
            # In memory of its own: what was made beside a large tensor would keep that one's memory from being used
            # again, as a part of it or as the small block after it.
            return value.clone() if self._room < 0 else value
        self._room -= value.nbytes
        if self._room >= 0:
            return value
        try:
            return self._write(value)
        except OSError as error:  # the disk is full: as well as without a shelf
            log.warning("SAGE: the conditionings of the prompts stay in memory, the disk takes no more (%s)", error)
            self._room = 2**63
            return value

    def _write(self, value: torch.Tensor) -> _OnDisk:
        if self._file is None:
            has_folder = os.path.isdir(_ON_DISK) and os.access(_ON_DISK, os.W_OK)
            self._file = tempfile.TemporaryFile(prefix="sage-", dir=_ON_DISK if has_folder else None)  # noqa: SIM115
        at = self._file.seek(0, os.SEEK_END)
        self._file.write(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        self._file.flush()
        return _OnDisk(self._file, at, value.nbytes, value.shape, value.dtype, value.device)


@dataclass(frozen=True)
class _OnDisk:
    """A tensor in a file."""

    file: IO[bytes]
    at: int
    nbytes: int
    shape: torch.Size
    dtype: torch.dtype
    device: torch.device

    def read(self) -> torch.Tensor:
        self.file.seek(self.at)
        data = bytearray(self.file.read(self.nbytes))
        return torch.frombuffer(data, dtype=self.dtype).reshape(self.shape).to(self.device)


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
    return ShelvedConditionings(found) if any(isinstance(value, _OnDisk) for value in values) else found


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
    return value.read() if isinstance(value, _OnDisk) else value
