"""Assigns prompts that come later to the groups of a prefix, or to none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..grouping.linkage import SIMILARITY_TOLERANCE
from ..grouping.partition import Cluster, index_with
from ..grouping.prompt_groups import PromptGroups
from ..grouping.repeats import first_indices
from ..sharing.plan import SharePlan

# Indices of clusters, one per shared level of a plan, coarse to fine, each inside the one before.
ClusterPath = tuple[int, ...]


@dataclass(frozen=True)
class Assignment:
    """Which group, and which clusters inside it, a new prompt joins.

    Attributes:
        group: index of the most similar group.
        is_assigned: whether it is similar enough to join that group.
        similarity: to the least and to the most similar member of that group.
        clusters: the clusters it joins, one per shared level, coarse to fine; empty if it is sampled from the start.
    """

    group: int
    is_assigned: bool
    similarity: tuple[float, float]
    clusters: ClusterPath = ()


def assign_prompts(
    groups: PromptGroups, plan: SharePlan, prompts: Sequence[str], embeddings: np.ndarray
) -> dict[str, Assignment]:
    """The assignment of every different text.

    A prompt joins the most similar group (by its least similar member), if it is as similar to every member as the
    threshold asks; or as the group's own least similar pair is, where the user put that pair together. A text that is
    in the groups already joins the clusters of its equal.

    Args:
        plan: of the groups' distinct prompts.
        embeddings: (N, D), unit rows, one per prompt.
    """
    known, _ = groups.distinct()
    equals, rows = first_indices(known.prompts), first_indices(prompts)
    bounds = [min(known.threshold, known.similarity_range(members)[1]) for members in known.partition]
    assignments = {}
    for text, row in rows.items():
        similar = known.embeddings @ embeddings[row]
        if text in equals:
            similar[equals[text]] = 1.0
            assignments[text] = _assign_as_equal(known, plan, similar, equals[text])
        else:
            assignments[text] = _assign_to_nearest(known, plan, similar, bounds)
    return assignments


def _assign_as_equal(groups: PromptGroups, plan: SharePlan, similar: np.ndarray, equal: int) -> Assignment:
    group = index_with(groups.partition, equal)
    clusters = tuple(index_with(level.clusters, equal) for level in plan.levels[:-1])
    return Assignment(group, True, _range(similar, groups.partition[group]), clusters)


def _assign_to_nearest(groups: PromptGroups, plan: SharePlan, similar: np.ndarray, bounds: list[float]) -> Assignment:
    """Assign one prompt.

    Args:
        similar: its similarity to every prompt of the groups.
        bounds: for every group the similarity that joining it takes.
    """
    least = _least(groups.partition, similar)
    group = int(np.argmax(least))
    members = groups.partition[group]
    is_assigned = bool(least[group] >= bounds[group] - SIMILARITY_TOLERANCE)
    clusters = _cluster_path(groups, plan, similar, members) if is_assigned else ()
    return Assignment(group, is_assigned, _range(similar, members), clusters)


def _cluster_path(groups: PromptGroups, plan: SharePlan, similar: np.ndarray, group: Cluster) -> ClusterPath:
    """The clusters of a group that a prompt joins, level by level.

    The first level is shared by the whole group. Deeper levels belong to sub-clusters: the prompt joins the most
    similar one, but only if that does not make it looser. It never follows a single prompt beyond the first level.
    """
    path: list[int] = []
    joined = group
    for depth, level in enumerate(plan.levels[:-1]):
        inside = [index for index, cluster in enumerate(level.clusters) if set(joined).issuperset(cluster)]
        nearest_cluster = inside[0]
        if level.clusters[nearest_cluster] != joined or (depth and len(joined) == 1):
            least = _least([level.clusters[index] for index in inside], similar)
            best = int(np.argmax(least))
            nearest_cluster = inside[best]
            loosest_pair = groups.similarity_range(level.clusters[nearest_cluster])[1]
            if least[best] < loosest_pair - SIMILARITY_TOLERANCE:
                break
        path.append(nearest_cluster)
        joined = level.clusters[nearest_cluster]
    return tuple(path)


def _least(clusters: Sequence[Cluster], similar: np.ndarray) -> np.ndarray:
    """Similarity to the least similar member of every cluster."""
    starts = np.cumsum([0, *map(len, clusters[:-1])])
    return np.minimum.reduceat(similar[[prompt for cluster in clusters for prompt in cluster]], starts)


def _range(similar: np.ndarray, members: Cluster) -> tuple[float, float]:
    return float(similar[list(members)].min()), float(similar[list(members)].max())
