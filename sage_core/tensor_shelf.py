"""Keeps many tensors: in memory as long as there is room, then in a temporary file."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import IO

import torch

log = logging.getLogger(__name__)

# Where it is there: the usual folder for temporary files may be in memory itself. TemporaryFile keeps the file private.
_ON_DISK = "/var/tmp"  # nosec B108
# Bytes of the disk that stay free: for pictures.
_LEAST_FREE = 5_000_000_000


class TensorShelf:
    """Puts tensors into one temporary file, as soon as they are too many for the memory.

    The file is gone with the shelf and the last tensor in it.
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
        folder = _folder()
        if shutil.disk_usage(folder).free < _LEAST_FREE + tensor.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._file is None:
            # No buffer: what a full disk refuses would stay in it, and fail again at every read.
            self._file = tempfile.TemporaryFile(buffering=0, prefix="sage-", dir=folder)  # noqa: SIM115
        at = self._file.seek(0, os.SEEK_END)
        rest = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
        while rest:
            rest = rest[self._file.write(rest) :]
        return OnDisk(self._file, at, tensor.nbytes, tensor.shape, tensor.dtype, tensor.device)


def _folder() -> str:
    """The folder for the file: the one that the user has chosen for temporary files, or one on the disk."""
    is_chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    has_usual = os.path.isdir(_ON_DISK) and os.access(_ON_DISK, os.W_OK)
    return _ON_DISK if has_usual and not is_chosen else tempfile.gettempdir()


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
