"""The report of a sampling run, as text that also reads well as Markdown."""

from __future__ import annotations

from ..phrases import counted, shorten
from ..sharing.sampling_record import SamplingRecord


def sampling_report(outcome: SamplingRecord) -> str:
    """Evaluations planned, done and saved, level by level."""
    plan, cost = outcome.plan, outcome.cost
    shared = counted(len(plan.levels[0].clusters), "group") if len(plan.levels) > 1 else "nothing to share"
    lines = [
        f"{counted(plan.n_prompts + outcome.repeats, 'prompt')} x {counted(outcome.variations, 'variation')}, "
        f"{shared}, {counted(outcome.steps, 'step')}",
        "",
    ]
    if cost is not None and cost.planning:
        lines.append(f"- planning: {counted(cost.planning, 'evaluation')} to see what the groups disagree about")
    above = "start"
    for index, level in enumerate(plan.levels):
        below = "end" if level.branch_sigma is None else f"{level.branch_sigma:.4g}"
        evaluations = "" if cost is None else f", {counted(cost.per_level[index], 'evaluation')}"
        name = "branch" if level.branch_sigma is None else "shared"
        rows = counted(len(level.clusters) * outcome.variations, "row")
        lines.append(f"- {name}: sigma {above} to {below}, {rows}{evaluations}")
        above = below
    lines += _partings(outcome)
    if cost is None:
        lines.append(f"- evaluations: {outcome.evaluations} done (this sampler's number cannot be planned)")
    else:
        done = f"- evaluations: {outcome.evaluations} done, {cost.total} planned"
        if outcome.evaluations > cost.total:
            lines.append(f"{done}: something evaluates the model more often, or steps had to be done again")
        else:
            saved = 1 - outcome.evaluations / outcome.baseline_evaluations if outcome.baseline_evaluations else 0.0
            lines.append(f"{done}, {outcome.baseline_evaluations} for every prompt alone: {saved:.1%} saved")
    if outcome.repeats:
        lines.append(f"- {counted(outcome.repeats, 'repeated prompt')}: no evaluations of their own")
    return "\n".join([*lines, *(f"\nWarning: {warning}" for warning in outcome.warnings)])


def _partings(outcome: SamplingRecord) -> list[str]:
    """Who shares down to where, by the list's own numbers, if that is not the same for all."""
    if len(outcome.plan.levels) < 3:
        return []
    first: dict[int, int] = {}
    for number, prompt in enumerate(outcome.representative_of or range(outcome.plan.n_prompts), start=1):
        first.setdefault(prompt, number)
    return [
        f"- together to sigma {sigma:.4g}: prompts {shorten(', '.join(str(first[prompt]) for prompt in cluster), 80)}"
        for cluster, sigma in outcome.plan.branches
    ]
