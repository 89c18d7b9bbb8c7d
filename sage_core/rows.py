"""Batches of rows, cluster-major, as plain tensors or as the host's nested latents (video with audio)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.nested_tensor
import comfy.utils
import torch

from . import noise


def count(batch: Any) -> int:
    return int(shape(batch)[0])


def shape(batch: Any) -> torch.Size:
    """Shape of a batch, of its first part if it is nested."""
    return _parts(batch)[0].shape


def tile(batch: Any, times: int) -> Any:
    """The whole batch, `times` times over."""
    return _map(lambda part: noise.tile(part, times), batch)


def fit(batch: Any, size: int) -> Any:
    """Repeat or cut a batch to `size` rows, as the host does with masks."""
    return _map(lambda part: comfy.utils.repeat_to_batch_size(part, size), batch)


def chunk(batch: Any, count: int) -> list[Any]:
    """`count` equal pieces."""
    pieces = [part.chunk(count) for part in _parts(batch)]
    return [_like(batch, [piece[at] for piece in pieces]) for at in range(count)]


def concat(batches: list[Any]) -> Any:
    if len(batches) == 1:
        return batches[0]
    parts = [_parts(batch) for batch in batches]
    return _like(batches[0], [torch.cat([part[at] for part in parts]) for at in range(len(parts[0]))])


def _parts(batch: Any) -> list[torch.Tensor]:
    return list(batch.unbind()) if batch.is_nested else [batch]


def _like(batch: Any, parts: list[torch.Tensor]) -> Any:
    return comfy.nested_tensor.NestedTensor(parts) if batch.is_nested else parts[0]


def _map(function: Callable[[torch.Tensor], torch.Tensor], batch: Any) -> Any:
    return _like(batch, [function(part) for part in _parts(batch)])
