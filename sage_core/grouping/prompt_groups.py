"""Prompts, their conditionings and their groups: what travels on a SAGE_GROUPS wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..conditioning.combine import GROUP_CONDITIONS, Conditioning, group_conditioning
from .linkage import similarity_range
from .partition import Cluster, Partition

CONDITION_MODES = (*GROUP_CONDITIONS, "auto")
# The best first, as benchmarks/fidelity.py finds them; not every encoder's embeddings can be averaged.
_AUTO = ("mean", "concat", "medoid")

# The texts of a group (see `PromptGroups.texts`); what the person wrote for its shared steps; and that, encoded.
SharedPrompt = tuple[tuple[str, ...], str, Conditioning]


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
        shared_prompts: of groups that have one of their own.
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
    shared_prompts: tuple[SharedPrompt, ...] = field(default=(), repr=False)

    def distinct(self) -> tuple[PromptGroups, list[int]]:
        """The groups without repeats, and for every prompt the one of them that stands for it.

        Equal prompts of a group get equal images (they start from the same noise), so that one of them is enough.
        """
        home = {index: group for group, members in enumerate(self.partition) for index in members}
        number: dict[tuple[str, int], int] = {}
        representative_of = [
            number.setdefault((text, home[index]), len(number)) for index, text in enumerate(self.prompts)
        ]
        if len(number) == len(self.prompts):
            return self, representative_of
        first = [int(index) for index in np.unique(representative_of, return_index=True)[1]]
        partition = tuple(tuple(sorted({representative_of[index] for index in members})) for members in self.partition)
        conditionings = tuple(self.conditionings[index] for index in first)
        return replace(
            self, prompts=tuple(self.prompts[index] for index in first), conditionings=conditionings,
            embeddings=self.embeddings[first], partition=partition,
        ), representative_of  # fmt: skip

    def condition(self, cluster: Cluster) -> Conditioning:
        """The conditioning of a cluster: its only member's own, its shared prompt, or the group condition."""
        return self._conditioned(cluster)[0]

    def condition_made_by(self, cluster: Cluster) -> str:
        """Which of the group conditions could be made for a cluster, or "prompt" where it has a shared prompt."""
        return self._conditioned(cluster)[1]

    def texts(self, cluster: Cluster) -> tuple[str, ...]:
        """A cluster's different texts, sorted: what it is known by where prompts have other numbers."""
        return tuple(sorted({self.prompts[index] for index in cluster}))

    def medoid(self, cluster: Cluster) -> int:
        """Position in the cluster of its most central member; the first of equals."""
        vectors = self.embeddings[list(cluster)]
        return int(np.argmax((vectors @ vectors.sum(0)).round(6)))

    def similarity_range(self, cluster: Cluster) -> tuple[float, float]:
        """Cosine similarity of the tightest and the loosest pair; (1, 1) for a group of one."""
        return similarity_range(self.embeddings, cluster)

    def _conditioned(self, cluster: Cluster) -> tuple[Conditioning, str]:
        members = [self.conditionings[index] for index in cluster]
        if self.shared_prompts and len(cluster) > 1:
            texts = self.texts(cluster)
            for others, _, conditioning in self.shared_prompts:
                if others == texts:
                    return conditioning, "prompt"
        medoid = self.medoid(cluster)
        for way in _AUTO if self.group_condition == "auto" else (self.group_condition,):
            conditioning, possible = group_conditioning(members, way, medoid)
            if possible:
                return conditioning, way
        return conditioning, "medoid"


def copies_of(representative_of: Sequence[int]) -> list[list[int]]:
    """For every distinct prompt those of the list that it stands for; see `PromptGroups.distinct`."""
    copies: list[list[int]] = [[] for _ in range(max(representative_of, default=-1) + 1)]
    for prompt, distinct in enumerate(representative_of):
        copies[distinct].append(prompt)
    return copies


def check_groups(groups: object) -> None:
    if not isinstance(groups, PromptGroups):
        raise ValueError(f"groups: expected the output of Semantic Group Prompts, got {type(groups).__name__}.")
