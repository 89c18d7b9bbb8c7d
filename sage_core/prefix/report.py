"""The report of Add Prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..grouping.prompt_groups import PromptGroups
from ..phrases import count_of, shorten
from ..sharing.plan import SharePlan
from .assign import Home


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
