"""The report of a sampling run, as text that also reads well as Markdown."""

from __future__ import annotations

from ..phrases import counted, saved_fraction, shorten
from ..sharing.sampling_record import SamplingRecord


def sampling_report(record: SamplingRecord) -> str:
    """Evaluations planned, made and saved, level by level."""
    plan, cost = record.plan, record.cost
    shared = counted(len(plan.levels[0].clusters), "group") if len(plan.levels) > 1 else "nothing to share"
    lines = [
        f"{counted(plan.n_prompts + record.repeats, 'prompt')} x {counted(record.variations, 'variation')}, "
        f"{shared}, {counted(record.steps, 'step')}",
        "",
    ]
    if cost is not None and cost.planning:
        lines.append(f"- planning: {counted(cost.planning, 'evaluation')} to measure how the groups' pictures differ")
    for index, (level, sigmas) in enumerate(zip(plan.levels, plan.sigma_ranges, strict=True)):
        evaluations = "" if cost is None else f", {counted(cost.per_level[index], 'evaluation')}"
        name = "branch" if level.branch_sigma is None else "shared"
        lines.append(f"- {name}: {sigmas}, {counted(len(level.clusters) * record.variations, 'row')}{evaluations}")
    if cost is not None and any(cost.probes):
        lines.append(f"- correction: {counted(sum(cost.probes), 'evaluation')} to correct the shared steps per prompt")
    lines += [*_branches(record), _evaluations(record)]
    if record.repeats:
        lines.append(f"- {counted(record.repeats, 'repeated prompt')}: no evaluations of their own")
    return "\n".join([*lines, *(f"\nWarning: {warning}" for warning in record.warnings)])


def _evaluations(record: SamplingRecord) -> str:
    """The line that compares the evaluations made with those planned, and with sampling every prompt alone."""
    cost, baseline = record.cost, record.baseline_evaluations
    if cost is None or baseline is None:
        return f"- evaluations: {record.evaluations} done (the number cannot be predicted for this sampler)"
    done = f"- evaluations: {record.evaluations} done, {cost.total} planned"
    if record.evaluations > cost.total:
        return f"{done}: something evaluates the model more often, or steps had to be done again"
    return f"{done}, {baseline} for every prompt alone: {saved_fraction(record.evaluations, baseline):.1%} saved"


def _branches(record: SamplingRecord) -> list[str]:
    """Which prompts share down to which sigma, by their numbers in the list, if that is not the same for all."""
    if len(record.plan.levels) < 3:
        return []
    first: dict[int, int] = {}
    for number, prompt in enumerate(record.representative_of or range(record.plan.n_prompts), start=1):
        first.setdefault(prompt, number)
    return [
        f"- together to sigma {sigma:.4g}: prompts {shorten(', '.join(str(first[prompt]) for prompt in cluster), 80)}"
        for cluster, sigma in record.plan.branches
    ]
