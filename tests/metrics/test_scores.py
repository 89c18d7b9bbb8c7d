"""Scores of image sets, against brute force and known values."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from comfyui_sage.sage_core.metrics.scores import (
    diversity_between,
    diversity_within,
    frechet_distance,
    kernel_distance,
    text_scores,
)
from scipy import linalg

RNG = np.random.default_rng(0)
CLUSTERS = ((0, 3, 4), (1, 2), (5,))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return 1 - float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_text_scores_are_clip_scores() -> None:
    images = np.array([[2.0, 0], [0, 3], [1, 1]])
    texts = np.array([[5.0, 0], [0, -1], [1, 0]])
    assert text_scores(images, texts) == pytest.approx([100, 0, 100 / math.sqrt(2)])


def test_diversity_is_the_mean_over_pairs() -> None:
    features = RNG.normal(size=(6, 2, 7)) + 1
    within = diversity_within(features, CLUSTERS)
    for value, members in zip(within[:2], CLUSTERS[:2], strict=True):
        pairs = [distance(features[a, v], features[b, v]) for a, b in combinations(members, 2) for v in range(2)]
        assert value == pytest.approx(np.mean(pairs))
    assert math.isnan(within[2])
    group_of = {member: number for number, members in enumerate(CLUSTERS) for member in members}
    between = [
        distance(features[a, v], features[b, v])
        for a, b in combinations(range(6), 2) if group_of[a] != group_of[b] for v in range(2)
    ]  # fmt: skip
    assert diversity_between(features, CLUSTERS) == pytest.approx(np.mean(between))


def test_equal_images_have_no_diversity() -> None:
    features = np.ones((4, 1, 5))
    assert diversity_within(features, ((0, 1, 2, 3),)) == pytest.approx([0])
    assert math.isnan(diversity_between(features, ((0, 1, 2, 3),)))


@pytest.mark.parametrize("n", [3, 400])
def test_frechet_distance_is_the_textbook_formula(n: int) -> None:
    a, b = RNG.normal(size=(n, 6)), RNG.normal(size=(n + 5, 6)) * 2 + 1
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(cov_a @ cov_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_of_known_gaussians() -> None:
    a, b = RNG.normal(size=(200_000, 2)), RNG.normal(size=(200_000, 2)) * 3 + 1
    assert frechet_distance(a, b) == pytest.approx(2 + 2 * (3 - 1) ** 2, rel=0.02)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_unbiased_and_matches_a_loop() -> None:
    a, b = RNG.normal(size=(5, 3)), RNG.normal(size=(4, 3)) + 0.5

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    inside = [np.mean([k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j]) for s in (a, b)]
    expected = sum(inside) - 2 * np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(expected)
    halves = [kernel_distance(*np.split(RNG.normal(size=(40, 3)), 2)) for _ in range(400)]
    assert abs(np.mean(halves)) < 4 * np.std(halves) / 20
