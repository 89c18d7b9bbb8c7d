"""Share modes: which fraction of the steps each group, and each cluster inside it, shares."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from ..grouping.ambiguity import modifier_conflicts, split_modifiers
from ..grouping.linkage import SIMILARITY_TOLERANCE, Dendrogram
from ..grouping.partition import Cluster
from ..grouping.prompt_groups import PromptGroups

# The noise ratio that a group needs at the default share, in units of its divergence times cfg, as
# benchmarks/share_modes.py measures it: above it 99% of the pictures that are right alone stay right.
NOISE_RATIO_AT_DEFAULT, DEFAULT_SHARE = 1.3, 0.4
# Divergence up to which a group's pictures are one: a model in half precision gives no smaller differences.
_ONE_ANSWER = 1e-3

# A cluster of prompts and the fraction of the steps that it shares, 0 to 1.
ClusterShare = tuple[Cluster, float]


class ModelProbe(Protocol):
    """What a share mode may ask of the model; asking may cost evaluations."""

    @property
    def cfg(self) -> float:
        """The guidance scale."""

    def noise_ratios(self) -> list[float]:
        """How much stronger the noise is than the picture at the start of every step; falls from step to step."""

    def divergences(self) -> list[float]:
        """For every group how far the pictures of its prompts are apart, in the model's latent units."""


ShareMode = Callable[[PromptGroups, float, ModelProbe], list[ClusterShare]]


def fixed_shares(groups: PromptGroups, share: float) -> list[ClusterShare]:
    """Every group shares the same fraction."""
    return [(members, share) for members in groups.partition]


def tree_shares(groups: PromptGroups, share: float) -> list[ClusterShare]:
    """Groups share as in `fixed_shares`; clusters inside them share longer, the more similar they are.

    A cluster whose least similar pair is d apart, in a group whose least similar pair is D apart, shares
    `share * (2 - d / D)` of the steps: the group itself `share`, equal prompts twice that. Prompts that differ in a
    count or a negation only do not share longer: encoders find them alike, and one picture cannot be both.

    Source: Decatur et al. 2025 (arXiv 2508.21032) cut a dendrogram of the prompts at tau (1 - k / K) in step k of K.
    """
    return [found for members in groups.partition for found in _tree(groups, members, share)]


def auto_shares(groups: PromptGroups, share: float, model: ModelProbe) -> list[ClusterShare]:
    """Every group shares the steps at whose start the noise ratio is above `min_noise_ratio`.

    A group whose prompts have one answer at first shares as in `fixed_shares`: they may differ later (a text from a
    step on, a mask that opens slowly), of which the first answer tells nothing.

    Source: ours.
    """
    ratios = model.noise_ratios()
    if not share or not ratios:
        return fixed_shares(groups, 0.0)

    def shared(divergence: float) -> float:
        limit = min_noise_ratio(share, model.cfg, divergence)
        return next((step for step, ratio in enumerate(ratios) if ratio <= limit), len(ratios)) / len(ratios)

    divergences = zip(groups.partition, model.divergences(), strict=True)
    return [
        (members, shared(divergence) if divergence > _ONE_ANSWER or len(members) == 1 else share)
        for members, divergence in divergences
    ]


def min_noise_ratio(share: float, cfg: float, divergence: float) -> float:
    """The smallest noise ratio (noise to picture) at which a group shares.

    It grows with the divergence of the group's pictures, which guidance multiplies, and falls as the share rises: a
    larger share accepts a lower noise ratio.

    Args:
        divergence: of the group, see `ModelProbe.divergences`.

    Source: ours. A shared state at sigma is off by (1 - sigma) * divergence from where a prompt alone would be.
    While the noise hides that, the prompt finds its way back.
    """
    return NOISE_RATIO_AT_DEFAULT * DEFAULT_SHARE / share * max(1.0, cfg) * divergence if share else math.inf


def _tree(groups: PromptGroups, members: Cluster, share: float) -> list[ClusterShare]:
    ordered = sorted(members, key=lambda prompt: groups.prompts[prompt])  # so that ties do not depend on the list
    clusters = [
        (tuple(sorted(ordered[at] for at in cluster)), 1 - similarity)
        for cluster, similarity in Dendrogram(groups.embeddings[ordered]).clusters()
    ]
    widest = max((distance for _, distance in clusters), default=0.0)
    if widest < SIMILARITY_TOLERANCE:
        return [(members, share)]
    split_prompts = {prompt: split_modifiers(groups.prompts[prompt]) for prompt in members}
    return [
        (cluster, min(1.0, share * (2 - distance / widest)))
        for cluster, distance in clusters
        if len(cluster) == len(members) or not modifier_conflicts([split_prompts[prompt] for prompt in cluster])
    ]


SHARE_MODES: dict[str, ShareMode] = {
    "fixed": lambda groups, share, model: fixed_shares(groups, share),
    "tree": lambda groups, share, model: tree_shares(groups, share),
    "auto": auto_shares,
}
