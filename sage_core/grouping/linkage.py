"""Clusters prompts by meaning: complete linkage on cosine similarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from .partition import Cluster, Partition
from .pins import Pins, keepers, with_pinned

# Rows of the similarity matrix that are looked at together.
_BLOCK = 256
# What rounding may take from a similarity that is exactly at the threshold.
SIMILARITY_TOLERANCE = 1e-6
# Prompts in one dendrogram: 64 MB of distances. A larger connected set is cut in two first.
_LARGEST_TREE = 4096


def cluster_prompts(
    prompts: Sequence[str],
    embeddings: np.ndarray,
    *,
    threshold: float,
    max_group_size: int = 0,
    pins: Pins | None = None,
) -> Partition:
    """Groups in which every pair is at least `threshold` similar.

    Complete linkage, so no chain of neighbours joins what is unlike. Equal texts are always together, and
    count as one towards the size. Deterministic, and independent of the order of the prompts. Pinned prompts
    are where the person put them, whatever the threshold and the size; the others are grouped without them.

    Args:
        prompts: N texts.
        embeddings: (N, D), unit rows (see `unit`).
        threshold: cosine similarity, -1 to 1.
        max_group_size: most different texts in a group; 0 for no limit.
        pins: see `pins`; none by default.

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
    members: dict[str, list[int]] = {}
    for index, text in enumerate(prompts):
        members.setdefault(text, []).append(index)
    pinned = keepers(members, pins or {})
    free = sorted(members.keys() - pinned.keys())
    vectors = embeddings[[members[text][0] for text in free]]
    clusters = [[free[at] for at in cluster] for cluster in _complete_linkage(vectors, threshold, max_group_size)]
    groups = [sorted(index for text in cluster for index in members[text]) for cluster in with_pinned(clusters, pinned)]
    return tuple(sorted(map(tuple, groups)))


def similarity_range(embeddings: np.ndarray, cluster: Cluster) -> tuple[float, float]:
    """Cosine similarity of the tightest and the loosest pair; (1, 1) for a group of one."""
    if len(cluster) == 1:
        return 1.0, 1.0
    vectors = embeddings[list(cluster)]
    pairs = (vectors @ vectors.T)[np.triu_indices(len(cluster), 1)]
    return float(pairs.max()), float(pairs.min())


def dendrogram_clusters(vectors: np.ndarray) -> list[tuple[Cluster, float]]:
    """Every cluster that complete linkage makes of some vectors on its way to one.

    Args:
        vectors: (N, D), unit rows, N up to a few thousand.

    Returns:
        Clusters of two or more row indices, nested or disjoint, the whole set first, each with the cosine similarity
        of its least similar pair.
    """
    if len(vectors) < 2:
        return []
    found, stack = [], [to_tree(linkage(condensed_distances(vectors), "complete"))]
    while stack:
        node = stack.pop()
        if not node.is_leaf():
            found.append((tuple(sorted(node.pre_order())), 1 - float(node.dist)))
            stack += [node.get_left(), node.get_right()]
    return found


def condensed_distances(vectors: np.ndarray) -> np.ndarray:
    """1 - cosine of all pairs, in scipy's condensed form."""
    distance = np.clip(1 - vectors @ vectors.T, 0, 2)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    return squareform(distance, checks=False)


def _complete_linkage(vectors: np.ndarray, threshold: float, max_size: int) -> list[list[int]]:
    """Clusters of row indices. Rows that no chain of similar pairs connects can never meet, so each connected
    set has a tree of its own: memory stays far from N x N."""
    clusters: list[list[int]] = []
    pending = _connected(vectors, threshold) if len(vectors) else []
    while pending:
        component = pending.pop()
        if len(component) > _LARGEST_TREE:
            pending += _halves(vectors, component)
        elif len(component) == 1:
            clusters.append([int(component[0])])
        else:
            root = to_tree(linkage(condensed_distances(vectors[component]), "complete"))
            clusters += [[int(component[leaf]) for leaf in leaves] for leaves in _cut(root, threshold, max_size)]
    return clusters


def _cut(root: ClusterNode, threshold: float, max_size: int) -> list[list[int]]:
    """The largest subtrees that are similar and small enough, as their leaves."""
    found, stack = [], [root]
    while stack:
        node = stack.pop()
        similar = node.is_leaf() or 1 - node.dist >= threshold - SIMILARITY_TOLERANCE
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
        row, column = np.nonzero(
            vectors[start : start + _BLOCK] @ vectors[start:].T >= threshold - SIMILARITY_TOLERANCE
        )
        left, right = labels[start + row], labels[start + column]
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
