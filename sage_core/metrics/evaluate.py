"""Evaluates the images of grouped prompts: text score, diversity, and distance to reference images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..grouping.prompt_groups import PromptGroups
from ..validation import check_batch, images_per_prompt
from .image_encoders import ImageEncoder, ImageFeatures, OnImages
from .scores import diversity_between, diversity_within, frechet_distance, kernel_distance, text_scores


@dataclass(frozen=True)
class Distance:
    """How far the images are from reference images.

    Attributes:
        encoder_name: of the network whose features are compared.
        n_images, n_reference: how many images there are of each.
        feature_length: D of the features.
        frechet, kernel: see `scores.frechet_distance` and `scores.kernel_distance`.
    """

    encoder_name: str
    n_images: int
    n_reference: int
    feature_length: int
    frechet: float
    kernel: float


@dataclass(frozen=True)
class Evaluation:
    """How well images fit their prompts, and how different they are.

    Attributes:
        encoder_name: of the network that encoded the images.
        n_images, variations: number of images, and of images per prompt.
        scores: (N, V) image-text scores, 0 to 100.
        within: diversity of each group, in the order of the partition; NaN for groups of one.
        between: diversity between groups; NaN for one group.
        distance: to the reference images; None without any.
        notes: what the user should know.
    """

    groups: PromptGroups
    encoder_name: str
    n_images: int
    variations: int
    scores: np.ndarray
    within: list[float]
    between: float
    distance: Distance | None = None
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Mean image-text score, 0 to 100."""
        return float(self.scores.mean())

    @property
    def diversity(self) -> float:
        """Mean diversity within groups, in which every pair of prompts counts the same; NaN without a pair."""
        pairs = [math.comb(len(members), 2) for members in self.groups.partition]
        known = [(value, count) for value, count in zip(self.within, pairs, strict=True) if count]
        return sum(value * count for value, count in known) / sum(count for _, count in known) if known else math.nan


def evaluate(
    groups: PromptGroups, images: torch.Tensor, image_encoder: ImageEncoder, reference: torch.Tensor | None = None,
    reference_encoder: ImageEncoder | None = None, on_images: OnImages = lambda done: None,
) -> Evaluation:  # fmt: skip
    """Encodes images, and scores their features.

    Args:
        images: (N * V, height, width, channels) from 0 to 1, prompt-major.
        image_encoder: what scores and diversity are measured with.
        reference: images to measure the distance to, any number from two.
        reference_encoder: another network for the distance.
        on_images: called with the number of images that are encoded; those that two networks encode count twice.

    Raises:
        ValueError: the images do not fit the prompts, are empty, not finite, or too few for a distance; or the network
            reads no texts or is damaged.
    """
    n = len(groups.prompts)
    variations = images_per_prompt(images, n)
    for name, batch in (("images", images), ("reference", reference)):
        if batch is not None:
            check_batch(batch, name)
    if reference is not None and min(len(images), len(reference)) < 2:
        raise ValueError(
            f"reference: expected two images or more on both sides, got {len(images)} and {len(reference)}."
        )
    texts = [prompt for prompt in groups.prompts for _ in range(variations)]
    encoded = _encode(image_encoder, images, texts, on_images)
    if encoded.images is None or encoded.texts is None:
        raise ValueError(f"scorer: expected a network that reads texts too, got {image_encoder.name}.")
    distance = None
    if reference is not None and reference_encoder is None:
        distance = _distance(image_encoder, encoded.features, reference, len(images), on_images)
    elif reference is not None and reference_encoder is not None:
        start = len(images)
        features = _encode(reference_encoder, images, None, lambda done: on_images(start + done)).features
        distance = _distance(reference_encoder, features, reference, 2 * start, on_images)
    features = encoded.features.reshape(n, variations, -1)
    scores = text_scores(encoded.images, encoded.texts).reshape(n, variations)
    return Evaluation(
        groups, image_encoder.name, len(images), variations, scores, diversity_within(features, groups.partition),
        diversity_between(features, groups.partition), distance, encoded.notes,
    )  # fmt: skip


def _encode(
    image_encoder: ImageEncoder, images: torch.Tensor, texts: Sequence[str] | None, on_images: OnImages
) -> ImageFeatures:
    """What a network says of images; raises ValueError where that is no number."""
    encoded = image_encoder.encode(images, texts, on_images)
    for found in (encoded.features, encoded.images, encoded.texts):
        if found is not None and not np.isfinite(found).all():
            raise ValueError(
                f"{image_encoder.name}: expected numbers, got NaN or infinite ones: its weights are damaged."
            )
    return encoded


def _distance(
    image_encoder: ImageEncoder, features: np.ndarray, reference: torch.Tensor, already: int, on_images: OnImages
) -> Distance:
    """The distance of features to those of reference images.

    Args:
        features: (N, D), by the same network.
        already: images that are encoded so far.
    """
    others = _encode(image_encoder, reference, None, lambda done: on_images(already + done)).features
    return Distance(
        image_encoder.name, len(features), len(others), features.shape[1], frechet_distance(features, others),
        kernel_distance(features, others),
    )  # fmt: skip
