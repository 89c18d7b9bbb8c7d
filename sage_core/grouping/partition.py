"""A partition of the prompts into clusters, as plain tuples of prompt indices."""

from __future__ import annotations

Cluster = tuple[int, ...]
Partition = tuple[Cluster, ...]


def parents_of(fine: Partition, coarse: Partition) -> list[int]:
    """For every cluster of `fine` the index of the cluster of `coarse` that contains it.

    Raises:
        ValueError: a cluster of `fine` crosses clusters of `coarse`.
    """
    home = {prompt: index for index, cluster in enumerate(coarse) for prompt in cluster}
    parents = []
    for cluster in fine:
        found = {home[prompt] for prompt in cluster}
        if len(found) != 1:
            raise ValueError(f"plan: prompts {cluster} are together in a level but apart in a coarser one.")
        parents.append(found.pop())
    return parents


def index_with(clusters: Partition, prompt: int) -> int:
    return next(at for at, cluster in enumerate(clusters) if prompt in cluster)
