"""Runs the levels of a plan, coarse to fine, with a fallback to sampling every prompt alone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..grouping.partition import parents_of
from ..sharing.plan import Level, SharePlan
from .correction import correct, residuals
from .job import Job
from .level_runner import LevelRunner
from .progress import Progress
from .replay_guider import RunResult
from .trace import ClusterTrace, ReplayMismatch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LevelsDone:
    """Levels of a plan that have been run before.

    Attributes:
        count: how many.
        traces: one trace per cluster of the last of them.
        of_others: whether the traces are of other prompts' runs, as those of prompts that were added later.
    """

    count: int = 0
    traces: Sequence[ClusterTrace] = ()
    of_others: bool = False


NOTHING_DONE = LevelsDone()


def run_levels(
    runner: LevelRunner, job: Job, plan: SharePlan, progress: Progress, *, end: int | None = None,
    done: LevelsDone = NOTHING_DONE, probed: Collection[int] = (),
) -> RunResult:  # fmt: skip
    """Run nested levels of a plan, coarse to fine.

    Args:
        end: the first level that is not run; None runs to the last.
        probed: the calls, by index, at which the answers that a level replays are corrected; none for no correction.

    Raises:
        ReplayMismatch: see `LevelRunner.run`.
    """
    result: RunResult | None = None
    traces, of_others = done.traces, done.of_others
    for depth, level in list(enumerate(plan.levels))[done.count : end]:
        progress.start_level(level, job.variations)
        parents = None
        if depth:
            above = plan.levels[depth - 1]
            origins = parents_of(level.clusters, above.clusters)
            parents = [traces[index] for index in origins]
            if probed:
                if depth == max(done.count, 1):
                    _check_that_it_repeats(runner, job, above, traces)
                apart = [
                    of_others or cluster != above.clusters[index]
                    for cluster, index in zip(level.clusters, origins, strict=True)
                ]
                parents = _corrected(runner, job, plan, level, parents, apart, progress)
        result = runner.run(job, level, parents, progress, keep_states=probed)
        traces, of_others = result.traces, False
    if result is None:
        raise ValueError("levels: expected at least one level to run, got none.")
    return result


def run_plan(
    runner: LevelRunner, job: Job, plan: SharePlan, progress: Progress, *,
    done: LevelsDone = NOTHING_DONE, probed: Collection[int] = (),
) -> tuple[RunResult, list[str]]:  # fmt: skip
    """Run what is left of a plan, or every prompt alone where the sampler does not repeat itself.

    Args:
        done, probed: as in `run_levels`.

    Returns:
        The rows, one per (prompt, variation), and warnings for the user.
    """
    try:
        return run_levels(runner, job, plan, progress, done=done, probed=probed), []
    except ReplayMismatch as mismatch:
        return run_levels(runner, job, SharePlan(plan.levels[-1:]), progress), [_warning(mismatch)]


def run_shared(
    runner: LevelRunner, job: Job, plan: SharePlan, progress: Progress, *, probed: Collection[int] = ()
) -> tuple[SharePlan, RunResult | None, list[str]]:
    """Run the shared levels of a plan, all but the last.

    Args:
        probed: as in `run_levels`.

    Returns:
        The plan to go on with (every prompt alone where the sampler does not repeat itself), the last shared
        level's result (None if the plan shares nothing), and warnings for the user.
    """
    if len(plan.levels) == 1:
        return plan, None, []
    try:
        return plan, run_levels(runner, job, plan, progress, end=len(plan.levels) - 1, probed=probed), []
    except ReplayMismatch as mismatch:
        return SharePlan(plan.levels[-1:]), None, [_warning(mismatch)]


def _check_that_it_repeats(runner: LevelRunner, job: Job, level: Level, traces: Sequence[ClusterTrace]) -> None:
    """Replay one cluster without correction, which costs no evaluation: corrected runs have no states to compare.

    Raises:
        ReplayMismatch: the sampler does not repeat itself.
    """
    index = next((index for index, trace in enumerate(traces) if trace), None)
    if index is not None:
        runner.run(job, Level((level.clusters[index],), level.branch_sigma), [traces[index]], Progress(None, 0))


def _corrected(
    runner: LevelRunner, job: Job, plan: SharePlan, level: Level, parents: Sequence[ClusterTrace],
    apart: Sequence[bool], progress: Progress,
) -> list[ClusterTrace]:  # fmt: skip
    """The traces that a level's clusters replay, corrected by probes of their own conditions.

    Args:
        parents: one trace per cluster.
        apart: per cluster whether its condition is another than that of the run it replays.
    """
    probed = {
        index: {at: call for at, call in enumerate(trace) if call.recorded.state is not None}
        for index, trace in enumerate(parents)
        if apart[index]
    }
    asking = [index for index, calls in probed.items() if calls]
    if not asking:
        return list(parents)
    clusters = Level(tuple(level.clusters[index] for index in asking), level.branch_sigma)
    calls = [[call.recorded for call in probed[index].values()] for index in asking]
    corrected = list(parents)
    for index, answers in zip(asking, runner.probe(job, clusters, calls, progress), strict=True):
        trace = parents[index]
        found = residuals(probed[index], dict(zip(probed[index], answers, strict=True)))
        corrected[index] = correct(trace, plan.level_of_calls([call.sigma for call in trace]), found)
    return corrected


def _warning(mismatch: ReplayMismatch) -> str:
    warning = (
        f"Nothing was shared: the run does not repeat itself ({mismatch}). A sampler that draws noise without "
        "the seed does that, or a patch that needs every evaluation. Every prompt was sampled alone instead."
    )
    log.warning("SAGE: %s", warning)
    return warning
