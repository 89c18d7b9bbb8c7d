"""The report of Semantic Group Prompts, as text that also reads well as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ..phrases import counted, saved_fraction, shorten, with_notes
from ..prompts.notes import list_notes
from .ambiguity import borderline_prompts, modifier_conflicts, split_modifiers
from .prompt_groups import PromptGroups

# Doubtful prompts are looked for in lists up to this length: longer ones take seconds, and nobody reads the report.
_MOST_CHECKED = 10_000
# Other prompts that a remark can name.
_MOST_NAMED = 20
# Characters of a prompt in the report.
_LONGEST = 300
# The share that savings are predicted for, where none has been chosen yet.
SHARE = 0.4


def predicted_saving(prompts: Sequence[str], groups: int, *, share: float) -> float:
    """Fraction of the evaluations that a share saves; repeated prompts cost nothing."""
    return saved_fraction(share * groups + (1 - share) * len(set(prompts)), len(prompts))


def grouping_report(groups: PromptGroups, *, share: float | None = SHARE) -> str:
    """Each group with its prompts and the range of its similarities, and what sharing would save.

    Args:
        share: to predict the saving for; None for no prediction.
    """
    lines = [
        f"{counted(len(groups.prompts), 'prompt')} in {counted(len(groups.partition), 'group')} "
        f"(encoder {groups.encoder}, threshold {groups.threshold:.3f} {groups.threshold_mode}, "
        f"group condition {groups.group_condition})",
    ]
    if share is not None:
        saved = predicted_saving(groups.prompts, len(groups.partition), share=share)
        lines.append(f"predicted, without correction: {saved:.1%} of the evaluations saved at share {share:g}")
    if groups.set_aside:
        lines.append(f"compared by what differs, without what most prompts repeat: {', '.join(groups.set_aside)}")
    names = groups.labels(_LONGEST)
    shared = {texts: prompt for texts, prompt, _ in groups.shared_prompts}
    if len(groups.prompts) <= _MOST_CHECKED:
        remarks = _remarks(groups)
    else:
        remarks = {}
        lines.append(f"doubtful prompts are marked in lists of up to {_MOST_CHECKED:,} prompts only")
    if remarks:
        lines.append(
            f"please check {counted(len(remarks), 'prompt')} with a remark in brackets: sharing may not suit them"
        )
    for number, members in enumerate(groups.partition, start=1):
        tightest, loosest = groups.similarity_range(members)
        pairs = "" if len(members) == 1 else f", pairs {loosest:.3f} to {tightest:.3f}"
        lines += ["", f"Group {number}: {counted(len(members), 'prompt')}{pairs}", ""]
        lines += [f"- {index + 1}: {shorten(names[index], _LONGEST)}{remarks.get(index, '')}" for index in members]
        if prompt := shared.get(groups.texts(members)):
            lines.append(f"- shared steps under: {shorten(prompt)}")
    return with_notes("\n".join(lines), (*groups.notes, *list_notes(groups.prompts)))


def _remarks(groups: PromptGroups) -> dict[int, str]:
    """What the report prints after doubtful prompts."""
    remarks = {
        index: f" [also close to group {other + 1}: {there:.3f} on average, {here:.3f} to its own]"
        for index, (other, here, there) in borderline_prompts(groups).items()
    }
    for members in groups.partition:
        for places in modifier_conflicts([split_modifiers(groups.prompts[index]) for index in members]):
            numbers = [members[at] + 1 for at in places]
            for at in places:
                others = ", ".join(str(number) for number in numbers[:_MOST_NAMED] if number != members[at] + 1)
                remarks[members[at]] = f" [differs from {shorten(others, 40)} in a count or a negation only]"
    return remarks
