"""Finds a similarity threshold that fits the given prompts and encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from .linkage import condensed_distances

THRESHOLD_MODES = ("auto", "fixed")

# Prompts that are looked at, at most.
_SAMPLE = 512
# Thresholds that are compared, at most: those in the widest gaps.
_CANDIDATES = 64
# Standard deviations above the mean similarity of unrelated prompts, below which nothing is merged.
_UNRELATED_MARGIN = 2.0
# A floor this high means that the encoder does not know the unrelated prompts. What stands in for it is high, so that
# only what is clearly alike is merged.
_BLIND, _NEUTRAL = 0.98, 0.8
# A silhouette below this is no structure (Kaufman and Rousseeuw 1990, table 4).
_NO_STRUCTURE = 0.25
# Silhouettes this close are taken for equal.
_NEARLY = 0.04


def auto_threshold(prompts: Sequence[str], embeddings: np.ndarray, unrelated: np.ndarray | None = None) -> float:
    """A threshold that fits these prompts and this encoder.

    Encoders differ in how alike they find unrelated texts, so a small set of unrelated prompts, seen through the same
    encoder, sets the floor: below it nothing is related. Above it, every gap between the similarities at which
    complete linkage merges is a candidate. Of those whose groups are about as clear as the clearest (silhouette,
    Rousseeuw 1987), the widest gap is taken. Where even those groups are no structure, nothing is merged. Ours.

    Args:
        embeddings: (N, D), unit rows.
        unrelated: (M, D), unit rows of prompts that have nothing to do with each other; None if nobody knows any.
    """
    mean, floor = (_NEUTRAL, _NEUTRAL) if unrelated is None else _of_unrelated(unrelated)
    first = {text: index for index, text in reversed(list(enumerate(prompts)))}
    vectors = _sample(embeddings[[first[text] for text in sorted(first)]])
    if len(vectors) < 2:
        return floor
    tree = linkage(condensed_distances(vectors), "complete")
    merges = 1 - tree[:, 2]
    related = np.append(np.sort(merges[merges >= floor])[::-1], floor)
    if len(related) == 1:
        return floor
    gaps = related[:-1] - related[1:]
    widest = np.argsort(-gaps, kind="stable")[:_CANDIDATES]
    distance = 1 - vectors @ vectors.T
    found = []
    for at in widest:
        threshold = (related[at] + related[at + 1]) / 2
        silhouette, grouped = _silhouettes(distance, fcluster(tree, 1 - threshold, "distance"), 1 - mean)
        found.append((threshold, silhouette.mean(), silhouette[grouped].mean()))
    best = max(mean_of_all for _, mean_of_all, _ in found)
    threshold, _, of_grouped = next(each for each in found if each[1] >= best - _NEARLY)
    return float(threshold) if of_grouped >= _NO_STRUCTURE else float((1 + related[0]) / 2)


def unrelated_similarity(unrelated: np.ndarray) -> float:
    """The similarity that unrelated prompts hardly ever reach with this encoder.

    An encoder that cannot tell them apart (a small vocabulary) says nothing about it; then it is neutral.
    """
    return _of_unrelated(unrelated)[1]


def _of_unrelated(unrelated: np.ndarray) -> tuple[float, float]:
    """Mean similarity of unrelated prompts, and what they hardly ever reach."""
    pairs = (unrelated @ unrelated.T)[np.triu_indices(len(unrelated), 1)]
    mean, floor = float(pairs.mean()), float(pairs.mean() + _UNRELATED_MARGIN * pairs.std())
    return (mean, floor) if floor < _BLIND else (_NEUTRAL, _NEUTRAL)


def _sample(vectors: np.ndarray) -> np.ndarray:
    """At most `_SAMPLE` rows: some from all over the list, each with those next to it, so that groups are seen."""
    if len(vectors) <= _SAMPLE:
        return vectors
    spread = np.linspace(0, len(vectors) - 1, _SAMPLE // 4).round().astype(int)
    nearest = np.argpartition(-(vectors[spread] @ vectors.T), 4, axis=1)[:, :4]
    return vectors[np.unique(nearest)]


def _silhouettes(distance: np.ndarray, labels: np.ndarray, far: float) -> tuple[np.ndarray, np.ndarray]:
    """How much nearer each row is to its own cluster than to the next one, -1 to 1; 0 for rows alone.

    What no cluster is nearer than, something unrelated is: so one single cluster can be judged too.

    Args:
        distance: (N, N).
        labels: (N,), from 1.
        far: distance of what is unrelated.

    Returns:
        Silhouettes, and which rows are not alone.
    """
    inside = np.eye(labels.max())[labels - 1]
    sums, counts = distance @ inside, inside.sum(0)
    rows, own = np.arange(len(labels)), counts[labels - 1]
    near = sums[rows, labels - 1] / np.maximum(own - 1, 1)
    others = sums / counts
    others[rows, labels - 1] = np.inf
    away = np.minimum(others.min(1), far)
    silhouettes = (away - near) / np.maximum(np.maximum(away, near), 1e-9)
    return np.where(own > 1, silhouettes, 0), own > 1
