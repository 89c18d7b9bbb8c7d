"""Clusters prompts by meaning: complete linkage on cosine similarity."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from scipy.cluster.hierarchy import ClusterNode, fcluster, linkage, to_tree
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from .partition import Cluster, Partition
from .pins import Pins, keepers, with_pinned

# Rows that are compared with as many others at once: their similarities, 4 MB, stay in the processor's cache.
_BLOCK = 1024
# How much rounding may lower a similarity that is exactly at the threshold.
SIMILARITY_TOLERANCE = 1e-6
# Pairs whose vectors are compared in full at once.
_PAIRS = 65536
# Of a long list the vectors are shortened, by steps of so many components, until few pairs are left to be compared.
_STEP, _FEW, _SAMPLE = 32, 1e-3, 1024
# Prompts in one dendrogram: 64 MB of distances. A larger connected set is cut in two first.
_LARGEST_TREE = 4096


class Dendrogram:
    """The tree of merges that complete linkage makes of vectors, to be cut as often as needed.

    Args:
        vectors: (N, D), unit rows, N up to a few thousand.

    Attributes:
        distances: (N, N), 1 - cosine similarity, zero on the diagonal.
        merges: (N - 1,), the similarity of the least similar pair of each merged cluster, in the order of merging.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        from sklearn.metrics.pairwise import cosine_distances  # heavy

        some = len(vectors) > 1
        self.distances = cosine_distances(vectors) if some else np.zeros((len(vectors), len(vectors)))
        self._linkage = linkage(squareform(self.distances, checks=False), "complete") if some else np.empty((0, 4))
        self.merges = 1 - self._linkage[:, 2]

    def labels(self, threshold: float) -> np.ndarray:
        """(N,), the number of each row's cluster, from 1, where every pair is at least `threshold` similar."""
        return fcluster(self._linkage, 1 - threshold, "distance")

    def cut(self, threshold: float, max_size: int = 0) -> list[list[int]]:
        """The largest clusters that are similar and small enough, as lists of row indices.

        Args:
            max_size: most rows in a cluster; 0 for no limit.
        """
        found: list[list[int]] = []
        stack: list[ClusterNode] = [to_tree(self._linkage)]
        while stack:
            node = stack.pop()
            similar = node.is_leaf() or 1 - node.dist >= threshold - SIMILARITY_TOLERANCE
            if similar and (not max_size or node.get_count() <= max_size):
                found.append(node.pre_order())
            else:
                stack += [node.get_left(), node.get_right()]
        return found

    def clusters(self) -> list[tuple[Cluster, float]]:
        """Every cluster of two or more rows, nested or disjoint, the whole set first.

        Returns:
            Row indices, and the cosine similarity of the least similar pair.
        """
        found = []
        stack: list[ClusterNode] = [to_tree(self._linkage)] if len(self.merges) else []
        while stack:
            node = stack.pop()
            if not node.is_leaf():
                found.append((tuple(sorted(node.pre_order())), 1 - float(node.dist)))
                stack += [node.get_left(), node.get_right()]
        return found


def cluster_prompts(
    prompts: Sequence[str],
    embeddings: np.ndarray,
    *,
    threshold: float,
    max_group_size: int = 0,
    pins: Pins | None = None,
) -> Partition:
    """Groups in which every pair is at least `threshold` similar.

    Complete linkage: every pair of a group is similar, so no chain of neighbours can join unlike prompts. Equal texts
    are always together, and count as one towards the size. The result does not depend on the order of the prompts.
    Pinned prompts are where the user put them, whatever the threshold and the size; the others are grouped without
    them.

    Args:
        prompts: N texts.
        embeddings: (N, D), unit rows (see `vectors.normalize`).
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
        raise ValueError(f"embeddings: expected {len(prompts)}, one per prompt, got {len(embeddings)}.")
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
    """Cosine similarity of the most and of the least similar pair; (1, 1) for a group of one."""
    if len(cluster) == 1:
        return 1.0, 1.0
    vectors = embeddings[list(cluster)]
    pairs = (vectors @ vectors.T)[np.triu_indices(len(cluster), 1)]
    return float(pairs.max()), float(pairs.min())


def _complete_linkage(vectors: np.ndarray, threshold: float, max_size: int) -> list[list[int]]:
    """Clusters of row indices.

    Rows that no chain of similar pairs connects can never be in one cluster. So every connected set gets a tree of
    its own, and memory stays far below N x N.
    """
    clusters: list[list[int]] = []
    pending = _connected(vectors, threshold) if len(vectors) else []
    while pending:
        component = pending.pop()
        if len(component) > _LARGEST_TREE:
            pending += _halves(vectors, component)
        elif _is_one_cluster(vectors[component], threshold, max_size):
            clusters.append(component.tolist())
        else:
            found = Dendrogram(vectors[component]).cut(threshold, max_size)
            clusters += [component[rows].tolist() for rows in found]
    return clusters


def _is_one_cluster(vectors: np.ndarray, threshold: float, max_size: int) -> bool:
    """Whether a tree of these vectors, which takes longer to make, would not be cut."""
    fits = not max_size or len(vectors) <= max_size
    return len(vectors) == 1 or (fits and bool((vectors @ vectors.T).min() >= threshold))


def _connected(vectors: np.ndarray, threshold: float) -> list[np.ndarray]:
    """Connected sets of the graph of pairs at least `threshold` similar.

    Part by part, joining what is connected so far: a graph of similar prompts has millions of pairs.
    """
    labels = np.arange(len(vectors))
    short = _shortened(vectors, threshold)
    starts = range(0, len(vectors), _BLOCK)
    waiting: list[np.ndarray] = []
    for start, other in combinations_with_replacement(starts, 2):
        pairs = _similar_pairs(short, start, other, threshold)
        pairs = pairs[:, labels[pairs[0]] != labels[pairs[1]]]
        if short is not vectors:
            pairs = pairs[:, _are_similar(vectors, pairs, threshold)]
        waiting.append(pairs)
        if other == starts[-1] or pairs.shape[1] > _PAIRS:
            labels, waiting = _joined(labels, np.concatenate(waiting, axis=1)), []
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _similar_pairs(vectors: np.ndarray, start: int, other: int, threshold: float) -> np.ndarray:
    """(2, M), the rows of the similar pairs between a block of rows and another one, by their first rows."""
    products = vectors[start : start + _BLOCK] @ vectors[other : other + _BLOCK].T
    found = np.flatnonzero(products >= threshold - SIMILARITY_TOLERANCE)  # far faster than for two axes
    return np.stack(np.divmod(found, products.shape[1])) + [[start], [other]]


def _joined(labels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The labels of connected rows, (N,), once these pairs of rows, (2, M), are connected too."""
    ends = labels[pairs]
    graph = coo_array((np.ones(ends.shape[1], dtype=bool), tuple(ends)), shape=(len(labels), len(labels)))
    return connected_components(graph, directed=False)[1][labels]


def _shortened(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """Shorter vectors whose products are no smaller than those of the vectors, or these themselves.

    Of the vectors along their principal axes the first components, and the length of the rest: the rests of two
    vectors have at most the product of their lengths (Cauchy and Schwarz). Few pairs are left to be compared in full.
    """
    if len(vectors) < _LARGEST_TREE:
        return vectors
    axes = np.linalg.eigh(vectors.T @ vectors)[1][:, ::-1]
    some = vectors[np.linspace(0, len(vectors) - 1, _SAMPLE).astype(int)]
    for kept in range(_STEP, len(axes) // 2, _STEP):
        short = _with_rest(some @ axes[:, :kept])
        if (short @ short.T >= threshold).mean() <= 1 / len(some) + _FEW:  # each with itself, and few others
            return _with_rest(vectors @ axes[:, :kept])
    return vectors


def _with_rest(first: np.ndarray) -> np.ndarray:
    """The first components of unit vectors, and the length of the rest, with more than rounding may take away."""
    rest = 1 - np.square(first).sum(1, keepdims=True)
    return np.concatenate([first, np.sqrt(np.maximum(0, rest)) + 1e-3], axis=1)


def _are_similar(vectors: np.ndarray, pairs: np.ndarray, threshold: float) -> np.ndarray:
    """Which pairs of rows, (2, M), are at least `threshold` similar; a part at a time, as there may be many."""
    parts = [pairs[:, start : start + _PAIRS] for start in range(0, pairs.shape[1], _PAIRS)]
    products = [np.einsum("nd,nd->n", vectors[left], vectors[right]) for left, right in parts]
    return np.concatenate([np.empty(0), *products]) >= threshold - SIMILARITY_TOLERANCE


def _halves(vectors: np.ndarray, component: np.ndarray) -> list[np.ndarray]:
    """Cut a set in two, between two of its least similar members, at the widest gap near the middle."""
    part = vectors[component]
    one = part[np.argmin(part @ part.mean(0))]
    other = part[np.argmin(part @ one)]
    along = part @ (other - one)
    order = np.argsort(along, kind="stable")
    quarter = len(order) // 4
    middle = quarter + 1 + int(np.argmax(np.diff(along[order])[quarter:-quarter]))
    return [component[order[:middle]], component[order[middle:]]]
