"""Assigns prompts that come later to the groups of a prefix, or to none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..grouping.linkage import SIMILARITY_TOLERANCE
from ..grouping.partition import Cluster, index_with
from ..grouping.prompt_groups import PromptGroups
from ..sharing.plan import SharePlan

# Clusters of a plan, one a shared level, coarse to fine, each inside the one before.
ClusterPath = tuple[int, ...]


@dataclass(frozen=True)
class Assignment:
    """Where a new prompt belongs.

    Attributes:
        group: index of the group that is nearest.
        joins: whether it is near enough.
        similarity: to the members of that group, the least and the most similar one.
        path: the clusters it goes along with, one a shared level, coarse to fine; empty if it starts alone.
    """

    group: int
    is_assigned: bool
    similarity: tuple[float, float]
    path: ClusterPath = ()


def assign_prompts(
    groups: PromptGroups, plan: SharePlan, prompts: Sequence[str], embeddings: np.ndarray
) -> dict[str, Assignment]:
    """The home of every different text.

    A prompt joins the nearest group (by its least similar member) if every member is as similar to it as the threshold
    asks, or as the group's own loosest pair where hands put that together. A group of which parts share on takes it
    along in the nearest part that gets no looser by it. A text that the groups have goes along with its equal.

    Args:
        plan: of the groups' distinct prompts.
        embeddings: (N, D), unit rows, one a prompt.
    """
    known, _ = groups.distinct()
    equals = {text: index for index, text in reversed(list(enumerate(known.prompts)))}
    row = {text: index for index, text in reversed(list(enumerate(prompts)))}
    bounds = [min(known.threshold, known.similarity_range(members)[1]) for members in known.partition]
    assignments = {}
    for text in dict.fromkeys(prompts):
        similar = known.embeddings @ embeddings[row[text]]
        if text in equals:
            similar[equals[text]] = 1.0
            assignments[text] = _with_equal(known, plan, similar, equals[text])
        else:
            assignments[text] = _nearest(known, plan, similar, bounds)
    return assignments


def _with_equal(groups: PromptGroups, plan: SharePlan, similar: np.ndarray, equal: int) -> Assignment:
    group = index_with(groups.partition, equal)
    path = tuple(index_with(level.clusters, equal) for level in plan.levels[:-1])
    return Assignment(group, True, _range(similar, groups.partition[group]), path)


def _nearest(groups: PromptGroups, plan: SharePlan, similar: np.ndarray, bounds: list[float]) -> Assignment:
    """`similar`: to every prompt of the groups; `bounds`: what joining a group takes."""
    least = _least(groups.partition, similar)
    group = int(np.argmax(least))
    members = groups.partition[group]
    is_assigned = bool(least[group] >= bounds[group] - SIMILARITY_TOLERANCE)
    path = _path(groups, plan, similar, members) if is_assigned else ()
    return Assignment(group, is_assigned, _range(similar, members), path)


def _path(groups: PromptGroups, plan: SharePlan, similar: np.ndarray, assignment: Cluster) -> ClusterPath:
    path: list[int] = []
    for depth, level in enumerate(plan.levels[:-1]):
        inside = [at for at, cluster in enumerate(level.clusters) if set(assignment).issuperset(cluster)]
        # The shortest share is for all that are alike; beyond it nobody has asked to share with a prompt alone.
        if level.clusters[inside[0]] != assignment or (depth and len(assignment) == 1):
            least = _least([level.clusters[at] for at in inside], similar)
            tight = [groups.similarity_range(level.clusters[at])[1] for at in inside]
            nearest = int(np.argmax(least))
            if least[nearest] < tight[nearest] - SIMILARITY_TOLERANCE:
                break
            inside = inside[nearest : nearest + 1]
        path.append(inside[0])
        assignment = level.clusters[inside[0]]
    return tuple(path)


def _least(clusters: Sequence[Cluster], similar: np.ndarray) -> np.ndarray:
    """Similarity to the least similar member of every cluster."""
    starts = np.cumsum([0, *map(len, clusters[:-1])])
    return np.minimum.reduceat(similar[[prompt for cluster in clusters for prompt in cluster]], starts)


def _range(similar: np.ndarray, members: Cluster) -> tuple[float, float]:
    return float(similar[list(members)].min()), float(similar[list(members)].max())
