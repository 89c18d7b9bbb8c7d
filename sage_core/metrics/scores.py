"""Scores of sets of images, as pure functions of their features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy import linalg

from ..grouping.partition import Cluster


def text_scores(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """100 max(cos, 0) of every image and its text (CLIP score; Hessel et al. 2021, with weight 100).

    Args:
        images, texts: (N, D), any length.

    Returns:
        (N,), 0 to 100.
    """
    return 100 * np.maximum((_unit(images) * _unit(texts)).sum(1), 0)


def diversity_within(features: np.ndarray, clusters: Sequence[Cluster]) -> list[float]:
    """Mean of 1 - cos over all pairs of members, for each cluster of two or more; NaN for one.

    Args:
        features: (N, V, D); only images of the same variation are compared, because they start from one noise.
    """
    return [_mean_distance(features, list(combinations(members, 2))) for members in clusters]


def diversity_between(features: np.ndarray, clusters: Sequence[Cluster]) -> float:
    """Mean of 1 - cos over all pairs of members of different clusters; NaN for a single cluster.

    Args:
        features: (N, V, D), as in `diversity_within`.
    """
    vectors = _unit(features)
    sums = np.stack([vectors[list(members)].sum(0) for members in clusters])
    counts = np.array([len(members) for members in clusters])
    pairs = (counts.sum() ** 2 - (counts**2).sum()) / 2
    if not pairs:
        return float("nan")
    total = sums.sum(0)
    similar = ((total**2).sum(-1) - (sums**2).sum(-1).sum(0)) / 2
    return float(1 - similar.mean() / pairs)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Heusel et al. 2017, eq. 6).

    Biased upwards for few images, by more the longer the features are: compare only equal numbers of images.

    Args:
        a, b: (N, D), at least two rows each.
    """
    mean_a, mean_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
    root_a, root_b = _factor(a), _factor(b)
    # tr (C_a C_b)^(1/2) is the sum of the singular values of the product of the factors.
    overlap = linalg.svdvals(root_a @ root_b.T).sum()
    spread = (root_a**2).sum() + (root_b**2).sum() - 2 * overlap
    return float(((mean_a - mean_b) ** 2).sum() + max(spread, 0.0))


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 (KID; Binkowski et al. 2018).

    Args:
        a, b: (N, D), at least two rows each.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def inside(x: np.ndarray) -> float:
        values = kernel(x, x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return inside(a) + inside(b) - 2 * float(kernel(a, b).mean())


def _mean_distance(features: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    if not pairs:
        return float("nan")
    vectors = _unit(features)
    first, second = np.array(pairs).T
    return float(1 - (vectors[first] * vectors[second]).sum(-1).mean())


def _factor(rows: np.ndarray) -> np.ndarray:
    """R with R^T R the covariance of the rows."""
    centred = (rows - rows.mean(0, dtype=np.float64)) / np.sqrt(len(rows) - 1)
    return linalg.qr(centred, mode="r")[0][: rows.shape[1]] if len(rows) > rows.shape[1] else centred


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
