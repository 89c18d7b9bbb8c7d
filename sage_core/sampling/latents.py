"""Batches of latent rows, cluster-major, as plain tensors or as ComfyUI's nested latents (video with audio)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.nested_tensor
import comfy.utils
import torch

from .content import digest


def count(batch: Any) -> int:
    """Number of rows."""
    return int(shape(batch)[0])


def shape(batch: Any) -> torch.Size:
    """Shape of a batch, of its first part if it is nested."""
    return first_part(batch).shape


def first_part(batch: Any) -> torch.Tensor:
    """The batch itself, or its first part if it is nested."""
    return parts(batch)[0]


def numel_per_row(batch: Any) -> int:
    """Numbers in one row, all parts together."""
    return sum(part[0].numel() for part in parts(batch))


def tile(batch: Any, times: int) -> Any:
    """The whole batch, `times` times over."""
    return _map(lambda part: repeat_rows(part, times), batch)


def fit_mask(mask: Any, batch: Any) -> Any:
    """A denoise mask per row of a batch, as ComfyUI reads it: a stack is rows in images, frames in videos.

    With one channel: ComfyUI would take more channels for more masks when it reads the result again.
    """
    pairs = zip(parts(mask), parts(batch), strict=False)  # sound may have no mask
    return like(
        mask, [comfy.utils.reshape_mask(part, (latent.shape[0], 1, *latent.shape[2:])) for part, latent in pairs]
    )


def tile_mask(mask: Any, batch: Any, times: int) -> Any:
    """A denoise mask of a batch as one of the batch tiled, in its own resolution; what holds for every row stays."""

    def tiled(part: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        holds_for_all = part.ndim < latent.ndim and not (part.ndim == 3 and latent.ndim == 4)
        return part if holds_for_all else repeat_rows(comfy.utils.repeat_to_batch_size(part, len(latent)), times)

    pairs = zip(parts(mask), parts(batch), strict=False)
    return like(mask, [tiled(part, latent) for part, latent in pairs])


def select_clusters(batch: Any, clusters: Sequence[int], number: int) -> Any:
    """The rows of some clusters, in that order, of a cluster-major batch of `number` clusters."""
    if list(clusters) == list(range(number)):
        return batch
    return _map(lambda part: part.reshape(number, -1, *part.shape[1:])[list(clusters)].flatten(0, 1), batch)


def digests(batch: Any, pieces: int) -> list[bytes]:
    """For each of so many equal pieces a digest of its values, which is the same for equal pieces only."""
    return [b"".join(map(digest, parts(piece))) for piece in chunk(batch, pieces)]


def chunk(batch: Any, count: int) -> list[Any]:
    """`count` equal pieces."""
    pieces = [part.chunk(count) for part in parts(batch)]
    return [like(batch, [piece[at] for piece in pieces]) for at in range(count)]


def concat(batches: list[Any]) -> Any:
    """Batches one after the other."""
    if len(batches) == 1:
        return batches[0]
    by_part = zip(*(parts(batch) for batch in batches), strict=True)
    return like(batches[0], [torch.cat(pieces) for pieces in by_part])


def parts(batch: Any) -> list[torch.Tensor]:
    """The batch itself in a list, or its parts if it is nested."""
    return list(batch.unbind()) if batch.is_nested else [batch]


def like(batch: Any, its_parts: list[torch.Tensor]) -> Any:
    """Parts as a batch of the kind of another one: nested, or the only part."""
    return comfy.nested_tensor.NestedTensor(its_parts) if batch.is_nested else its_parts[0]


def _map(function: Callable[[torch.Tensor], torch.Tensor], batch: Any) -> Any:
    return like(batch, [function(part) for part in parts(batch)])


def repeat_rows(rows: torch.Tensor, times: int) -> torch.Tensor:
    """Repeat a batch whole, `times` times: (V, ...) to (times * V, ...), cluster-major."""
    return rows.repeat((times,) + (1,) * (rows.ndim - 1))
