"""Runs the levels of a plan, coarse to fine, with a fallback to sampling every prompt alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..grouping.partition import parents_of
from ..sharing.correction_plan import CorrectionPlan
from ..sharing.plan import Level, SharePlan
from .job import Job
from .level_runner import LevelRunner
from .progress import Progress
from .replay_guider import RunResult
from .trace import ClusterTrace, ReplayMismatch

log = logging.getLogger(__name__)


def run_levels(
    runner: LevelRunner, job: Job, levels: Sequence[Level], progress: Progress, *,
    above: Level | None = None, traces: Sequence[ClusterTrace] | None = None,
    correction: CorrectionPlan | None = None,
) -> RunResult:  # fmt: skip
    """Run nested levels, coarse to fine; the first continues `above`, whose clusters' traces are `traces`.

    Args:
        traces: where nothing is above, what is known of the first level's clusters.
        correction: how the prompts of the last level follow the one above; None for no correction.

    Raises:
        ReplayMismatch: see `LevelRunner.run`.
    """
    result: RunResult | None = None
    for level in levels:
        parents = traces or None  # empty after a prefix that shared nothing
        if above is not None and traces is not None:
            parents = [traces[index] for index in parents_of(level.clusters, above.clusters)]
        progress.start_level(level, job.variations)
        follows = parents is not None and level.branch_sigma is None
        result = runner.run(job, level, parents, progress, correction if follows else None)
        above, traces = level, result.traces
    if result is None:
        raise ValueError("levels: expected at least one level to run, got none.")
    return result


def run_plan(
    runner: LevelRunner, job: Job, plan: SharePlan, progress: Progress, *,
    levels_done: int = 0, traces: Sequence[ClusterTrace] | None = None, correction: CorrectionPlan | None = None,
) -> tuple[RunResult, list[str]]:  # fmt: skip
    """Run what is left of a plan, or every prompt alone where the sampler does not repeat itself.

    Args:
        levels_done: levels already run; `traces` are those of the last of them, or as in `run_levels`.
        correction: as in `run_levels`.

    Returns:
        The rows, one per (prompt, variation), and warnings for the user.
    """
    above = plan.levels[levels_done - 1] if levels_done else None
    try:
        levels = plan.levels[levels_done:]
        return run_levels(runner, job, levels, progress, above=above, traces=traces, correction=correction), []
    except ReplayMismatch as mismatch:
        return run_levels(runner, job, plan.levels[-1:], progress), [_warning(mismatch)]


def run_shared(
    runner: LevelRunner, job: Job, plan: SharePlan, progress: Progress, traces: Sequence[ClusterTrace] | None = None
) -> tuple[SharePlan, RunResult | None, list[str]]:
    """Run the shared levels of a plan, all but the last; `traces` as in `run_levels`.

    Returns:
        The plan to go on with (every prompt alone where the sampler does not repeat itself), the last shared
        level's result (None if the plan shares nothing), and warnings for the user.
    """
    if len(plan.levels) == 1:
        return plan, None, []
    try:
        return plan, run_levels(runner, job, plan.levels[:-1], progress, traces=traces), []
    except ReplayMismatch as mismatch:
        return SharePlan(plan.levels[-1:]), None, [_warning(mismatch)]


def _warning(mismatch: ReplayMismatch) -> str:
    warning = (
        f"Nothing was shared: the run does not repeat itself ({mismatch}). A sampler that draws noise without "
        "the seed does that, or a patch that needs every evaluation. Every prompt was sampled alone instead."
    )
    log.warning("SAGE: %s", warning)
    return warning
