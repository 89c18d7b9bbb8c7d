"""Prompts, their conditionings and their groups: what travels on a SAGE_GROUPS wire."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np

from ..conditioning.batch import same
from ..conditioning.combine import GROUP_CONDITIONS, Conditioning, group_conditioning
from ..conditioning.shelf import select
from ..prompts.differences import labels
from .linkage import similarity_range
from .partition import Cluster, Partition, cluster_of
from .repeats import copies_of, ranks

T = TypeVar("T")

CONDITION_MODES = (*GROUP_CONDITIONS, "auto")
# The best first, as benchmarks/fidelity.py finds them; not every encoder's embeddings can be averaged.
_AUTO = ("mean", "concat", "medoid")

# The texts of a group (see `PromptGroups.texts`), the user's prompt for its shared steps, and that prompt encoded.
SharedPrompt = tuple[tuple[str, ...], str, Conditioning]


class GroupCondition(NamedTuple):
    """What guides the shared steps of a cluster.

    Attributes:
        source: "prompt" for a shared prompt, else the kind of group condition that was possible.
    """

    conditioning: Conditioning
    source: str


@dataclass(frozen=True)
class PromptGroups:
    """Prompts in groups, with all that sampling them needs.

    Attributes:
        prompts: N texts, in the user's order.
        conditionings: one per prompt; of a long list they may be on the disk, see `Shelf`, and are read one by one.
        embeddings: (N, D), unit rows; similarity is measured on them.
        partition: groups of prompt indices.
        threshold, threshold_mode, encoder, group_condition: how the groups were made.
        notes: what the user should know.
        auto_threshold: the threshold that `auto` finds for these prompts, whatever the mode; None if not computed.
        encoder_model: name of the embedding model, if the encoder has one of its own.
        template: the conditioning whose extras were applied to every prompt.
        shared_prompts: the prompts for shared steps, of groups that have one.
        set_aside: phrases that most prompts repeat, without which they were embedded.
        negatives: one negative conditioning per prompt; empty where the sampler has one for all.
        seed_offsets: for every prompt what is added to the sampler's seed; empty where nothing is.
    """

    prompts: tuple[str, ...]
    conditionings: Sequence[Conditioning] = field(repr=False)
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
    set_aside: tuple[str, ...] = ()
    negatives: tuple[Conditioning, ...] = field(default=(), repr=False)
    seed_offsets: tuple[int, ...] = ()
    _labels: dict[int, Sequence[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def labels(self, length: int) -> Sequence[str]:
        """Every prompt in at most `length` characters, see `differences.labels`.

        A long list takes seconds, so it is searched once for all nodes that show or save it.
        """
        if length not in self._labels:
            self._labels[length] = labels(self.prompts, length, self.set_aside)
        return self._labels[length]

    def group_of(self) -> list[int]:
        """For every prompt the index of its group."""
        return cluster_of(self.partition)

    def distinct(self, own: Collection[Sequence[Conditioning]] = ()) -> tuple[PromptGroups, list[int]]:
        """The groups without repeated prompts, and for every prompt the index of the one that represents it there.

        Equal prompts of a group get equal images (they start from the same noise), so one of them is enough.

        Args:
            own: of every other kind of conditioning (negative, say) one per prompt; prompts are equal only where these
                are, too.
        """
        keys = list(zip(self.prompts, self.group_of(), strict=True))
        rank_of = ranks(keys, lambda one, other: all(same(kind[one], kind[other]) for kind in own))
        number: dict[tuple[tuple[str, int], int], int] = {}
        representative_of = [number.setdefault(key, len(number)) for key in zip(keys, rank_of, strict=True)]
        if len(number) == len(self.prompts):
            return self, representative_of
        first = [copies[0] for copies in copies_of(representative_of)]
        partition = tuple(tuple(sorted({representative_of[index] for index in members})) for members in self.partition)
        conditionings = select(self.conditionings, first)
        return replace(
            self, prompts=_picked(self.prompts, first), conditionings=conditionings,
            embeddings=self.embeddings[first], partition=partition, negatives=_picked(self.negatives, first),
            seed_offsets=_picked(self.seed_offsets, first),
        ), representative_of  # fmt: skip

    def only(self, prompts: Collection[int]) -> PromptGroups:
        """The groups of some prompts, in the order of the list."""
        place = {index: number for number, index in enumerate(sorted(prompts))}
        parts = (tuple(place[index] for index in members if index in place) for members in self.partition)
        return replace(
            self, prompts=_picked(self.prompts, place),
            conditionings=select(self.conditionings, place),
            embeddings=self.embeddings[list(place)], partition=tuple(part for part in parts if part),
            negatives=_picked(self.negatives, place), seed_offsets=_picked(self.seed_offsets, place),
        )  # fmt: skip

    def split(self, kind_of: Sequence[int]) -> PromptGroups:
        """The groups in parts whose prompts are of one kind each; `kind_of` has the kind of every prompt."""
        parts: dict[tuple[int, int], list[int]] = {}
        for prompt, key in enumerate(zip(self.group_of(), kind_of, strict=True)):
            parts.setdefault(key, []).append(prompt)
        return replace(self, partition=tuple(map(tuple, parts.values())))

    def condition(self, cluster: Cluster) -> Conditioning:
        """The conditioning of a cluster: its only member's own, its shared prompt, or the group condition."""
        return self._condition(cluster).conditioning

    def condition_source(self, cluster: Cluster) -> str:
        """Which kind of group condition was possible for a cluster, or "prompt" where it has a shared prompt."""
        return self._condition(cluster).source

    def texts(self, cluster: Cluster) -> tuple[str, ...]:
        """A cluster's different texts, sorted: they identify it where prompts have other numbers."""
        return tuple(sorted({self.prompts[index] for index in cluster}))

    def central(self, cluster: Cluster) -> int:
        """The most central prompt of a cluster; of equals the first by its text, whatever the order of the list."""
        ordered = self._by_text(cluster)
        vectors = self.embeddings[ordered]
        return ordered[int(np.argmax((vectors @ vectors.sum(0)).round(6)))]

    def reference(self, cluster: Cluster) -> int | None:
        """The prompt whose own run the others of a cluster can follow: the most central one.

        None where the user has chosen something else for the shared steps: a shared prompt, mean or concat.
        """
        if len(cluster) == 1:
            return cluster[0]
        is_chosen = self.group_condition not in ("auto", "medoid") or self._shared_condition(cluster) is not None
        return None if is_chosen else self.central(cluster)

    def reference_condition(self, cluster: Cluster) -> Conditioning:
        """The conditioning of the run that the prompts of a cluster follow, see `reference`."""
        reference = self.reference(cluster)
        return self.condition(cluster) if reference is None else self.conditionings[reference]

    def similarity_range(self, cluster: Cluster) -> tuple[float, float]:
        """Cosine similarity of the most and of the least similar pair; (1, 1) for a group of one."""
        return similarity_range(self.embeddings, cluster)

    def _condition(self, cluster: Cluster) -> GroupCondition:
        shared = self._shared_condition(cluster)
        if shared is not None:
            return GroupCondition(shared, "prompt")
        ordered = self._by_text(cluster)
        members, medoid = [self.conditionings[index] for index in ordered], ordered.index(self.central(cluster))
        for mode in _AUTO if self.group_condition == "auto" else (self.group_condition,):
            conditioning, possible = group_conditioning(members, mode, medoid)
            if possible:
                return GroupCondition(conditioning, mode)
        return GroupCondition(members[medoid], "medoid")  # no mode was possible

    def _by_text(self, cluster: Cluster) -> list[int]:
        """A cluster's prompts in an order that is not that of the list."""
        return sorted(cluster, key=lambda prompt: self.prompts[prompt])

    def _shared_condition(self, cluster: Cluster) -> Conditioning | None:
        """The conditioning of a cluster's shared prompt; None where it has none."""
        if not self.shared_prompts or len(cluster) == 1:
            return None
        texts = self.texts(cluster)
        return next((conditioning for others, _, conditioning in self.shared_prompts if others == texts), None)


def _picked(values: tuple[T, ...], prompts: Iterable[int]) -> tuple[T, ...]:
    """What some prompts have of a value per prompt; nothing where there are no values."""
    return tuple(values[prompt] for prompt in prompts) if values else ()


def check_groups(groups: object) -> None:
    """Check what came over a groups wire.

    Raises:
        ValueError: it is no PromptGroups.
    """
    if not isinstance(groups, PromptGroups):
        raise ValueError(f"groups: expected the output of Semantic Group Prompts, got {type(groups).__name__}.")
