"""Finds a similarity threshold that fits the given prompts and encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .linkage import Dendrogram
from .repeats import first_indices

THRESHOLD_MODES = ("auto", "fixed")
# Prompts that are looked at, at most.
_SAMPLE = 512
# Thresholds that are compared, at most: those in the widest gaps.
_CANDIDATES = 64
# Standard deviations above the mean similarity of unrelated prompts, below which nothing is merged.
_UNRELATED_MARGIN = 2.0
# A floor this high means that the encoder does not know the unrelated prompts. The neutral floor that replaces it is
# high, so that only what is clearly similar is merged.
_BLIND, _NEUTRAL = 0.98, 0.8
# A silhouette below this is no structure (Kaufman and Rousseeuw 1990, table 4).
_NO_STRUCTURE = 0.25
# Silhouettes this close count as equal.
_NEARLY = 0.04


def auto_threshold(prompts: Sequence[str], embeddings: np.ndarray, unrelated: np.ndarray | None = None) -> float:
    """A threshold that fits these prompts and this encoder.

    Encoders differ in how similar they find unrelated texts. So unrelated prompts, embedded by the same encoder, set a
    floor: below it nothing is related. Above the floor, every gap between the similarities at which complete linkage
    merges is a candidate. Among the candidates whose groups are about as clear as the clearest ones (mean silhouette,
    Rousseeuw 1987), the widest gap is taken. Where even its groups show no structure, nothing is merged.

    Args:
        embeddings: (N, D), unit rows.
        unrelated: (M, D), unit rows of unrelated prompts; None where there are none.

    Source: ours.
    """
    mean, floor = (_NEUTRAL, _NEUTRAL) if unrelated is None else unrelated_similarity(unrelated)
    first = first_indices(prompts)
    vectors = _sample(embeddings[[first[text] for text in sorted(first)]])
    if len(vectors) < 2:
        return floor
    tree = Dendrogram(vectors)
    related = np.append(np.sort(tree.merges[tree.merges >= floor])[::-1], floor)
    if len(related) == 1:
        return floor
    gaps = related[:-1] - related[1:]
    widest = np.argsort(-gaps, kind="stable")[:_CANDIDATES]
    found = []
    for at in widest:
        threshold = (related[at] + related[at + 1]) / 2
        silhouettes, grouped = _silhouettes(tree.distances, tree.labels(threshold), 1 - mean)
        found.append((threshold, silhouettes.mean(), silhouettes[grouped].mean()))
    best = max(of_all for _, of_all, _ in found)
    threshold, of_grouped = next((value, grouped) for value, of_all, grouped in found if of_all >= best - _NEARLY)
    return float(threshold) if of_grouped >= _NO_STRUCTURE else float((1 + related[0]) / 2)


def unrelated_similarity(unrelated: np.ndarray) -> tuple[float, float]:
    """Mean similarity of unrelated prompts, and a floor that they hardly ever reach.

    An encoder that cannot tell them apart (a small vocabulary) says nothing about it; then both are neutral.
    """
    pairs = (unrelated @ unrelated.T)[np.triu_indices(len(unrelated), 1)]
    mean, floor = float(pairs.mean()), float(pairs.mean() + _UNRELATED_MARGIN * pairs.std())
    return (mean, floor) if floor < _BLIND else (_NEUTRAL, _NEUTRAL)


def _sample(vectors: np.ndarray) -> np.ndarray:
    """At most `_SAMPLE` rows: some from all over the list, each with its nearest rows, so that groups are seen."""
    if len(vectors) <= _SAMPLE:
        return vectors
    spread = np.linspace(0, len(vectors) - 1, _SAMPLE // 4).round().astype(int)
    nearest = np.argpartition(-(vectors[spread] @ vectors.T), 4, axis=1)[:, :4]
    return vectors[np.unique(nearest)]


def _silhouettes(distances: np.ndarray, labels: np.ndarray, far: float) -> tuple[np.ndarray, np.ndarray]:
    """How much nearer each row is to its own cluster than to the next one, -1 to 1; 0 for clusters of one.

    An unrelated row at distance `far` of all others takes part, so that a single cluster can be judged too.

    Args:
        distances: (N, N).
        labels: (N,), from 1; not every row a cluster of its own.
        far: distance of unrelated prompts.

    Returns:
        Silhouettes, and which rows are in a cluster of two or more.
    """
    from sklearn.metrics import silhouette_samples  # heavy

    with_unrelated = np.pad(distances, (0, 1), constant_values=far)
    with_unrelated[-1, -1] = 0
    silhouettes = silhouette_samples(with_unrelated, np.append(labels, 0), metric="precomputed")[:-1]
    return silhouettes, np.bincount(labels)[labels] > 1
