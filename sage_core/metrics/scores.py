"""Scores of sets of images, as pure functions of their features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy import linalg

from ..grouping.partition import Cluster
from ..vectors import normalize


def text_scores(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """100 max(cos, 0) of every image and its text (CLIP score; Hessel et al. 2021, with weight 100).

    Args:
        images, texts: embeddings (N, D), of any length.

    Returns:
        (N,), 0 to 100.
    """
    return 100 * np.maximum((normalize(images) * normalize(texts)).sum(1), 0)


def diversity_within(features: np.ndarray, clusters: Sequence[Cluster]) -> list[float]:
    """Mean of 1 - cos over all pairs of members, for each cluster of two or more; NaN for a cluster of one.

    Args:
        features: (N, V, D); only images of the same variation are compared, because they start from one noise.

    Returns:
        One number per cluster, 0 to 2.
    """
    return [_mean_distance(features, list(combinations(members, 2))) for members in clusters]


def diversity_between(features: np.ndarray, clusters: Sequence[Cluster]) -> float:
    """Mean of 1 - cos over all pairs of members of different clusters; NaN for a single cluster.

    Args:
        features: (N, V, D), as in `diversity_within`.
    """
    vectors = normalize(features)
    sums = np.stack([vectors[list(members)].sum(0) for members in clusters])
    counts = np.array([len(members) for members in clusters])
    pairs = (counts.sum() ** 2 - (counts**2).sum()) / 2
    if not pairs:
        return float("nan")
    # Sum of the dot products over all pairs of different clusters, without a loop over pairs.
    total = sums.sum(0)
    similar = ((total**2).sum(-1) - (sums**2).sum(-1).sum(0)) / 2
    return float(1 - similar.mean() / pairs)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (FID; Heusel et al. 2017, eq. 6).

    With few images it is too large, by more the longer the features are: compare equal numbers of images only.

    Args:
        a, b: features (N, D), at least two rows each; N may differ.
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
        a, b: features (N, D), at least two rows each; N may differ.
    """
    from sklearn.metrics.pairwise import polynomial_kernel  # heavy

    a, b = a.astype(np.float64), b.astype(np.float64)  # its defaults are degree 3, gamma 1 / D and coef0 1

    def mean_of_pairs(x: np.ndarray) -> float:
        values = polynomial_kernel(x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return mean_of_pairs(a) + mean_of_pairs(b) - 2 * float(polynomial_kernel(a, b).mean())


def _mean_distance(features: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    """Mean of 1 - cos over pairs of prompts and all variations; NaN without a pair."""
    if not pairs:
        return float("nan")
    vectors = normalize(features)
    first, second = np.array(pairs).T
    return float(1 - (vectors[first] * vectors[second]).sum(-1).mean())


def _factor(rows: np.ndarray) -> np.ndarray:
    """R such that R^T R is the covariance of the rows; no larger than (D, D)."""
    centred = (rows - rows.mean(0, dtype=np.float64)) / np.sqrt(len(rows) - 1)
    return linalg.qr(centred, mode="r")[0][: rows.shape[1]] if len(rows) > rows.shape[1] else centred
