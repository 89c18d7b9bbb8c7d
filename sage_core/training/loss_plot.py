"""Plots the loss of a training: one line per term, and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..images.palette import BLUE, GREEN, VERMILION
from ..images.text import TextRenderer
from .objective import TERMS

# Of the whole loss and of each term.
_COLOURS = ((40, 40, 40), BLUE, VERMILION, GREEN)
# In pixels.
_SIZE, _MARGIN = (720, 360), 48


def loss_plot(losses: Sequence[Sequence[float]], rates: Sequence[float]) -> Image.Image:
    """A picture of the smoothed losses; an empty frame before the first step.

    Args:
        losses: one row per step: the mean of the batch, then that of each term (NaN where a step had none of it).
        rates: learning rate of every step.
    """
    text = TextRenderer(15)
    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = _MARGIN + 16, _MARGIN, _SIZE[0] - 16, _SIZE[1] - _MARGIN
    pen.rectangle([left, top, right, bottom], outline=(200, 200, 200))
    lines = [smoothed([row[index] for row in losses]) for index in range(len(TERMS) + 1)]
    known = [value for line in lines for value in line if not math.isnan(value)]
    if not known:
        return picture
    most = max(known)
    for line, colour in zip(lines, _COLOURS, strict=True):
        points = [
            (left + (right - left) * at / max(len(line) - 1, 1), bottom - (bottom - top) * value / most)
            for at, value in enumerate(line) if not math.isnan(value)
        ]  # fmt: skip
        if len(points) > 1:
            pen.line(points, fill=colour, width=2, joint="curve")
    x: float = left
    for name, line, colour in zip(("loss", *TERMS), lines, _COLOURS, strict=True):
        legend = f"{name} {line[-1]:.3g}" if not math.isnan(line[-1]) else f"{name} -"
        text.draw(pen, (x, 14), legend, colour)
        x += text.width(legend) + 24
    text.draw(pen, (8, top - 8), f"{most:.3g}", "black")
    text.draw(pen, (left - 14, bottom - 10), "0", "black")
    rate = f"learning rate {rates[-1]:.2g}"
    text.draw(pen, (left, bottom + 14), f"step {len(losses)}", "black")
    text.draw(pen, (right - text.width(rate), bottom + 14), rate, "black")
    return picture


def smoothed(values: Sequence[float], window: int = 0) -> list[float]:
    """At every step the mean of the last values, leaving out NaN; NaN where all of them are.

    Args:
        window: number of values; 0 for a twentieth of them all.
    """
    window = window or max(1, len(values) // 20)
    known = np.array([0.0 if math.isnan(value) else 1.0 for value in values])
    sums = np.cumsum([0.0 if math.isnan(value) else value for value in values])
    counts = np.cumsum(known)
    sums[window:], counts[window:] = sums[window:] - sums[:-window], counts[window:] - counts[:-window]
    return [float(total / count) if count else math.nan for total, count in zip(sums, counts, strict=True)]
