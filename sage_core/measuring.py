"""Measures the images of grouped prompts: how well they fit, how alike they are, how far from others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

from .checks import images_a_prompt
from .colours import group_colour
from .eyes import Eyes
from .groups import PromptGroups
from .lettering import Lettering
from .metrics import diversity_between, diversity_within, frechet_distance, kernel_distance, text_scores

_FEW = 50
"""Fewer images than this make distances between sets mostly chance."""


@dataclass(frozen=True)
class Distance:
    """Between the images and the reference images; `eyes` names the network whose features it is on."""

    eyes: str
    n: int
    n_reference: int
    features: int
    frechet: float
    kernel: float


@dataclass(frozen=True)
class Measures:
    """
    Attributes:
        eyes: name of the network that looked.
        n, variations: images, and images a prompt.
        scores: (N, V) image-text scores, 0 to 100.
        within: diversity of each group, in the order of the partition; NaN for groups of one.
        between: diversity between groups; NaN for one group.
    """

    groups: PromptGroups
    eyes: str
    n: int
    variations: int
    scores: np.ndarray
    within: list[float]
    between: float
    distance: Distance | None = None
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        return float(self.scores.mean())

    @property
    def diversity(self) -> float:
        """Mean over groups of two or more, a pair of prompts counting the same wherever it is; NaN without one."""
        pairs = [math.comb(len(members), 2) for members in self.groups.partition]
        told = [(each, count) for each, count in zip(self.within, pairs, strict=True) if count]
        return sum(each * count for each, count in told) / sum(count for _, count in told) if told else math.nan


def measure(
    groups: PromptGroups, images: torch.Tensor, eyes: Eyes, reference: torch.Tensor | None = None,
    reference_eyes: Eyes | None = None, on_images: Callable[[int], None] = lambda done: None,
) -> Measures:  # fmt: skip
    """
    Args:
        images: (N * V, height, width, channels) from 0 to 1, prompt-major.
        eyes: what scores and diversity are measured with.
        reference: images to measure the distance to, any number from two.
        reference_eyes: another network for the distance.
        on_images: gets the number of images looked at.

    Raises:
        ValueError: the images do not fit the prompts, or are too few for a distance.
    """
    n = len(groups.prompts)
    variations = images_a_prompt(images, n)
    if reference is not None and min(len(images), len(reference)) < 2:
        raise ValueError(
            f"reference: expected two images or more on both sides, got {len(images)} and {len(reference)}."
        )
    texts = [prompt for prompt in groups.prompts for _ in range(variations)]
    sight = eyes.look(images, texts, on_images)
    if sight.images is None or sight.texts is None:
        raise ValueError(f"scorer: expected a network that reads texts too, got {eyes.name}.")
    features = sight.features.reshape(n, variations, -1)
    seen = len(images)
    distance = None
    if reference is not None:
        ours = sight.features
        if reference_eyes is not None:
            ours = reference_eyes.look(images, None, lambda done: on_images(len(images) + done)).features
            seen += len(images)
        used = reference_eyes or eyes
        theirs = used.look(reference, None, lambda done: on_images(seen + done)).features
        distance = Distance(
            used.name, len(ours), len(theirs), ours.shape[1], frechet_distance(ours, theirs),
            kernel_distance(ours, theirs),
        )  # fmt: skip
    return Measures(
        groups, eyes.name, len(images), variations, text_scores(sight.images, sight.texts).reshape(n, variations),
        diversity_within(features, groups.partition), diversity_between(features, groups.partition), distance,
        sight.notes,
    )  # fmt: skip


def measures_report(measures: Measures) -> str:
    """Every figure with its network, its number of images and its definition."""
    groups, by = measures.groups, f"{measures.eyes}, N = {measures.n}"
    pairs = sum(math.comb(len(members), 2) for members in groups.partition) * measures.variations
    lines = [
        f"Image-text score: {measures.score:.2f} (100 max(cos, 0), mean over images; {by})",
        "",
        f"Diversity within groups: {_number(measures.diversity)} (mean 1 - cos of image features over {pairs} pairs of "
        f"members of a group, same noise; {by})",
        "",
        f"Diversity between groups: {_number(measures.between)} (the same over pairs of different groups; {by})",
        "",
    ]
    if told := measures.distance:
        lines += [
            f"Distance to the reference: Fréchet {told.frechet:.3f}, kernel {told.kernel:.5f} (features of length "
            f"{told.features} of {told.eyes}, N = {told.n} and {told.n_reference}; Fréchet as in FID, kernel as in "
            "KID)",
            "",
        ]
        if min(told.n, told.n_reference) < _FEW:
            lines += [f"Note: distances between fewer than {_FEW} images are mostly chance.", ""]
    for number, members in enumerate(groups.partition):
        score = measures.scores[list(members)].mean()
        inside = "" if len(members) == 1 else f", diversity {measures.within[number]:.3f}"
        size = f"{len(members)} prompt" + ("s" if len(members) > 1 else "")
        lines.append(f"- Group {number + 1} ({size}): score {score:.2f}{inside}")
    return "\n".join([*lines, *(f"\nNote: {note}" for note in measures.notes)])


def measures_plot(measures: Measures) -> torch.Tensor:
    """Bars a group: image-text score on the left, diversity on the right.

    Returns:
        (1, height, width, 3), as the host's IMAGE.
    """
    text = Lettering(16)
    groups, bar, label, side, margin = measures.groups, 22, 110, 330, 16
    shown = list(enumerate(groups.partition))[:60]
    cut = [f"and {len(groups.partition) - len(shown)} more groups"] if len(shown) < len(groups.partition) else []
    notes = text.wrap(f"{measures.eyes}, N = {measures.n}; line: mean", label + 2 * side + margin) + cut
    height = margin * 3 + text.line * (1 + len(notes)) + len(shown) * bar
    picture = Image.new("RGB", (margin * 3 + label + 2 * side, height), "white")
    pen = ImageDraw.Draw(picture)
    left, right = margin + label, 2 * margin + label + side
    scores = [float(measures.scores[list(members)].mean()) for _, members in shown]
    panels = (
        (left, "image-text score", scores, measures.score),
        (right, "diversity within the group", measures.within, measures.diversity),
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
