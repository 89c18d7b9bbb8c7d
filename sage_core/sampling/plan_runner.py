"""Runs the levels of a plan, coarse to fine, with a fallback to sampling every prompt alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..grouping.partition import parents_of
from ..sharing.plan import Level, SharePlan
from .job import Job
from .level_runner import LevelRunner
from .progress import Progress
from .replay_guider import RunResult
from .trace import ClusterTrace, ReplayMismatch

log = logging.getLogger(__name__)


def run_levels(
    engine: LevelRunner, job: Job, levels: Sequence[Level], progress: Progress, *,
    one_cluster_per_run: bool, above: Level | None = None, traces: Sequence[ClusterTrace] | None = None,
) -> RunResult:  # fmt: skip
    """Run nested levels, coarse to fine; the first continues `above`, whose clusters' traces are `traces`.

    Raises:
        ReplayMismatch: see `LevelRunner.run`.
    """
    result: RunResult | None = None
    for level in levels:
        parents = None
        if above is not None and traces is not None:
            parents = [traces[index] for index in parents_of(level.clusters, above.clusters)]
        progress.start_level(level, job.variations)
        result = engine.run(job, level, parents, progress, one_cluster_per_run=one_cluster_per_run)
        above, traces = level, result.traces
    if result is None:
        raise ValueError("levels: expected at least one level to run, got none.")
    return result


def run_plan(
    engine: LevelRunner, job: Job, plan: SharePlan, progress: Progress, *, one_cluster_per_run: bool,
    done: int = 0, traces: Sequence[ClusterTrace] | None = None,
) -> tuple[RunResult, list[str]]:  # fmt: skip
    """Run what is left of a plan, or every prompt alone where the sampler does not repeat itself.

    Args:
        done: levels already run; `traces` are those of the last of them.

    Returns:
        The rows, one a (prompt, variation), and warnings for the person.
    """
    above = plan.levels[done - 1] if done else None
    traces = traces if done else None
    try:
        result = run_levels(
            engine,
            job,
            plan.levels[done:],
            progress,
            one_cluster_per_run=one_cluster_per_run,
            above=above,
            traces=traces,
        )
    except ReplayMismatch as mismatch:
        return run_levels(engine, job, plan.levels[-1:], progress, one_cluster_per_run=one_cluster_per_run), [
            _warning(mismatch)
        ]
    return result, []


def run_shared(
    engine: LevelRunner, job: Job, plan: SharePlan, progress: Progress, *, one_cluster_per_run: bool
) -> tuple[SharePlan, RunResult | None, list[str]]:
    """Run the shared levels of a plan, all but the last.

    Returns:
        The plan to go on with (every prompt alone where the sampler does not repeat itself), the last shared
        level's result (None if the plan shares nothing), and warnings for the person.
    """
    if len(plan.levels) == 1:
        return plan, None, []
    try:
        return plan, run_levels(engine, job, plan.levels[:-1], progress, one_cluster_per_run=one_cluster_per_run), []
    except ReplayMismatch as mismatch:
        return SharePlan(plan.levels[-1:]), None, [_warning(mismatch)]


def _warning(mismatch: ReplayMismatch) -> str:
    warning = (
        f"Nothing was shared: the run does not repeat itself ({mismatch}). A sampler that draws noise without "
        "the seed does that, or a patch that needs every evaluation. Every prompt was sampled alone instead."
    )
    log.warning("SAGE: %s", warning)
    return warning
