"""The report and the plot of SAGE Metrics."""

from __future__ import annotations

import math

import torch
from PIL import Image, ImageDraw

from ..grouping.partition import Partition
from ..images.convert import picture_to_tensor
from ..images.palette import group_colour
from ..images.text import TextRenderer
from ..phrases import counted
from .evaluate import Distance, Evaluation

# Distances between sets of fewer images than this are mostly random.
_FEW = 50
# Groups that the plot shows, and its sizes in pixels: height of a bar, widths of names and of a panel, margin.
_MOST_GROUPS = 60
_BAR, _NAME, _PANEL, _MARGIN = 22, 110, 330, 16


def evaluation_report(evaluation: Evaluation) -> str:
    """Every figure with its network, its number of images and its definition."""
    groups, by = evaluation.groups, f"{evaluation.encoder_name}, N = {evaluation.n_images}"
    pairs = sum(math.comb(len(members), 2) for members in groups.partition) * evaluation.variations
    within = _or_reason(evaluation.diversity, "no group has two prompts")
    between = _or_reason(evaluation.between, "there is only one group")
    lines = [
        f"Image-text score: {evaluation.score:.2f} (100 max(cos, 0), mean over images; {by})",
        "",
        f"Diversity within groups: {within} (mean 1 - cos of image features over "
        f"{counted(pairs, 'pair')} of members of a group, same noise; {by})",
        "",
        f"Diversity between groups: {between} (the same over pairs of different groups; {by})",
        "",
        *_distance_lines(evaluation.distance),
    ]
    for number, members in enumerate(groups.partition):
        score = evaluation.scores[list(members)].mean()
        inside = "" if len(members) == 1 else f", diversity {evaluation.within[number]:.3f}"
        lines.append(f"- Group {number + 1} ({counted(len(members), 'prompt')}): score {score:.2f}{inside}")
    return "\n".join([*lines, *(f"\nNote: {note}" for note in evaluation.notes)])


def evaluation_plot(evaluation: Evaluation) -> torch.Tensor:
    """A bar per group: image-text score on the left, diversity on the right, each with a line at the mean.

    Returns:
        (1, height, width, 3), values 0 to 1, ComfyUI's IMAGE.
    """
    text = TextRenderer(16)
    partition = evaluation.groups.partition
    shown = partition[:_MOST_GROUPS]
    notes = text.wrap(f"{evaluation.encoder_name}, N = {evaluation.n_images}; line: mean", _NAME + 2 * _PANEL + _MARGIN)
    if len(shown) < len(partition):
        notes.append(f"and {len(partition) - len(shown)} more groups")
    height = _MARGIN * 3 + text.line * (1 + len(notes)) + len(shown) * _BAR
    picture = Image.new("RGB", (_MARGIN * 3 + _NAME + 2 * _PANEL, height), "white")
    pen = ImageDraw.Draw(picture)
    left, right = _MARGIN + _NAME, 2 * _MARGIN + _NAME + _PANEL
    scores = [float(evaluation.scores[list(members)].mean()) for members in shown]
    _draw_panel(pen, text, left, "image-text score", shown, scores, evaluation.score)
    _draw_panel(pen, text, right, "diversity within the group", shown, evaluation.within, evaluation.diversity)
    top = _MARGIN + text.line
    for number in range(len(shown)):
        text.draw(pen, (_MARGIN, top + number * _BAR), f"Group {number + 1}", "black")
    for line, words in enumerate(notes):
        text.draw(pen, (_MARGIN, top + len(shown) * _BAR + _MARGIN + line * text.line), words, "black")
    return picture_to_tensor(picture)


def _draw_panel(
    pen: ImageDraw.ImageDraw, text: TextRenderer, x: int, title: str, groups: Partition, values: list[float],
    mean: float,
) -> None:  # fmt: skip
    """Bars of the values of some groups, and a line at the mean; NaN has none.

    Args:
        x: left end of the bars.
        values: one per group, from the first; there may be more.
    """
    top = _MARGIN + text.line
    longest = _PANEL - 60  # room for the number behind the bar
    most = max([value for value in (*values, mean) if not math.isnan(value)], default=0) or 1
    text.draw(pen, (x, _MARGIN - 4), title, "black")
    ends = {number: x + max(1, round(value / most * longest)) for number, value in enumerate(values[: len(groups)])
            if not math.isnan(value)}  # fmt: skip
    for number, end in ends.items():
        y = top + number * _BAR
        pen.rectangle([x, y + 3, end, y + _BAR - 4], fill=group_colour(number, len(groups[number])))
    if not math.isnan(mean):
        at = x + round(mean / most * longest)
        pen.line([at, top, at, top + len(groups) * _BAR], fill="black")
    for number, end in ends.items():  # over the line, which would cross them
        y, figure = top + number * _BAR, _number(values[number])
        pen.rectangle([end + 1, y + 3, end + 7 + text.width(figure), y + _BAR - 4], fill="white")
        text.draw(pen, (end + 5, y), figure, "black")


def _distance_lines(distance: Distance | None) -> list[str]:
    """The report's lines on the distance to the reference; none without one."""
    if distance is None:
        return []
    lines = [
        f"Distance to the reference: Fréchet {distance.frechet:.3f}, kernel {distance.kernel:.5f} (features of length "
        f"{distance.feature_length} of {distance.encoder_name}, N = {distance.n_images} and {distance.n_reference}; "
        "Fréchet as in FID, kernel as in KID)",
        "",
    ]
    if min(distance.n_images, distance.n_reference) < _FEW:
        lines += [f"Note: distances between fewer than {_FEW} images are mostly random.", ""]
    return lines


def _or_reason(value: float, reason: str) -> str:
    """A figure, or the reason why there is none."""
    return f"none ({reason})" if math.isnan(value) else _number(value)


def _number(value: float) -> str:
    """A figure with three digits or so."""
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
