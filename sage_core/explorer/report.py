"""Says what a good share is, and shows what that was seen from."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..grouping.prompt_groups import PromptGroups
from ..images.comparison_grid import comparison_grid
from ..phrases import counted
from .explore import Result

# Steps by which costs that are meant to be the same differ: a run has whole steps.
_SAME = 0.5


def good_share(results: Sequence[Result], tolerance: float) -> float:
    """The largest share that saves and whose pictures, with correction, differ by no more than the tolerance; or 0."""
    return max(
        (each.setting.share for each in _good(results, tolerance) if each.setting.correction == "on"), default=0.0
    )


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
        f"{counted(results[0].setting.steps, 'step')}. Steps paid: evaluations of the model, in steps of one image.",
    ]
    return "\n".join([*lines, *_warnings(results)])


def exploration_grid(groups: PromptGroups, results: Sequence[Result], size: int) -> torch.Tensor:
    """All pictures on one sheet, (1, height, width, 3), a column for each setting.

    Args:
        size: longest side of a picture in pixels, see `comparison_grid`.
    """
    titles = [each.setting.title for each in results]
    batches = {f"setting {number}": each.images for number, each in enumerate(results, start=1)}
    return comparison_grid(groups, batches, titles, size)


def _advice(results: Sequence[Result], tolerance: float) -> list[str]:
    """What to do, the honest alternative first."""
    good = _good(results, tolerance)
    fewer = min((each for each in good if not each.setting.share), key=lambda result: result.paid, default=None)
    shared = min((each for each in good if each.setting.share), key=lambda result: result.paid, default=None)
    lines = []
    if fewer is not None and (shared is None or fewer.paid <= shared.paid + _SAME):
        lines.append(
            f"Fewer steps are enough: {counted(fewer.setting.steps, 'step')} for every prompt alone differ by "
            f"{fewer.difference:.1%}, for {fewer.paid:.1f} steps paid."
        )
    if not any(each.setting.share for each in _saving(results)):
        lines.append("Sharing saves nothing here: every share costs as much as every prompt alone.")
    elif shared is None:
        lines.append(f"No share keeps the pictures within {tolerance:.1%}. Try smaller shares or more steps.")
    else:
        lines.append(
            f"Sharing: {shared.setting.percent} with correction {shared.setting.correction} differs by "
            f"{shared.difference:.1%}, for {shared.paid:.1f} steps paid."
        )
    return lines


def _saving(results: Sequence[Result]) -> list[Result]:
    """What costs less than every prompt alone in all steps."""
    return [each for each in results[1:] if each.paid < results[0].paid]


def _good(results: Sequence[Result], tolerance: float) -> list[Result]:
    """What saves and keeps the pictures."""
    return [each for each in _saving(results) if each.difference <= tolerance]


def _warnings(results: Sequence[Result]) -> list[str]:
    """The warnings of the samplings, each once, with the settings that it is about where these are not all."""
    titles: dict[str, list[str]] = {}
    for each in results:
        for warning in each.warnings:
            titles.setdefault(warning, []).append(each.setting.title)
    abouts = {text: "" if len(about) == len(results) else f" ({', '.join(about)})" for text, about in titles.items()}
    return [f"\nWarning{about}: {text}" for text, about in abouts.items()]
