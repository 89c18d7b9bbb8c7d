"""Evaluates the images of grouped prompts: text score, diversity, and distance to reference images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..grouping.prompt_groups import PromptGroups
from ..validation import images_per_prompt
from .image_encoders import ImageEncoder
from .scores import diversity_between, diversity_within, frechet_distance, kernel_distance, text_scores


@dataclass(frozen=True)
class Distance:
    """Between the images and the reference images; `encoder` names the network whose features it is on."""

    encoder: str
    n: int
    n_reference: int
    features: int
    frechet: float
    kernel: float


@dataclass(frozen=True)
class Evaluation:
    """
    Attributes:
        eyes: name of the network that looked.
        n, variations: images, and images a prompt.
        scores: (N, V) image-text scores, 0 to 100.
        within: diversity of each group, in the order of the partition; NaN for groups of one.
        between: diversity between groups; NaN for one group.
    """

    groups: PromptGroups
    encoder: str
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


def evaluate(
    groups: PromptGroups, images: torch.Tensor, encoder: ImageEncoder, reference: torch.Tensor | None = None,
    reference_encoder: ImageEncoder | None = None, on_images: Callable[[int], None] = lambda done: None,
) -> Evaluation:  # fmt: skip
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
    variations = images_per_prompt(images, n)
    if reference is not None and min(len(images), len(reference)) < 2:
        raise ValueError(
            f"reference: expected two images or more on both sides, got {len(images)} and {len(reference)}."
        )
    texts = [prompt for prompt in groups.prompts for _ in range(variations)]
    features_ = encoder.encode(images, texts, on_images)
    if features_.images is None or features_.texts is None:
        raise ValueError(f"scorer: expected a network that reads texts too, got {encoder.name}.")
    features = features_.features.reshape(n, variations, -1)
    seen = len(images)
    distance = None
    if reference is not None:
        ours = features_.features
        if reference_encoder is not None:
            ours = reference_encoder.encode(images, None, lambda done: on_images(len(images) + done)).features
            seen += len(images)
        used = reference_encoder or encoder
        theirs = used.encode(reference, None, lambda done: on_images(seen + done)).features
        distance = Distance(
            used.name, len(ours), len(theirs), ours.shape[1], frechet_distance(ours, theirs),
            kernel_distance(ours, theirs),
        )  # fmt: skip
    return Evaluation(
        groups, encoder.name, len(images), variations, text_scores(features_.images, features_.texts).reshape(n, variations),
        diversity_within(features, groups.partition), diversity_between(features, groups.partition), distance,
        features_.notes,
    )  # fmt: skip
