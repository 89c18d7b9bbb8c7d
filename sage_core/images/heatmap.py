"""The similarity of every pair of prompts as a picture, ordered by group."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..grouping.prompt_groups import PromptGroups
from .convert import picture_to_tensor
from .text import TextRenderer

# In pixels: side of the map, margins, height of letters, room for the prompts' names, height of the legend.
_SIDE = 960
_MARGIN = 24
_TEXT = 15
_LABEL_WIDTH = 360
_LEGEND = 70
_INK, _PAPER = (32, 32, 32), (255, 255, 255)
# Light to dark blue: readable in print and for the colour-blind.
_STOPS = np.array([[247, 251, 255], [158, 202, 225], [49, 130, 189], [8, 48, 107]], dtype=np.float32)
_FRAME = (214, 96, 77)


def similarity_image(groups: PromptGroups) -> torch.Tensor:
    """A heat map of cosine similarity: groups are framed, and prompts are named where there is room for names.

    Returns:
        (1, height, width, 3), values 0 to 1, ComfyUI's IMAGE.
    """
    order = [index for members in groups.partition for index in members]
    vectors = groups.embeddings[order]
    cell = _SIDE / len(order)
    named = cell >= _TEXT + 3
    left = _MARGIN + (_LABEL_WIDTH if named else 0)
    similarity = _similarity(vectors, _SIDE)
    low = float(min(similarity.min(), groups.threshold))
    heat = Image.fromarray(_colours(1 - (1 - similarity) / max(1 - low, 1e-6)))
    picture = Image.new("RGB", (left + _SIDE + _MARGIN, _MARGIN + _SIDE + _LEGEND), _PAPER)
    picture.paste(heat.resize((_SIDE, _SIDE), Image.Resampling.NEAREST), (left, _MARGIN))
    draw = ImageDraw.Draw(picture)
    text = TextRenderer(_TEXT)
    _draw_frames(draw, groups, left, cell)
    if named:
        _draw_names(draw, text, groups, order, left, cell)
    _draw_legend(draw, text, left, low, groups.threshold)
    return picture_to_tensor(picture)


def _draw_frames(draw: ImageDraw.ImageDraw, groups: PromptGroups, left: int, cell: float) -> None:
    """A frame around every group that is wide enough for one; `cell` is the width of a prompt in pixels."""
    start = 0
    for members in groups.partition:
        a, b = start * cell, (start + len(members)) * cell
        if b - a >= 4:
            draw.rectangle([left + a, _MARGIN + a, left + b - 1, _MARGIN + b - 1], outline=_FRAME, width=3)
        start += len(members)


def _draw_names(
    draw: ImageDraw.ImageDraw, text: TextRenderer, groups: PromptGroups, order: list[int], left: int, cell: float
) -> None:
    """Number and start of every prompt, at the left of its row."""
    for row, index in enumerate(order):
        prompt = " ".join(groups.prompts[index][:200].split())  # 200 letters are more than fit
        label = text.ellipsize(f"{index + 1}. {prompt}", _LABEL_WIDTH - 8)
        at = left - 8 - text.width(label), _MARGIN + (row + 0.5) * cell - text.line / 2
        text.draw(draw, at, label, _INK)


def _similarity(vectors: np.ndarray, side: int) -> np.ndarray:
    """The matrix of cosine similarities, with rows left out where it has more than `side`."""
    kept = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), side)).round().astype(int)]
    return kept @ kept.T


def _colours(values: np.ndarray) -> np.ndarray:
    """RGB of values from 0 (light) to 1 (dark): (...) to (..., 3), 8 bit."""
    at = np.clip(values, 0, 1) * (len(_STOPS) - 1)
    low = np.minimum(at.astype(int), len(_STOPS) - 2)
    part = (at - low)[..., None]
    return (_STOPS[low] * (1 - part) + _STOPS[low + 1] * part).astype(np.uint8)


def _draw_legend(draw: ImageDraw.ImageDraw, text: TextRenderer, left: int, low: float, threshold: float) -> None:
    """The scale of colours, from the lowest similarity shown to 1, and the threshold."""
    top = _MARGIN + _SIDE + 16
    for x, colour in enumerate(_colours(np.linspace(0, 1, 300))):
        draw.line([left + x, top, left + x, top + 14], fill=tuple(int(part) for part in colour))
    text.draw(draw, (left, top + 16), f"{low:.2f}", _INK)
    text.draw(draw, (left + 300 - text.width("1.00"), top + 16), "1.00", _INK)
    text.draw(draw, (left + 330, top - 2), f"cosine similarity, threshold {threshold:.3f}", _INK)
