"""Reports as text that also reads well as Markdown: what was grouped, what was planned, what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .ambiguity import between_groups, contradicting, reading
from .groups import PromptGroups
from .homes import Home
from .plan import Cost, SharePlan

_MOST_DOUBTED = 10_000
"""Prompts in a list that is looked through for doubtful ones: seconds, and nobody reads a longer report."""
SHARE = 0.4
"""What savings are predicted for where no share has been chosen yet."""


@dataclass(frozen=True)
class Outcome:
    """A sampling run's plan and what came of it.

    Attributes:
        cost: predicted evaluations; None where the sampler's calls depend on the image.
        evaluations: those that reached the model so far.
        stands_for: for every prompt of the list the one of the plan that is rendered for it; empty if the plan
            has all of them.
        warnings: what the person should know.
    """

    plan: SharePlan
    cost: Cost | None
    steps: int
    variations: int
    evaluations: int = 0
    stands_for: tuple[int, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def repeats(self) -> int:
        """Prompts that another one stands for."""
        return max(0, len(self.stands_for) - self.plan.n_prompts)

    @property
    def alone(self) -> int | None:
        """Evaluations if every prompt of the list were sampled for itself; None where they cannot be predicted."""
        if self.cost is None:
            return None
        return self.cost.independent * (self.plan.n_prompts + self.repeats) // self.plan.n_prompts

    @property
    def saving(self) -> float | None:
        """Fraction of those evaluations that the plan saves."""
        return None if self.cost is None or not self.alone else 1 - self.cost.total / self.alone

    def expected(self, *, shared_only: bool = False) -> int:
        """Evaluations to show progress against; a guess of two a step where they cannot be predicted."""
        if self.cost is not None:
            return self.cost.total - (self.cost.per_level[-1] if shared_only else 0)
        return 2 * self.steps * self.variations * self.plan.n_prompts

    def finished(self, evaluations: int, warnings: Sequence[str]) -> Outcome:
        return replace(self, evaluations=evaluations, warnings=(*self.warnings, *warnings))


def sampling_report(outcome: Outcome) -> str:
    """Evaluations planned, done and saved, level by level."""
    plan, cost = outcome.plan, outcome.cost
    shared = count_of(len(plan.levels[0].clusters), "group") if len(plan.levels) > 1 else "nothing to share"
    lines = [
        f"{count_of(plan.n_prompts + outcome.repeats, 'prompt')} x {count_of(outcome.variations, 'variation')}, "
        f"{shared}, {count_of(outcome.steps, 'step')}",
        "",
    ]
    if cost is not None and cost.planning:
        lines.append(f"- planning: {count_of(cost.planning, 'evaluation')} to see what the groups disagree about")
    above = "start"
    for index, level in enumerate(plan.levels):
        below = "end" if level.branch_sigma is None else f"{level.branch_sigma:.4g}"
        evaluations = "" if cost is None else f", {count_of(cost.per_level[index], 'evaluation')}"
        name = "branch" if level.branch_sigma is None else "shared"
        rows = count_of(len(level.clusters) * outcome.variations, "row")
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
            saved = 1 - outcome.evaluations / outcome.alone if outcome.alone else 0.0
            lines.append(f"{done}, {outcome.alone} for every prompt alone: {saved:.1%} saved")
    if outcome.repeats:
        lines.append(f"- {count_of(outcome.repeats, 'repeated prompt')}: no evaluations of their own")
    return "\n".join([*lines, *(f"\nWarning: {warning}" for warning in outcome.warnings)])


def predicted_saving(prompts: Sequence[str], groups: int, *, share: float) -> float:
    """Fraction of the evaluations that a share saves; repeats cost nothing."""
    paid = share * groups + (1 - share) * len(set(prompts))
    return 1 - paid / len(prompts)


def _partings(outcome: Outcome) -> list[str]:
    """Who shares down to where, by the list's own numbers, if that is not the same for all."""
    if len(outcome.plan.levels) < 3:
        return []
    first: dict[int, int] = {}
    for number, prompt in enumerate(outcome.stands_for or range(outcome.plan.n_prompts), start=1):
        first.setdefault(prompt, number)
    return [
        f"- together to sigma {sigma:.4g}: prompts {shorten(', '.join(str(first[prompt]) for prompt in cluster), 80)}"
        for cluster, sigma in outcome.plan.branches
    ]


def grouping_report(groups: PromptGroups, *, share: float = SHARE) -> str:
    """Each group with its prompts and its tightest and loosest pair, and what sharing it would save."""
    saved = predicted_saving(groups.prompts, len(groups.partition), share=share)
    lines = [
        f"{count_of(len(groups.prompts), 'prompt')} in {count_of(len(groups.partition), 'group')} "
        f"(encoder {groups.encoder}, threshold {groups.threshold:.3f} {groups.threshold_mode}, "
        f"group condition {groups.group_condition})",
        f"predicted: {saved:.1%} of the evaluations saved at share {share:g}",
    ]
    own = {texts: prompt for texts, prompt, _ in groups.shared_prompts}
    doubts = _doubts(groups) if len(groups.prompts) <= _MOST_DOUBTED else {}
    if doubts:
        lines.append(f"look at {count_of(len(doubts), 'prompt')} in brackets: sharing may suit them less")
    for number, members in enumerate(groups.partition, start=1):
        tightest, loosest = groups.similarity_range(members)
        pairs = "" if len(members) == 1 else f", pairs {loosest:.3f} to {tightest:.3f}"
        lines += ["", f"Group {number}: {count_of(len(members), 'prompt')}{pairs}", ""]
        lines += [f"- {index + 1}: {shorten(groups.prompts[index])}{doubts.get(index, '')}" for index in members]
        if prompt := own.get(groups.texts(members)):
            lines.append(f"- shared steps under: {shorten(prompt)}")
    return "\n".join([*lines, *(f"\nNote: {note}" for note in groups.notes)])


def _doubts(groups: PromptGroups) -> dict[int, str]:
    """What is to be said behind a prompt."""
    said = {
        index: f" [also close to group {other + 1}: {there:.3f} on average, {here:.3f} to its own]"
        for index, (other, here, there) in between_groups(groups).items()
    }
    for members in groups.partition:
        for places in contradicting([reading(groups.prompts[index]) for index in members]):
            numbers = [members[at] + 1 for at in places]
            for at in places:
                others = ", ".join(str(number) for number in numbers if number != members[at] + 1)
                said[members[at]] = f" [as {shorten(others, 40)} but for a count or a negation]"
    return said


def joining_report(
    groups: PromptGroups, plan: SharePlan, prompts: Sequence[str], homes: Mapping[str, Home]
) -> str:
    """Which group of a prefix every new prompt joins, and which prompts are alone."""
    alone = sum(not homes[text].joins for text in prompts)
    together = len(prompts) - alone
    lines = [f"{count_of(len(prompts), 'new prompt')}: {together} with a group of the prefix, {alone} alone", ""]
    for number, text in enumerate(prompts, start=1):
        home = homes[text]
        nearest = f"group {home.group + 1} (similarity {home.similarity[0]:.3f} to {home.similarity[1]:.3f})"
        if not home.joins:
            nearest = f"alone; the nearest is {nearest}, the threshold is {groups.threshold:.3f}"
        elif home.path:
            nearest += f", together to sigma {plan.levels[len(home.path) - 1].branch_sigma:.4g}"
        lines.append(f"- {number}: {shorten(text)}: {nearest}")
    return "\n".join(lines)


def count_of(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def shorten(text: str, length: int = 300) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
