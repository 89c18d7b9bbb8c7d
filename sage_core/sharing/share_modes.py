"""Share modes: which fraction of the steps each group, and each cluster inside it, shares."""

from __future__ import annotations

import math

from ..grouping.ambiguity import modifier_conflicts, split_modifiers
from ..grouping.linkage import SIMILARITY_TOLERANCE, dendrogram_clusters
from ..grouping.partition import Cluster
from ..grouping.prompt_groups import PromptGroups

SHARE_MODES = ("fixed", "tree", "auto")

# A cluster of prompts and the fraction of the steps that it shares, 0 to 1.
ClusterShare = tuple[Cluster, float]


def fixed_shares(groups: PromptGroups, share: float) -> list[ClusterShare]:
    """Every group alike."""
    return [(members, share) for members in groups.partition]


def tree_shares(groups: PromptGroups, share: float) -> list[ClusterShare]:
    """Groups as before, and the clusters inside them for longer, the tighter they are.

    Not where prompts say the same but for a count or a negation: encoders find them alike, and a picture cannot be
    both.

    A cluster whose loosest pair is d apart, in a group whose loosest is D apart, shares `share * (2 - d / D)` of the
    steps: the group itself `share`, equals twice that, and in between the bound on d falls linearly with the steps.

    Source: Decatur et al. 2025 (arXiv 2508.21032) cut a dendrogram of the prompts at tau (1 - k / K) in step k of K.
    """
    return [found for members in groups.partition for found in _tree(groups, members, share)]


def min_noise_ratio(share: float, cfg: float, apart: float) -> float:
    """How much louder than the picture the noise has to be for a group to share: in proportion to how far apart its
    prompts' pictures are, and guidance multiplies that.

    At a share of 0.4 the noise is to be 1.3 times as loud as what the group disagrees about; a larger share trusts
    more.

    Args:
        apart: see `disagreement`.

    Source: ours. A shared state at sigma is off by (1 - sigma) * apart from where a prompt alone would be; while the
    noise there hides that, the prompt finds its way back. The factor is measured by benchmarks/share_modes.py.
    """
    return 0.52 * max(1.0, cfg) * apart / share if share else math.inf


def _tree(groups: PromptGroups, members: Cluster, share: float) -> list[ClusterShare]:
    ordered = sorted(members, key=lambda prompt: groups.prompts[prompt])  # so that ties do not depend on the list
    clusters = [
        (tuple(sorted(ordered[at] for at in cluster)), 1 - similarity)
        for cluster, similarity in dendrogram_clusters(groups.embeddings[ordered])
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
