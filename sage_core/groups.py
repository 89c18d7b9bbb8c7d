"""Prompts, their conditionings and who belongs together: what travels on a SAGE_GROUPS wire."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .conditioning import Conditioning, group_conditioning
from .grouping import similarity_range
from .plan import Cluster, Partition


@dataclass(frozen=True)
class PromptGroups:
    """
    Attributes:
        prompts: N texts, in the person's order.
        conditionings: one a prompt.
        embeddings: (N, D), unit rows, what similarity is measured on.
        partition: groups of prompt indices.
        threshold, threshold_mode, encoder, group_condition: how they were made.
        notes: what the person should know.
        auto_threshold: what `auto` finds for these prompts, whatever the mode; None where nobody looked.
        encoder_model: name of the model that measured similarity, if the encoder has one of its own.
        template: the conditioning whose extras every prompt has got.
    """

    prompts: tuple[str, ...]
    conditionings: tuple[Conditioning, ...] = field(repr=False)
    embeddings: np.ndarray = field(repr=False)
    partition: Partition
    threshold: float
    threshold_mode: str
    encoder: str
    group_condition: str
    notes: tuple[str, ...] = ()
    auto_threshold: float | None = None
    encoder_model: str = ""
    template: Conditioning | None = field(default=None, repr=False)

    def distinct(self) -> tuple[PromptGroups, list[int]]:
        """The groups without repeats, and for every prompt the one of them that stands for it.

        Equal prompts of a group get equal images (they start from the same noise), so that one of them is enough.
        """
        home = {index: group for group, members in enumerate(self.partition) for index in members}
        number: dict[tuple[str, int], int] = {}
        stands_for = [number.setdefault((text, home[index]), len(number)) for index, text in enumerate(self.prompts)]
        if len(number) == len(self.prompts):
            return self, stands_for
        first = [int(index) for index in np.unique(stands_for, return_index=True)[1]]
        partition = tuple(tuple(sorted({stands_for[index] for index in members})) for members in self.partition)
        conditionings = tuple(self.conditionings[index] for index in first)
        return replace(
            self, prompts=tuple(self.prompts[index] for index in first), conditionings=conditionings,
            embeddings=self.embeddings[first], partition=partition,
        ), stands_for  # fmt: skip

    def condition(self, cluster: Cluster) -> Conditioning:
        """The conditioning of a cluster: its only member's own, or the group condition."""
        return self._combined(cluster)[0]

    def combinable(self, cluster: Cluster) -> bool:
        """Whether the chosen group condition could be made for a cluster (else it is the medoid's)."""
        return self._combined(cluster)[1]

    def medoid(self, cluster: Cluster) -> int:
        """Position in the cluster of its most central member; the first of equals."""
        vectors = self.embeddings[list(cluster)]
        return int(np.argmax((vectors @ vectors.sum(0)).round(6)))

    def similarity_range(self, cluster: Cluster) -> tuple[float, float]:
        """Cosine similarity of the tightest and the loosest pair; (1, 1) for a group of one."""
        return similarity_range(self.embeddings, cluster)

    def _combined(self, cluster: Cluster) -> tuple[Conditioning, bool]:
        members = [self.conditionings[index] for index in cluster]
        return group_conditioning(members, self.group_condition, self.medoid(cluster))
