"""A contact sheet of latents, so that a preview made for one latent shows every row."""

from __future__ import annotations

import math

import torch

# Latent pixels of a sheet: what a preview decoder does for one 1024 x 1024 image, whatever the rows.
_MAX_AREA = 128 * 128


def layout(rows: int, height: int, width: int) -> tuple[int, int]:
    """Columns and lines of a sheet of so many rows, each of that size."""
    columns = min(rows, max(1, round(math.sqrt(rows * height / width))))
    return columns, math.ceil(rows / columns)


def shrinking(rows: int, height: int, width: int) -> int:
    """Of how many latent pixels in a line a sheet of so many rows shows one."""
    columns, lines = layout(rows, height, width)
    return math.ceil(math.sqrt(lines * height * columns * width / _MAX_AREA))


def contact_sheet(latents: torch.Tensor) -> torch.Tensor:
    """Tile a batch into one latent, row by row, nearly square in pixels, shrunk to a sane size.

    Args:
        latents: (rows, channels, ..., height, width). Latents without two image dimensions (audio) have no
            sheet; the first row stands for all.

    Returns:
        (1, channels, ..., height * lines, width * columns).
    """
    if latents.ndim < 4 or latents.shape[0] == 1:
        return latents[:1]
    height, width = latents.shape[-2:]
    columns, lines = layout(latents.shape[0], height, width)
    shrink = shrinking(latents.shape[0], height, width)
    if shrink > 1:
        latents = latents[..., ::shrink, ::shrink]
        height, width = latents.shape[-2], latents.shape[-1]
    sheet = latents.new_zeros((1, *latents.shape[1:-2], lines * height, columns * width))
    for index, latent in enumerate(latents):
        top, left = divmod(index, columns)
        sheet[0, ..., top * height : (top + 1) * height, left * width : (left + 1) * width] = latent
    return sheet
