"""Keeps many tensors: in memory as long as there is room, then in a temporary file."""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from typing import IO

import torch

log = logging.getLogger(__name__)

# Where it is there: the usual folder for temporary files may be in memory itself. TemporaryFile keeps the file private.
_ON_DISK = "/var/tmp"  # nosec B108


class TensorShelf:
    """Puts tensors into one temporary file, as soon as they are too many for the memory.

    The file is gone when nothing refers to a tensor in it.
    """

    def __init__(self, in_memory: int, what: str) -> None:
        """An empty shelf.

        Args:
            in_memory: how many bytes of tensors stay in memory.
            what: the tensors, for a message.
        """
        self.what = what
        self._room = in_memory
        self._file: IO[bytes] | None = None

    @property
    def is_full(self) -> bool:
        """Whether more tensors go to the disk."""
        return self._room < 0

    def keep(self, tensor: torch.Tensor) -> torch.Tensor | OnDisk:
        """The tensor itself; or, if there is no more room in memory, what reads it from the disk."""
        self._room -= tensor.nbytes
        if not self.is_full:
            return tensor
        try:
            return self._write(tensor)
        except OSError as error:  # the disk is full: as well as without a shelf
            log.warning("SAGE: %s stay in memory, the disk takes no more (%s)", self.what, error)
            self._room = 2**63
            return tensor

    def _write(self, tensor: torch.Tensor) -> OnDisk:
        if self._file is None:
            has_folder = os.path.isdir(_ON_DISK) and os.access(_ON_DISK, os.W_OK)
            self._file = tempfile.TemporaryFile(prefix="sage-", dir=_ON_DISK if has_folder else None)  # noqa: SIM115
        at = self._file.seek(0, os.SEEK_END)
        self._file.write(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        self._file.flush()
        return OnDisk(self._file, at, tensor.nbytes, tensor.shape, tensor.dtype, tensor.device)


@dataclass(frozen=True)
class OnDisk:
    """A tensor in a file."""

    file: IO[bytes]
    at: int
    nbytes: int
    shape: torch.Size
    dtype: torch.dtype
    device: torch.device

    def read(self) -> torch.Tensor:
        """The tensor, kept by nobody else."""
        self.file.seek(self.at)
        data = bytearray(self.file.read(self.nbytes))
        return torch.frombuffer(data, dtype=self.dtype).reshape(self.shape).to(self.device)
