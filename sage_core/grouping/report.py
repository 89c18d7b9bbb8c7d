"""The report of Semantic Group Prompts, as text that also reads well as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ..phrases import counted, shorten
from .ambiguity import borderline_prompts, modifier_conflicts, split_modifiers
from .prompt_groups import PromptGroups

# Prompts in a list that is looked through for doubtful ones: seconds, and nobody reads a longer report.
_MOST_DOUBTED = 10_000
# What savings are predicted for where no share has been chosen yet.
SHARE = 0.4


def predicted_saving(prompts: Sequence[str], groups: int, *, share: float) -> float:
    """Fraction of the evaluations that a share saves; repeats cost nothing."""
    paid = share * groups + (1 - share) * len(set(prompts))
    return 1 - paid / len(prompts)


def grouping_report(groups: PromptGroups, *, share: float = SHARE) -> str:
    """Each group with its prompts and its tightest and loosest pair, and what sharing it would save."""
    saved = predicted_saving(groups.prompts, len(groups.partition), share=share)
    lines = [
        f"{counted(len(groups.prompts), 'prompt')} in {counted(len(groups.partition), 'group')} "
        f"(encoder {groups.encoder}, threshold {groups.threshold:.3f} {groups.threshold_mode}, "
        f"group condition {groups.group_condition})",
        f"predicted: {saved:.1%} of the evaluations saved at share {share:g}",
    ]
    own = {texts: prompt for texts, prompt, _ in groups.shared_prompts}
    doubts = _doubts(groups) if len(groups.prompts) <= _MOST_DOUBTED else {}
    if doubts:
        lines.append(f"look at {counted(len(doubts), 'prompt')} in brackets: sharing may suit them less")
    for number, members in enumerate(groups.partition, start=1):
        tightest, loosest = groups.similarity_range(members)
        pairs = "" if len(members) == 1 else f", pairs {loosest:.3f} to {tightest:.3f}"
        lines += ["", f"Group {number}: {counted(len(members), 'prompt')}{pairs}", ""]
        lines += [f"- {index + 1}: {shorten(groups.prompts[index])}{doubts.get(index, '')}" for index in members]
        if prompt := own.get(groups.texts(members)):
            lines.append(f"- shared steps under: {shorten(prompt)}")
    return "\n".join([*lines, *(f"\nNote: {note}" for note in groups.notes)])


def _doubts(groups: PromptGroups) -> dict[int, str]:
    """What is to be said behind a prompt."""
    said = {
        index: f" [also close to group {other + 1}: {there:.3f} on average, {here:.3f} to its own]"
        for index, (other, here, there) in borderline_prompts(groups).items()
    }
    for members in groups.partition:
        for places in modifier_conflicts([split_modifiers(groups.prompts[index]) for index in members]):
            numbers = [members[at] + 1 for at in places]
            for at in places:
                others = ", ".join(str(number) for number in numbers if number != members[at] + 1)
                said[members[at]] = f" [as {shorten(others, 40)} but for a count or a negation]"
    return said
