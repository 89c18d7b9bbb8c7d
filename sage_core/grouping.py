"""Grouping by meaning: complete linkage on cosine similarity, with a threshold that the data gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import linkage, to_tree
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from .plan import Partition

THRESHOLD_MODES = ("auto", "fixed")
_BLOCK = 1024
_LARGEST_TREE = 4096
"""Prompts in one dendrogram: 64 MB of distances. Larger connected sets are cut by a stricter threshold first."""
_SAMPLE = 1024
"""Prompts that the automatic threshold looks at; more do not change where the gap is."""
_UNRELATED_MARGIN = 2.0
"""Standard deviations above the mean similarity of unrelated prompts, below which nothing is merged."""
_BLIND, _NEUTRAL = 0.98, 0.5
"""A floor this high means that the encoder does not know the unrelated prompts; what stands in for it."""


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, fp32; a zero row stays zero."""
    embeddings = np.asarray(embeddings, dtype=np.float32)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(length > 0, length, 1)


def group_prompts(
    prompts: Sequence[str], embeddings: np.ndarray, *, threshold: float, max_group_size: int = 0
) -> Partition:
    """Groups in which every pair is at least `threshold` similar.

    Complete linkage, so no chain of neighbours joins what is unlike. Equal texts are always together, and
    count as one towards the size. Deterministic, and independent of the order of the prompts.

    Args:
        prompts: N texts.
        embeddings: (N, D), unit rows (see `unit`).
        threshold: cosine similarity, -1 to 1.
        max_group_size: most different texts in a group; 0 for no limit.

    Returns:
        Groups of prompt indices, each in prompt order, the groups by their first prompt.

    Raises:
        ValueError: an argument is out of range.
    """
    if not -1.0 <= threshold <= 1.0:
        raise ValueError(f"threshold: expected a cosine similarity from -1 to 1, got {threshold}.")
    if max_group_size < 0:
        raise ValueError(f"max_group_size: expected 0 (no limit) or more, got {max_group_size}.")
    if len(prompts) != len(embeddings):
        raise ValueError(f"embeddings: expected {len(prompts)}, one a prompt, got {len(embeddings)}.")
    texts = sorted(set(prompts))
    first = {text: index for index, text in reversed(list(enumerate(prompts)))}
    vectors = embeddings[[first[text] for text in texts]]
    members: dict[str, list[int]] = {text: [] for text in texts}
    for index, text in enumerate(prompts):
        members[text].append(index)
    groups = [
        tuple(sorted(index for at in cluster for index in members[texts[at]]))
        for cluster in _complete_linkage(vectors, threshold, max_group_size)
    ]
    return tuple(sorted(groups))


def auto_threshold(prompts: Sequence[str], embeddings: np.ndarray, unrelated: np.ndarray) -> float:
    """A threshold that fits these prompts and this encoder.

    Encoders differ in how alike they find unrelated texts, so a small set of unrelated prompts, seen through
    the same encoder, sets the floor: below it nothing is related. Above it, the cut is in the widest gap
    between the similarities at which complete linkage merges (the floor counts as the last one). Ours.

    Args:
        embeddings: (N, D), unit rows.
        unrelated: (M, D), unit rows of prompts that have nothing to do with each other.
    """
    floor = unrelated_similarity(unrelated)
    first = {text: index for index, text in reversed(list(enumerate(prompts)))}
    texts = sorted(first)
    texts = texts[:: max(1, -(-len(texts) // _SAMPLE))]
    if len(texts) < 2:
        return floor
    merges = 1 - linkage(_condensed(embeddings[[first[text] for text in texts]]), "complete")[:, 2]
    related = np.append(np.sort(merges[merges >= floor])[::-1], floor)
    if len(related) == 1:
        return floor
    widest = int(np.argmax(related[:-1] - related[1:]))
    return float((related[widest] + related[widest + 1]) / 2)


def unrelated_similarity(unrelated: np.ndarray) -> float:
    """The similarity that unrelated prompts hardly ever reach with this encoder.

    An encoder that cannot tell them apart (a small vocabulary) says nothing about it; then it is neutral.
    """
    pairs = (unrelated @ unrelated.T)[np.triu_indices(len(unrelated), 1)]
    floor = float(pairs.mean() + _UNRELATED_MARGIN * pairs.std())
    return floor if floor < _BLIND else _NEUTRAL


def _complete_linkage(vectors: np.ndarray, threshold: float, max_size: int) -> list[list[int]]:
    """Clusters of row indices. Rows that no chain of similar pairs connects can never meet, so each connected
    set has a tree of its own: memory stays far from N x N."""
    clusters: list[list[int]] = []
    for component in _connected(vectors, np.arange(len(vectors)), threshold):
        if len(component) == 1:
            clusters.append([int(component[0])])
            continue
        root = to_tree(linkage(_condensed(vectors[component]), "complete"))
        stack = [root]
        while stack:
            node = stack.pop()
            similar = node.is_leaf() or 1 - node.dist >= threshold - 1e-6
            if similar and (not max_size or node.get_count() <= max_size):
                clusters.append([int(component[leaf]) for leaf in node.pre_order()])
            else:
                stack += [node.get_left(), node.get_right()]
    return clusters


def _connected(vectors: np.ndarray, indices: np.ndarray, threshold: float) -> list[np.ndarray]:
    """Connected sets of the graph of pairs at least `threshold` similar, none larger than a tree may be."""
    if len(indices) <= 2:
        return [indices]
    pairs: list[np.ndarray] = []
    for start in range(0, len(indices), _BLOCK):
        block = vectors[indices[start : start + _BLOCK]] @ vectors[indices].T
        left, right = np.nonzero(block >= threshold - 1e-6)
        keep = left + start < right
        pairs.append(np.stack([left[keep] + start, right[keep]]).astype(np.int32))
    left, right = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(len(indices),) * 2)
    count, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind="stable")
    found = np.split(indices[order], np.cumsum(np.bincount(labels, minlength=count))[:-1])
    parts: list[np.ndarray] = []
    for component in found:
        if len(component) <= _LARGEST_TREE:
            parts.append(component)
        elif threshold >= 1 - 1e-6:  # nothing stricter is left: these are all but equal
            parts += np.array_split(component, -(-len(component) // _LARGEST_TREE))
        else:
            parts += _connected(vectors, component, min(1.0, threshold + (1 - threshold) / 4 + 1e-6))
    return parts


def _condensed(vectors: np.ndarray) -> np.ndarray:
    distance = np.clip(1 - vectors @ vectors.T, 0, 2)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    return squareform(distance, checks=False)
