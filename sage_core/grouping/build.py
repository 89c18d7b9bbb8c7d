"""From a prompt list to groups: encode, embed, choose the threshold, cluster, and note what the user should know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..conditioning.combine import Conditioning
from ..conditioning.template import apply_template, check_template
from ..prompts.embedding_models import Embed
from ..prompts.text_encoders import (
    UNRELATED_PROMPTS,
    clip_embeddings,
    encode_prompts,
    unknown_words,
    unrelated_embeddings,
)
from ..validation import check_choice
from .linkage import cluster_prompts
from .pins import Pins, keepers
from .prompt_groups import CONDITION_MODES, PromptGroups, SharedPrompt
from .threshold import THRESHOLD_MODES, auto_threshold

_INSTEAD = {
    "medoid": "the most central prompt's own condition is used",
    "concat": "all members' tokens in a row are used",
}


def build_prompt_groups(
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
    shared_prompts: tuple[str, ...] = (),
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
        shared_prompts: for the shared steps; each is that of the group that it is most like.
        template: conditioning whose extras go to every prompt.
        on_prompt: told how many prompts are encoded.
        encoder_model: name of the model behind `embed`, for those who add prompts later.

    Raises:
        ValueError: an input is out of range or does not fit.
    """
    check_choice("threshold_mode", threshold_mode, THRESHOLD_MODES)
    check_choice("group_condition", group_condition, CONDITION_MODES)
    conditionings, embeddings = encode_and_embed(clip, prompts, embed, template, on_prompt)
    # In fixed mode too: the panel lets people switch between the two without another run.
    unrelated = unrelated_embeddings(clip) if embed is None else embed(UNRELATED_PROMPTS)
    automatic = auto_threshold(prompts, embeddings, unrelated)
    if threshold_mode == "auto":
        threshold = automatic
    groups = PromptGroups(
        prompts=prompts,
        conditionings=conditionings,
        embeddings=embeddings,
        partition=cluster_prompts(prompts, embeddings, threshold=threshold, max_group_size=max_group_size, pins=pins),
        threshold=threshold,
        threshold_mode=threshold_mode,
        encoder=encoder,
        group_condition=group_condition,
        auto_threshold=automatic,
        encoder_model=encoder_model,
        template=template,
    )
    if shared_prompts:
        encoded, vectors = encode_and_embed(clip, shared_prompts, embed, template)
        groups = replace(groups, shared_prompts=_taken(groups, shared_prompts, encoded, vectors))
    unknown = unknown_words(clip, (*prompts, *shared_prompts))
    return _with_notes(groups, unknown, len(keepers(prompts, pins or {})), shared_prompts)


def _taken(
    groups: PromptGroups, texts: Sequence[str], encoded: Sequence[Conditioning], vectors: np.ndarray
) -> tuple[SharedPrompt, ...]:
    """Each text for the group whose members it is most like; of several for one group, the one most like it."""
    sharing = [members for members in groups.partition if len(groups.texts(members)) > 1]
    if not sharing:
        return ()
    alike = vectors @ np.stack([groups.embeddings[list(members)].mean(0) for members in sharing]).T
    homes = alike.argmax(1)
    taken = []
    for home in np.unique(homes):
        best = int(np.argmax(np.where(homes == home, alike[:, home], -np.inf)))
        taken.append((groups.texts(sharing[home]), texts[best], encoded[best]))
    return tuple(taken)


def encode_and_embed(
    clip: Any,
    prompts: Sequence[str],
    embed: Embed | None,
    template: Conditioning | None,
    on_prompt: Callable[[int], None] = lambda done: None,
) -> tuple[tuple[Conditioning, ...], np.ndarray]:
    """Conditionings, one a prompt, and embeddings (N, D), unit rows; arguments and errors as `build_prompt_groups`.

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


def _with_notes(groups: PromptGroups, unknown: list[str], pinned: int, shared_prompts: Sequence[str]) -> PromptGroups:
    notes = []
    if pinned:
        notes.append(f"{pinned} of the prompts are where they were put by hand, whatever the threshold")
    if unknown:
        notes.append(f"the demo model does not know these words and skips them: {_first(unknown, 20)}")
    wanted = "mean" if groups.group_condition == "auto" else groups.group_condition
    otherwise: dict[str, list[str]] = {}
    for number, members in enumerate(groups.partition, start=1):
        if len(members) > 1 and (way := groups.condition_made_by(members)) not in (wanted, "prompt"):
            otherwise.setdefault(way, []).append(str(number))
    for way, numbers in otherwise.items():
        notes.append(
            f"group {', '.join(numbers)}: the members' embeddings differ in length or mask, so that {wanted} is not "
            f"possible; {_INSTEAD[way]}"
        )
    used = {text for _, text, _ in groups.shared_prompts}
    if left := [text for text in shared_prompts if text not in used]:
        notes.append(f"shared_prompts without a group of their own, so not used: {_first(left, 5)}")
    return replace(groups, notes=(*groups.notes, *notes))


def _first(words: list[str], most: int) -> str:
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")
