"""Says what a good share is, and shows what that was seen from."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..grouping.prompt_groups import PromptGroups
from ..images.comparison_grid import comparison_grid
from .explore import Result

# Steps by which costs that are meant to be the same differ: a run has whole steps.
_SAME = 0.5


def good_share(results: Sequence[Result], tolerance: float) -> float:
    """The largest share whose pictures, with correction, differ by no more than the tolerance; 0 where none does."""
    fits = (each.setting.share for each in results if each.setting.correction == "on" and each.difference <= tolerance)
    return max(fits, default=0.0)


def exploration_report(results: Sequence[Result], tolerance: float) -> str:
    """The advice, then a table of all settings by cost."""
    score = results[0].score is not None
    lines = [
        *_advice(results, tolerance),
        "",
        "| setting | steps paid per image | difference (worst) |" + (" text score |" if score else ""),
        "|---|---|---|" + ("---|" if score else ""),
    ]
    for each in sorted(results, key=lambda result: -result.paid):
        difference = f"{each.difference:.1%} ({each.worst:.1%})" if each is not results[0] else ""
        cells = [each.setting.title, f"{each.paid:.1f}", difference, *([f"{each.score:.1f}"] if score else [])]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Difference: root mean square over the pixels, from the picture of the same prompt and noise alone in "
        f"{results[0].setting.steps} steps. Steps paid: evaluations of the model, in steps of one image.",
    ]
    return "\n".join(lines)


def exploration_grid(groups: PromptGroups, results: Sequence[Result], size: int) -> torch.Tensor:
    """All pictures on one sheet, (1, height, width, 3), a column for each setting.

    Args:
        size: longest side of a picture in pixels, see `comparison_grid`.
    """
    titles = [each.setting.title for each in results]
    return comparison_grid(
        groups, {title: each.images for title, each in zip(titles, results, strict=True)}, titles, size
    )


def _advice(results: Sequence[Result], tolerance: float) -> list[str]:
    """What to do, the honest alternative first."""
    alone = [each for each in results[1:] if not each.setting.share and each.difference <= tolerance]
    fewer = min(alone, key=lambda result: result.paid, default=None)
    fits = [each for each in results if each.setting.share and each.difference <= tolerance]
    shared = min(fits, key=lambda result: result.paid, default=None)
    lines = []
    if fewer is not None and (shared is None or fewer.paid <= shared.paid + _SAME):
        lines.append(
            f"Fewer steps are enough: {fewer.setting.steps} steps for every prompt alone differ by "
            f"{fewer.difference:.1%}, for {fewer.paid:.1f} steps paid."
        )
    if shared is None:
        lines.append(f"No share keeps the pictures within {tolerance:.1%}. Try smaller shares or more steps.")
    else:
        lines.append(
            f"Sharing: {shared.setting.share:.0%} with correction {shared.setting.correction} differs by "
            f"{shared.difference:.1%}, for {shared.paid:.1f} steps paid."
        )
    return lines
