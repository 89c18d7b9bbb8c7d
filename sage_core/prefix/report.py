"""The report of Add Prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..grouping.prompt_groups import PromptGroups
from ..phrases import counted, shorten
from ..sharing.plan import SharePlan
from .assign import Assignment


def joining_report(
    groups: PromptGroups, plan: SharePlan, prompts: Sequence[str], assignments: Mapping[str, Assignment]
) -> str:
    """Which group of a prefix every new prompt joins, and which prompts are sampled alone."""
    alone = sum(not assignments[text].is_assigned for text in prompts)
    together = len(prompts) - alone
    lines = [f"{counted(len(prompts), 'new prompt')}: {together} with a group of the prefix, {alone} alone", ""]
    for number, text in enumerate(prompts, start=1):
        assignment = assignments[text]
        least, most = assignment.similarity
        nearest = f"group {assignment.group + 1} (similarity {least:.3f} to {most:.3f})"
        if not assignment.is_assigned:
            nearest = f"alone; the nearest is {nearest}, the threshold is {groups.threshold:.3f}"
        elif assignment.clusters:
            branch_sigma = plan.levels[len(assignment.clusters) - 1].branch_sigma
            nearest += f", together to sigma {branch_sigma:.4g}" if branch_sigma else ", follows its run"
        lines.append(f"- {number}: {shorten(text)}: {nearest}")
    return "\n".join(lines)
