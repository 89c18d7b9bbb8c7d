"""Renders some prompts in several ways, and measures how like each picture is to the one that its prompt gets alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..conditioning.combine import Conditioning
from ..grouping.partition import of_largest
from ..grouping.prompt_groups import PromptGroups
from ..sampling.latent_rows import Latent
from ..sharing.correction_plan import CORRECTIONS
from .renderer import Renderer
from .settings import Setting

# The mean score, 0 to 100, of how well images (N * V, height, width, channels) fit their prompts.
TextScore = Callable[[torch.Tensor], float]


@dataclass(frozen=True)
class Result:
    """What a setting gave.

    Attributes:
        images: (N * V, height, width, channels), values 0 to 1, prompt-major.
        paid: evaluations of a user with this setting in steps of one image: the run of every prompt alone has all of
            its steps.
        difference, worst: root mean square difference of the pixels (0 to 1) from the image of the same prompt and
            noise alone, in all steps: the mean over the images, and the largest.
        score: mean image-text score, 0 to 100; None where nobody scores.
        warnings: what the user should know of the sampling.
    """

    setting: Setting
    images: torch.Tensor
    paid: float
    difference: float
    worst: float
    score: float | None
    warnings: tuple[str, ...] = ()


def some_groups(groups: PromptGroups, most: int) -> PromptGroups:
    """The largest groups, of at most `most` prompts together, each prompt once; the last one may be a part of a group.

    Args:
        most: from 2.

    Raises:
        ValueError: no group has two different prompts, so that nothing is shared.
    """
    different, _ = groups.distinct()
    picks = set(of_largest(different.partition, most))
    parts = [picks.intersection(group) for group in different.partition]
    sharing = [prompt for part in parts if len(part) > 1 for prompt in part]
    if not sharing:
        raise ValueError(
            "groups: expected a group of two different prompts or more, got none, so there is nothing to share."
        )
    return different.only(sharing)


def explore(
    model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent, shares: Sequence[float], *, steps: int,
    decode: Callable[[torch.Tensor], torch.Tensor], text_score: TextScore | None = None,
    on_setting: Callable[[int, int], None] = lambda done, total: None, **sampler: Any,
) -> list[Result]:  # fmt: skip
    """Render the prompts alone, then at every share without and with correction, then alone in as few steps as those.

    Args:
        shares: above 0, the smallest first.
        steps: of all runs but the last ones.
        decode: latents to images.
        on_setting: gets how many settings are rendered, and how many there are in all, as far as is known.
        sampler: the other fields of `KSamplerSettings`.

    Returns:
        The run alone in all steps first.

    Source: ours.
    """
    renderer = Renderer(model, groups, negative, latent, **sampler)
    results: dict[Setting, Result] = {}
    whole = 0

    def render(setting: Setting) -> None:
        nonlocal whole
        out, record = renderer.render(setting)
        whole = whole or record.evaluations
        images = decode(out["samples"])
        alone = results[Setting(steps)].images if results else images
        differences = ((images - alone) ** 2).flatten(1).mean(1).sqrt()
        score = None if text_score is None else text_score(images)
        results[setting] = Result(
            setting, images, steps * record.evaluations / whole, float(differences.mean()), float(differences.max()),
            score, record.warnings,
        )  # fmt: skip

    shared = [Setting(steps, share, correction) for share in shares for correction in CORRECTIONS]
    for number, setting in enumerate([Setting(steps), *reversed(shared)], start=1):
        render(setting)
        on_setting(number, 1 + len(shared) + len(shares))
    costs = {max(1, round(each.paid)) for each in results.values() if each.setting.correction == "on"}
    fewer = [Setting(few) for few in sorted(costs, reverse=True) if few < steps]
    for number, setting in enumerate(fewer, start=2 + len(shared)):
        render(setting)
        on_setting(number, 1 + len(shared) + len(fewer))
    return [results[setting] for setting in [Setting(steps), *shared, *fewer]]
