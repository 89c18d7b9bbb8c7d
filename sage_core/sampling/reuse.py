"""Which prompts take or follow remembered runs, and what their own runs leave for later ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..grouping.linkage import SIMILARITY_TOLERANCE
from ..grouping.partition import Partition
from ..grouping.prompt_groups import PromptGroups
from ..sharing.correction_plan import correction_shares
from ..sharing.sampling_record import SamplingRecord
from .prompt_conditions import PromptConditions
from .reference_memory import MEMORY, RememberedRun, RunKey, encoder_of, own_content, remembered_run, trace_size
from .trace import ClusterTrace


@dataclass(frozen=True)
class Reuse:
    """What the prompts of some groups use of the memory.

    Attributes:
        groups: of distinct prompts.
        key: of the run.
        taken: the remembered runs of prompts that take all of them, by prompt.
        followed: the remembered runs of prompts that follow them, by prompt.
    """

    groups: PromptGroups
    key: RunKey
    taken: dict[int, RememberedRun]
    followed: dict[int, RememberedRun]

    @property
    def clusters(self) -> Partition:
        """The groups in parts: what follows one run, what takes a run, and the rest, that shares a new run."""
        together: dict[Hashable, list[int]] = {}
        for prompt, group in enumerate(self.groups.group_of()):
            follows = self.followed.get(prompt)
            part: Hashable = ("taken", prompt) if prompt in self.taken else follows and id(follows)
            together.setdefault((group, part), []).append(prompt)
        return tuple(map(tuple, together.values()))

    @property
    def used(self) -> list[RememberedRun | None]:
        """For every prompt the run that it takes or follows."""
        either = self.taken | self.followed
        return [either.get(prompt) for prompt in range(len(self.groups.prompts))]

    @property
    def texts(self) -> tuple[str | None, ...]:
        """Their prompts."""
        return tuple(None if run is None else run.text for run in self.used)

    @property
    def traces(self) -> list[ClusterTrace]:
        """For every cluster the remembered calls; none where it has to be run."""
        used = self.used
        runs = [used[cluster[0]] for cluster in self.clusters]
        return [[] if run is None else run.trace for run in runs]

    def shares(self, share: float, share_mode: str) -> tuple[float | None, ...]:
        """As `correction_shares`, for these clusters; a prompt that follows a remembered run takes `share`."""
        shares = correction_shares(replace(self.groups, partition=self.clusters), share, share_mode)
        return tuple(share if prompt in self.followed else own for prompt, own in enumerate(shares))


def find_reuse(conditions: PromptConditions, key: RunKey, runs: Sequence[RememberedRun]) -> Reuse:
    """Find for every prompt a run to take, of an equal prompt, or else one to follow, of a similar prompt.

    A prompt follows the whole run whose prompt is most similar to it, if they are as similar as a group's prompts have
    to be: as this list is embedded, where the run's prompt is in it, since embeddings are of what differs in a list.
    Prompts stay out of it for whose shared steps the user has chosen something else, see `PromptGroups.reference`.

    Args:
        conditions: of distinct prompts.
        runs: those that a run with this key can use, the newest first.
    """
    groups = conditions.groups
    whole = [run for run in runs if run.sharing is None]
    reuse = Reuse(groups, key, {}, {})
    embedded: dict[int, RememberedRun] = {}  # as this list is, by the identity of the run as it was
    prompts = can_share(groups)
    for prompt in prompts:
        own = own_content(key, conditions, prompt)
        equal = next((run for run in (*whole, *runs) if run.conditioning == own), None)
        if equal is not None:
            now = replace(equal, encoder=encoder_of(groups), embedding=groups.embeddings[prompt])
            reuse.taken[prompt] = embedded.setdefault(id(equal), now)
    known = [embedded.get(id(run), run) for run in whole]
    for prompt in prompts:
        if prompt not in reuse.taken and (nearest := _nearest(groups, prompt, known)) is not None:
            reuse.followed[prompt] = nearest
    return reuse


def can_share(groups: PromptGroups) -> list[int]:
    """The prompts that share with other renders: all, but for groups that share something else than a prompt's run."""
    return [prompt for members in groups.partition if groups.reference(members) is not None for prompt in members]


def _nearest(groups: PromptGroups, prompt: int, runs: Sequence[RememberedRun]) -> RememberedRun | None:
    """The run whose prompt is most similar, if it is similar enough."""
    own = groups.embeddings[prompt]
    known = [run for run in runs if run.encoder == encoder_of(groups) and run.embedding.shape == own.shape]
    if not known:
        return None
    similar = np.stack([run.embedding for run in known]) @ own
    best = int(np.argmax(similar))
    return known[best] if similar[best] >= groups.threshold - SIMILARITY_TOLERANCE else None


@dataclass
class RunKeeper:
    """Collects the runs of prompts as they finish, and remembers them when all have.

    Attributes:
        model: the one that the runs are of.
        conditions: of distinct prompts.
        record: how their runs were planned.
        used: runs from the memory that count as new again.
    """

    model: Any
    key: RunKey
    conditions: PromptConditions
    record: SamplingRecord
    used: Sequence[RememberedRun] = ()
    runs: list[RememberedRun] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        assert self.record.correction is not None
        planned = zip(self.record.correction.shares, self.record.remembered, strict=True)
        taken = {prompt for prompt, (share, text) in enumerate(planned) if share is None and text is not None}
        self.new = set(can_share(self.conditions.groups)) - taken

    def keep(self, prompt: int, trace: ClusterTrace) -> None:
        """Take the finished run of a prompt, as long as all have room in the memory."""
        size = trace_size(trace)
        if prompt in self.new and self.size + size <= MEMORY.most_bytes:
            assert self.record.correction is not None
            is_whole = self.record.correction.shares[prompt] is None
            self.runs.append(remembered_run(self.key, self.conditions, prompt, trace, is_whole=is_whole))
            self.size += size

    def remember(self) -> None:
        """Put the runs into the memory; last, so as the newest, those that others can follow."""
        MEMORY.add(self.model, sorted([*self.used, *self.runs], key=lambda run: run.sharing is None))
