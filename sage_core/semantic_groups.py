"""From a prompt list to groups: encode, measure, choose the threshold, group, say what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .checks import check_choice
from .conditioning import GROUP_CONDITIONS, Conditioning, apply_template, check_template
from .encoders import (
    UNRELATED_PROMPTS,
    Embed,
    clip_embeddings,
    encode_prompts,
    unknown_words,
    unrelated_embeddings,
)
from .grouping import THRESHOLD_MODES, group_prompts
from .groups import PromptGroups
from .pins import Pins, keepers
from .threshold import auto_threshold


def semantic_groups(
    clip: Any,
    prompts: tuple[str, ...],
    *,
    encoder: str = "clip",
    embed: Embed | None = None,
    threshold_mode: str = "auto",
    threshold: float = 0.8,
    max_group_size: int = 0,
    pins: Pins | None = None,
    group_condition: str = "mean",
    template: Conditioning | None = None,
    on_prompt: Callable[[int], None] = lambda done: None,
    encoder_model: str = "",
) -> PromptGroups:
    """Group prompts by meaning.

    Args:
        clip: the host's text encoder; makes the conditionings, whatever measures similarity.
        encoder: name of what measures similarity, for the report.
        embed: measures similarity; None for the CLIP's own embeddings.
        threshold_mode: "auto" (see `threshold.auto_threshold`) or "fixed".
        threshold: cosine similarity of the loosest pair in a group, for "fixed".
        pins: prompts that were put into a group by hand.
        template: conditioning whose extras go to every prompt.
        on_prompt: told how many prompts are encoded.
        encoder_model: name of the model behind `embed`, for those who add prompts later.

    Raises:
        ValueError: an input is out of range or does not fit.
    """
    check_choice("threshold_mode", threshold_mode, THRESHOLD_MODES)
    check_choice("group_condition", group_condition, GROUP_CONDITIONS)
    conditionings, embeddings = encode_and_measure(clip, prompts, embed, template, on_prompt)
    # In fixed mode too: the panel lets people switch between the two without another run.
    unrelated = unrelated_embeddings(clip) if embed is None else embed(UNRELATED_PROMPTS)
    automatic = auto_threshold(prompts, embeddings, unrelated)
    if threshold_mode == "auto":
        threshold = automatic
    groups = PromptGroups(
        prompts=prompts,
        conditionings=conditionings,
        embeddings=embeddings,
        partition=group_prompts(prompts, embeddings, threshold=threshold, max_group_size=max_group_size, pins=pins),
        threshold=threshold,
        threshold_mode=threshold_mode,
        encoder=encoder,
        group_condition=group_condition,
        auto_threshold=automatic,
        encoder_model=encoder_model,
        template=template,
    )
    return _with_notes(groups, unknown_words(clip, prompts), len(keepers(prompts, pins or {})))


def encode_and_measure(
    clip: Any,
    prompts: Sequence[str],
    embed: Embed | None,
    template: Conditioning | None,
    on_prompt: Callable[[int], None] = lambda done: None,
) -> tuple[tuple[Conditioning, ...], np.ndarray]:
    """Conditionings, one a prompt, and embeddings (N, D), unit rows; arguments and errors as `semantic_groups`.

    Every different text is encoded and measured once.
    """
    encoded = encode_prompts(clip, prompts, on_prompt)
    vectors = clip_embeddings(list(encoded.values())) if embed is None else embed(list(encoded))
    _check_embeddings(list(encoded), vectors)
    if template is not None:
        check_template(template, encoded[prompts[0]])
        encoded = {text: apply_template(conditioning, template) for text, conditioning in encoded.items()}
    row = {text: at for at, text in enumerate(encoded)}
    return tuple(encoded[text] for text in prompts), vectors[[row[text] for text in prompts]]


def _check_embeddings(prompts: Sequence[str], embeddings: np.ndarray) -> None:
    """Half precision overflows in some text encoders, and NaN is similar to nothing."""
    for text, row in zip(prompts, embeddings, strict=True):
        if not np.isfinite(row).all():
            raise ValueError(f"encoder: expected finite embeddings, got NaN or infinity for the prompt {text[:80]!r}.")


def _with_notes(groups: PromptGroups, unknown: list[str], pinned: int) -> PromptGroups:
    notes = []
    if pinned:
        notes.append(f"{pinned} of the prompts are where they were put by hand, whatever the threshold")
    if unknown:
        notes.append(f"the demo model does not know these words and skips them: {_first(unknown, 20)}")
    medoid = [
        str(number)
        for number, members in enumerate(groups.partition, start=1)
        if len(members) > 1 and not groups.combinable(members)
    ]
    if medoid:
        notes.append(
            f"group {', '.join(medoid)}: the members' embeddings differ in length or mask, so that "
            f"{groups.group_condition} is not possible; the most central prompt's own condition is used"
        )
    return replace(groups, notes=(*groups.notes, *notes))


def _first(words: list[str], most: int) -> str:
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")
