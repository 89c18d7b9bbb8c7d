"""The similarity of every pair of prompts as a picture, ordered by group."""

from __future__ import annotations

import unicodedata
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from .groups import PromptGroups

_SIDE = 960
_MARGIN = 24
_TEXT = 15
_LABEL_WIDTH = 360
_LEGEND = 70
_INK, _PAPER = (32, 32, 32), (255, 255, 255)
_STOPS = np.array([[247, 251, 255], [158, 202, 225], [49, 130, 189], [8, 48, 107]], dtype=np.float32)
"""Light to dark blue: readable in print and for the colour-blind."""
_FRAME = (214, 96, 77)
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def similarity_image(groups: PromptGroups) -> torch.Tensor:
    """A heat map of cosine similarity, groups framed, prompts named while there is room for names.

    Returns:
        (1, height, width, 3), values 0 to 1, as the host's IMAGE.
    """
    order = [index for members in groups.partition for index in members]
    vectors = groups.embeddings[order]
    cell = _SIDE / len(order)
    named = cell >= _TEXT + 3
    left = _MARGIN + (_LABEL_WIDTH if named else 0)
    similarity = _at_most(vectors, _SIDE)
    low = float(min(similarity.min(), groups.threshold))
    heat = Image.fromarray(_colours(1 - (1 - similarity) / max(1 - low, 1e-6)))
    picture = Image.new("RGB", (left + _SIDE + _MARGIN, _MARGIN + _SIDE + _LEGEND), _PAPER)
    picture.paste(heat.resize((_SIDE, _SIDE), Image.Resampling.NEAREST), (left, _MARGIN))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_TEXT)
    start = 0
    for members in groups.partition:
        a, b = start * cell, (start + len(members)) * cell
        if b - a >= 4:
            draw.rectangle([left + a, _MARGIN + a, left + b - 1, _MARGIN + b - 1], outline=_FRAME, width=3)
        start += len(members)
    if named:
        for row, index in enumerate(order):
            middle = (left - 8, _MARGIN + (row + 0.5) * cell)
            label = _shortened(f"{index + 1}. {groups.prompts[index]}", draw, font, _LABEL_WIDTH - 8)
            draw.text(middle, label, fill=_INK, font=font, anchor="rm")
    _legend(draw, font, left, low, groups.threshold)
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)[None]


def _at_most(vectors: np.ndarray, side: int) -> np.ndarray:
    """The similarity matrix, thinned out where it has more rows than the picture has pixels."""
    kept = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), side)).round().astype(int)]
    return kept @ kept.T


def _colours(values: np.ndarray) -> np.ndarray:
    at = np.clip(values, 0, 1) * (len(_STOPS) - 1)
    low = np.minimum(at.astype(int), len(_STOPS) - 2)
    part = (at - low)[..., None]
    return (_STOPS[low] * (1 - part) + _STOPS[low + 1] * part).astype(np.uint8)


def _legend(draw: ImageDraw.ImageDraw, font: Font, left: int, low: float, threshold: float) -> None:
    top = _MARGIN + _SIDE + 16
    for x, colour in enumerate(_colours(np.linspace(0, 1, 300))):
        draw.line([left + x, top, left + x, top + 14], fill=tuple(int(part) for part in colour))
    draw.text((left, top + 18), f"{low:.2f}", fill=_INK, font=font)
    draw.text((left + 300, top + 18), "1.00", fill=_INK, font=font, anchor="ra")
    draw.text((left + 330, top - 1), f"cosine similarity, threshold {threshold:.3f}", fill=_INK, font=font)


def _shortened(text: str, draw: ImageDraw.ImageDraw, font: Font, width: int) -> str:
    """The start of a text that fits in `width` pixels."""
    text = _drawable(" ".join(text[:200].split()))  # no 200 letters fit
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}...", font) > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


def _drawable(text: str) -> str:
    """The built-in font has the letters of ASCII only: accents are dropped, the rest is shown as a box."""
    plain = (c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c)[0] not in "CM")
    return "".join(c if c.isascii() else "\u25a1" for c in plain)
