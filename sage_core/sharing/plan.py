"""The plan: who shares which model evaluations, as plain data that predicts its own cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..grouping.partition import Cluster, Partition, parents_of


@dataclass(frozen=True)
class Level:
    """One partition of the prompts, and the branch sigma down to which it holds.

    Attributes:
        clusters: prompt indices, one tuple per cluster; together every prompt once.
        branch_sigma: evaluations at a sigma above it are made once per cluster; None in the last level, which runs
            to the end.
    """

    clusters: Partition
    branch_sigma: float | None


@dataclass(frozen=True)
class Cost:
    """Model evaluations: one row through the model once, for one of cond and uncond.

    Attributes:
        per_level: evaluations of each level, coarse to fine.
        without_sharing: evaluations if every prompt were sampled alone.
        planning: evaluations that making the plan took.
        corrections: evaluations of the prompts' own calls, where they follow their groups' runs.
        is_bound: whether there can be fewer corrections.
        remembered: evaluations of levels that are not made, as earlier renders made them.
    """

    per_level: tuple[int, ...]
    without_sharing: int
    planning: int = 0
    corrections: int = 0
    is_bound: bool = False
    remembered: int = 0

    @property
    def total(self) -> int:
        """All evaluations to be made, those of planning and corrections included."""
        return self.planning + sum(self.per_level) + self.corrections - self.remembered


@dataclass(frozen=True)
class SharePlan:
    """Nested partitions of the prompts, coarse to fine, each down to its branch sigma.

    Every cluster runs once per variation, so a row of a level is a (cluster, variation).

    Raises:
        ValueError: the partitions are not nested, miss a prompt or do not end with every prompt alone, or their
            sigmas do not fall.
    """

    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("plan: expected at least one level, got none.")
        if self.levels[-1].branch_sigma is not None:
            raise ValueError("plan: the last level must run to the end (branch_sigma None).")
        sigmas = [level.branch_sigma for level in self.levels[:-1]]
        known = [sigma for sigma in sigmas if sigma is not None]
        if len(known) < len(sigmas) or any(a <= b for a, b in zip(known, known[1:], strict=False)):
            raise ValueError(f"plan: branch sigmas must fall from level to level, got {sigmas}.")
        prompts = range(self.n_prompts)
        for level in self.levels:
            if sorted(index for cluster in level.clusters for index in cluster) != list(prompts):
                raise ValueError(f"plan: every level must hold prompts 0 to {len(prompts) - 1} once each.")
        if self.levels[-1].clusters != tuple((prompt,) for prompt in prompts):
            raise ValueError("plan: the last level must be every prompt alone, in the prompts' order.")
        for coarse, fine in zip(self.levels, self.levels[1:], strict=False):
            parents_of(fine.clusters, coarse.clusters)

    @property
    def n_prompts(self) -> int:
        """Number of prompts."""
        return sum(len(cluster) for cluster in self.levels[-1].clusters)

    @property
    def branches(self) -> list[tuple[Cluster, float]]:
        """Every cluster that shares anything, with the branch sigma at which it parts; see `from_branches`."""
        found = []
        for level, finer in zip(self.levels, self.levels[1:], strict=False):
            whole = set(finer.clusters)
            parting = [cluster for cluster in level.clusters if cluster not in whole]
            found += [(cluster, level.branch_sigma) for cluster in parting if level.branch_sigma is not None]
        return found

    @classmethod
    def from_branches(cls, branches: Iterable[tuple[Cluster, float | None]], n_prompts: int) -> SharePlan:
        """A plan from clusters that are disjoint or nested, each with its own branch sigma.

        A prompt is evaluated with the largest of its clusters that has not branched yet. So an inner cluster matters
        only if it branches later than the clusters around it. Every sigma at which a cluster parts makes a level.

        Args:
            branches: clusters of prompts 0 to `n_prompts` - 1 and their branch sigmas; None does not share at all.

        Raises:
            ValueError: clusters cross, or hold a prompt that is not there.
        """
        sharing = [(cluster, sigma) for cluster, sigma in branches if sigma is not None and len(cluster) > 1]
        levels = [Level(_largest([], n_prompts), None)]
        for sigma in sorted({sigma for _, sigma in sharing}):
            partition = _largest([cluster for cluster, own in sharing if own <= sigma], n_prompts)
            if partition != levels[0].clusters:
                levels.insert(0, Level(partition, sigma))
        return cls(tuple(levels))

    def level_of_calls(self, call_sigmas: Sequence[float]) -> list[int]:
        """Which level answers each call of the sampler: the first whose branch sigma is below the call's sigma.

        Levels never go back up: a sampler that evaluates at a higher sigma again has left the shared state.
        """
        levels, current = [], 0
        for sigma in call_sigmas:
            while is_past(sigma, self.levels[current].branch_sigma):
                current += 1
            levels.append(current)
        return levels

    def cost(self, call_sigmas: Sequence[float], *, variations: int, evaluations_per_row: int) -> Cost:
        """Evaluations that this plan needs for a sampler that calls the model at `call_sigmas`.

        Args:
            call_sigmas: sigma of every model call of one run, in order (a second-order sampler has two a step).
            variations: images per prompt.
            evaluations_per_row: 2 with a negative prompt (CFG), 1 without.
        """
        calls = self.level_of_calls(call_sigmas)
        a_cluster = variations * evaluations_per_row
        per_level = tuple(
            calls.count(index) * len(level.clusters) * a_cluster for index, level in enumerate(self.levels)
        )
        return Cost(per_level, len(calls) * self.n_prompts * a_cluster)

    @property
    def sigma_ranges(self) -> list[str]:
        """For every level the sigmas it runs through, as text: "sigma start to 1.6"."""
        ends = ["end" if level.branch_sigma is None else f"{level.branch_sigma:.4g}" for level in self.levels]
        return [f"sigma {above} to {below}" for above, below in zip(["start", *ends], ends, strict=False)]

    def __str__(self) -> str:
        return "\n".join(
            f"{sigmas}: {len(level.clusters)} clusters"
            for sigmas, level in zip(self.sigma_ranges, self.levels, strict=True)
        )


def _largest(clusters: Iterable[Cluster], n_prompts: int) -> Partition:
    """The clusters that no other one contains, and the prompts that are in none, by their first prompts."""
    found: list[Cluster] = []
    taken: set[int] = set()
    for cluster in sorted(clusters, key=len, reverse=True):
        if taken.isdisjoint(cluster):
            found.append(cluster)
            taken.update(cluster)
        elif not taken.issuperset(cluster):
            raise ValueError(f"plan: prompts {cluster} cross another cluster; expected nested or disjoint ones.")
    alone = [(prompt,) for prompt in range(n_prompts) if prompt not in taken]
    return tuple(sorted([*found, *alone], key=min))


def is_past(sigma: float, branch_sigma: float | None) -> bool:
    """Whether a call at `sigma` belongs to a finer level; with a small tolerance, since samplers go through logs."""
    return branch_sigma is not None and sigma <= branch_sigma * (1 + 1e-5)


def branch_index(share: float, steps: int) -> int:
    """The number of shared steps, k = round(share * steps).

    Raises:
        ValueError: share outside 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share: expected a fraction of the steps from 0 to 1, got {share}.")
    return round(share * steps)
