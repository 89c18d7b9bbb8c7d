"""Grouping by meaning: complete linkage on cosine similarity, with a threshold that the data gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from .plan import Partition

THRESHOLD_MODES = ("auto", "fixed")
_BLOCK = 256
"""Rows of the similarity matrix that are looked at together."""
_HAIR = 1e-6
"""What rounding may take from a similarity that is exactly at the threshold."""
_LARGEST_TREE = 4096
"""Prompts in one dendrogram: 64 MB of distances. A larger connected set is cut in two first."""
_SAMPLE = 1024
"""Prompts that the automatic threshold looks at, at most."""
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
    vectors = _sample(embeddings[[first[text] for text in sorted(first)]])
    if len(vectors) < 2:
        return floor
    merges = 1 - linkage(_condensed(vectors), "complete")[:, 2]
    related = np.append(np.sort(merges[merges >= floor])[::-1], floor)
    if len(related) == 1:
        return floor
    widest = int(np.argmax(related[:-1] - related[1:]))
    return float((related[widest] + related[widest + 1]) / 2)


def _sample(vectors: np.ndarray) -> np.ndarray:
    """At most `_SAMPLE` rows: some from all over the list, each with those next to it, so that groups are seen."""
    if len(vectors) <= _SAMPLE:
        return vectors
    spread = np.linspace(0, len(vectors) - 1, _SAMPLE // 4).round().astype(int)
    nearest = np.argpartition(-(vectors[spread] @ vectors.T), 4, axis=1)[:, :4]
    return vectors[np.unique(nearest)]


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
    pending = _connected(vectors, threshold)
    while pending:
        component = pending.pop()
        if len(component) > _LARGEST_TREE:
            pending += _halves(vectors, component)
        elif len(component) == 1:
            clusters.append([int(component[0])])
        else:
            root = to_tree(linkage(_condensed(vectors[component]), "complete"))
            clusters += [[int(component[leaf]) for leaf in leaves] for leaves in _cut(root, threshold, max_size)]
    return clusters


def _cut(root: ClusterNode, threshold: float, max_size: int) -> list[list[int]]:
    """The largest subtrees that are similar and small enough, as their leaves."""
    found, stack = [], [root]
    while stack:
        node = stack.pop()
        similar = node.is_leaf() or 1 - node.dist >= threshold - _HAIR
        if similar and (not max_size or node.get_count() <= max_size):
            found.append(node.pre_order())
        else:
            stack += [node.get_left(), node.get_right()]
    return found


def _connected(vectors: np.ndarray, threshold: float) -> list[np.ndarray]:
    """Connected sets of the graph of pairs at least `threshold` similar.

    A block of rows at a time, joining what is connected so far: a graph of like prompts has millions of pairs.
    """
    n = len(vectors)
    labels = np.arange(n)
    for start in range(0, n, _BLOCK):
        row, column = np.nonzero(vectors[start : start + _BLOCK] @ vectors.T >= threshold - _HAIR)
        left, right = labels[row + start], labels[column]
        apart = left != right
        graph = coo_array((np.ones(apart.sum(), dtype=bool), (left[apart], right[apart])), shape=(n, n))
        labels = connected_components(graph, directed=False)[1][labels]
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _halves(vectors: np.ndarray, component: np.ndarray) -> list[np.ndarray]:
    """Cut a set in two, between two of its most unlike members, where it is thinnest in the middle."""
    part = vectors[component]
    one = part[np.argmin(part @ part.mean(0))]
    other = part[np.argmin(part @ one)]
    along = part @ (other - one)
    order = np.argsort(along, kind="stable")
    quarter = len(order) // 4
    middle = quarter + 1 + int(np.argmax(np.diff(along[order])[quarter:-quarter]))
    return [component[order[:middle]], component[order[middle:]]]


def _condensed(vectors: np.ndarray) -> np.ndarray:
    distance = np.clip(1 - vectors @ vectors.T, 0, 2)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    return squareform(distance, checks=False)
