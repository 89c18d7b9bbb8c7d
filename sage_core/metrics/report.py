"""The report and the plot of SAGE Metrics."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..images.palette import group_colour
from ..images.text import TextRenderer
from .evaluate import Evaluation

# Fewer images than this make distances between sets mostly chance.
_FEW = 50


def evaluation_report(evaluation: Evaluation) -> str:
    """Every figure with its network, its number of images and its definition."""
    groups, by = evaluation.groups, f"{evaluation.encoder}, N = {evaluation.n}"
    pairs = sum(math.comb(len(members), 2) for members in groups.partition) * evaluation.variations
    lines = [
        f"Image-text score: {evaluation.score:.2f} (100 max(cos, 0), mean over images; {by})",
        "",
        f"Diversity within groups: {_number(evaluation.diversity)} (mean 1 - cos of image features over {pairs} pairs of "
        f"members of a group, same noise; {by})",
        "",
        f"Diversity between groups: {_number(evaluation.between)} (the same over pairs of different groups; {by})",
        "",
    ]
    if told := evaluation.distance:
        lines += [
            f"Distance to the reference: Fréchet {told.frechet:.3f}, kernel {told.kernel:.5f} (features of length "
            f"{told.features} of {told.encoder}, N = {told.n} and {told.n_reference}; Fréchet as in FID, kernel as in "
            "KID)",
            "",
        ]
        if min(told.n, told.n_reference) < _FEW:
            lines += [f"Note: distances between fewer than {_FEW} images are mostly chance.", ""]
    for number, members in enumerate(groups.partition):
        score = evaluation.scores[list(members)].mean()
        inside = "" if len(members) == 1 else f", diversity {evaluation.within[number]:.3f}"
        size = f"{len(members)} prompt" + ("s" if len(members) > 1 else "")
        lines.append(f"- Group {number + 1} ({size}): score {score:.2f}{inside}")
    return "\n".join([*lines, *(f"\nNote: {note}" for note in evaluation.notes)])


def evaluation_plot(evaluation: Evaluation) -> torch.Tensor:
    """Bars a group: image-text score on the left, diversity on the right.

    Returns:
        (1, height, width, 3), as the host's IMAGE.
    """
    text = TextRenderer(16)
    groups, bar, label, side, margin = evaluation.groups, 22, 110, 330, 16
    shown = list(enumerate(groups.partition))[:60]
    cut = [f"and {len(groups.partition) - len(shown)} more groups"] if len(shown) < len(groups.partition) else []
    notes = text.wrap(f"{evaluation.encoder}, N = {evaluation.n}; line: mean", label + 2 * side + margin) + cut
    height = margin * 3 + text.line * (1 + len(notes)) + len(shown) * bar
    picture = Image.new("RGB", (margin * 3 + label + 2 * side, height), "white")
    pen = ImageDraw.Draw(picture)
    left, right = margin + label, 2 * margin + label + side
    scores = [float(evaluation.scores[list(members)].mean()) for _, members in shown]
    panels = (
        (left, "image-text score", scores, evaluation.score),
        (right, "diversity within the group", evaluation.within, evaluation.diversity),
    )
    top = margin + text.line
    for x, title, values, mean in panels:
        most = max([value for value in (*values, mean) if not math.isnan(value)], default=0) or 1
        text.draw(pen, (x, margin - 4), title, "black")
        for (number, members), value in zip(shown, values, strict=False):
            y = top + number * bar
            if not math.isnan(value):
                end = x + max(1, round(value / most * (side - 60)))
                pen.rectangle([x, y + 3, end, y + bar - 4], fill=group_colour(number, len(members)))
                text.draw(pen, (end + 5, y), _number(value), "black")
        if not math.isnan(mean):
            at = x + round(mean / most * (side - 60))
            pen.line([at, top, at, top + len(shown) * bar], fill="black")
    for number, _ in shown:
        text.draw(pen, (margin, top + number * bar), f"Group {number + 1}", "black")
    for line, words in enumerate(notes):
        text.draw(pen, (margin, top + len(shown) * bar + margin + line * text.line), words, "black")
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)[None]


def _number(value: float) -> str:
    return "none (every prompt is alone)" if math.isnan(value) else f"{value:.3f}" if value < 10 else f"{value:.1f}"
