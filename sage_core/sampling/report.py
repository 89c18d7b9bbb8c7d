"""The report of a sampling run, as text that also reads well as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ..phrases import counted, saved_fraction, shorten
from ..sharing.correction_plan import CorrectionPlan
from ..sharing.plan import Cost, SharePlan
from ..sharing.sampling_record import SamplingRecord


def sampling_report(record: SamplingRecord) -> str:
    """Evaluations planned, made and saved, level by level."""
    plan = record.plan
    shared = counted(len(plan.levels[0].clusters), "group") if len(plan.levels) > 1 else "nothing to share"
    if any(record.remembered):  # then its clusters are parts of groups
        shared = "with earlier renders"
    lines = [
        f"{counted(plan.n_prompts + record.repeats, 'prompt')} x {counted(record.variations, 'variation')}, "
        f"{shared}, {counted(record.steps, 'step')}",
        "",
    ]
    lines += _levels(record) if record.correction is None else _corrected(record, record.correction)
    lines += [*_branches(record), _evaluations(record)]
    if record.repeats:
        lines.append(f"- {counted(record.repeats, 'repeated prompt')}: no evaluations of their own")
    return "\n".join([*lines, *(f"\nWarning: {warning}" for warning in record.warnings)])


def _levels(record: SamplingRecord) -> list[str]:
    """Down to which sigma the rows of every level go, and what that takes."""
    cost, lines = record.cost, []
    if cost is not None and cost.planning:
        lines.append(f"- planning: {counted(cost.planning, 'evaluation')} to measure how the groups' pictures differ")
    for index, (level, sigmas) in enumerate(zip(record.plan.levels, record.plan.sigma_ranges, strict=True)):
        evaluations = "" if cost is None else f", {counted(cost.per_level[index], 'evaluation')}"
        name = "branch" if level.branch_sigma is None else "shared"
        lines.append(f"- {name}: {sigmas}, {counted(len(level.clusters) * record.variations, 'row')}{evaluations}")
    return lines


def _corrected(record: SamplingRecord, correction: CorrectionPlan) -> list[str]:
    """What the groups' whole runs and the prompts' own calls take, and how far off the answers were that they took."""
    assert record.cost is not None
    runs, evaluations = _whole_runs(record.plan, record.cost)
    prompts = correction.following
    lines = _earlier(record)
    if runs or not any(record.remembered):
        whole = counted(runs * record.variations, "whole run")
        lines.append(f"- shared: {whole}, {counted(evaluations, 'evaluation')}")
    if prompts:
        own = sorted({len(correction.own_calls(prompt)) for prompt in prompts})
        each = f"{own[0]}" if len(own) == 1 else f"{own[0]} to {own[-1]}"
        if correction.is_controlled:
            each = "as few as the share tolerates"
        most = "at most " if correction.is_controlled else ""
        lines.append(
            f"- own calls: {counted(len(prompts), 'prompt')} with {each} of {correction.calls}, "
            f"{most}{counted(record.cost.corrections, 'evaluation')}"
        )
    if any(record.errors):
        worst = max(range(len(record.errors)), key=lambda prompt: record.errors[prompt])
        lines.append(
            f"- estimated error: at most {record.errors[worst]:.1%} of the picture between two own calls "
            f"(prompt {record.number(worst)})"
        )
    return lines


def _whole_runs(plan: SharePlan, cost: Cost) -> tuple[int, int]:
    """How many clusters are run in full, where no earlier render did it, and their evaluations."""
    clusters = len(plan.levels[0].clusters) if len(plan.levels) > 1 else 0
    evaluations = cost.per_level[0] - cost.remembered
    return evaluations * clusters // cost.per_level[0] if cost.remembered else clusters, evaluations


def _earlier(record: SamplingRecord) -> list[str]:
    """Which prompts take or follow the runs of earlier renders."""
    taken = record.rendered_earlier
    lines = [f"- rendered earlier: {_named(record, taken)}, no evaluations"] if taken else []
    lines += [f"- {_named(record, prompts)}: following the earlier render of {shorten(text, 80)!r}"
              for text, prompts in record.following_earlier.items()]  # fmt: skip
    if record.remembered and not lines:
        lines.append("- earlier renders: none has these settings, this seed and a similar prompt")
    return lines


def _named(record: SamplingRecord, prompts: Sequence[int]) -> str:
    """Prompts of the plan by their numbers in the user's list: "prompt 3", "prompts 1, 4"."""
    numbers = ", ".join(str(record.number(prompt)) for prompt in prompts)
    return f"prompt{'' if len(prompts) == 1 else 's'} {shorten(numbers, 80)}"


def _evaluations(record: SamplingRecord) -> str:
    """The line that compares the evaluations made with those planned, and with sampling every prompt alone."""
    cost, baseline = record.cost, record.baseline_evaluations
    if cost is None or baseline is None:
        return f"- evaluations: {record.evaluations} done (the number cannot be predicted for this sampler)"
    done = f"- evaluations: {record.evaluations} done, {'at most ' if cost.is_bound else ''}{cost.total} planned"
    if record.evaluations > cost.total:
        return f"{done}: something evaluates the model more often, or steps had to be done again"
    return f"{done}, {baseline} for every prompt alone: {saved_fraction(record.evaluations, baseline):.1%} saved"


def _branches(record: SamplingRecord) -> list[str]:
    """Which prompts share down to which sigma, by their numbers in the list, if that is not the same for all."""
    if len(record.plan.levels) < 3:
        return []
    return [f"- together to sigma {sigma:.4g}: {_named(record, cluster)}" for cluster, sigma in record.plan.branches]
