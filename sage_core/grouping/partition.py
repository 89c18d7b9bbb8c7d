"""A partition of the prompts into clusters, as plain tuples of prompt indices."""

from __future__ import annotations

from collections.abc import Iterable

Cluster = tuple[int, ...]
Partition = tuple[Cluster, ...]


def cluster_of(partition: Partition) -> list[int]:
    """For every prompt the index of its cluster; together the clusters hold prompts 0 to N - 1 once each."""
    found = [0] * sum(map(len, partition))
    for index, cluster in enumerate(partition):
        for prompt in cluster:
            found[prompt] = index
    return found


def parents_of(fine: Partition, coarse: Partition) -> list[int]:
    """For every cluster of `fine` the index of the cluster of `coarse` that contains it.

    Raises:
        ValueError: a cluster of `fine` crosses clusters of `coarse`.
    """
    parent = cluster_of(coarse)
    parents = []
    for cluster in fine:
        found = {parent[prompt] for prompt in cluster}
        if len(found) != 1:
            raise ValueError(f"plan: prompts {cluster} are together in a level but apart in a coarser one.")
        parents.append(found.pop())
    return parents


def of_largest(clusters: Iterable[Cluster], most: int) -> list[int]:
    """The prompts of the largest clusters, at most `most` together; the last cluster may be there in part."""
    return [prompt for cluster in sorted(clusters, key=len, reverse=True) for prompt in cluster][:most]


def index_with(clusters: Partition, prompt: int) -> int:
    """Index of the cluster that holds a prompt."""
    return next(index for index, cluster in enumerate(clusters) if prompt in cluster)
