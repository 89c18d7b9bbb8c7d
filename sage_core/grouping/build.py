"""From a prompt list to groups: encode, embed, choose the threshold, cluster, and note what the user should know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..conditioning.combine import Conditioning
from ..conditioning.shelf import Shelf, shelved, unread
from ..conditioning.template import apply_template, check_template, template_notes
from ..prompts.differences import repeated_phrases, without_phrases
from ..prompts.embedding_models import Embed
from ..prompts.text_encoders import (
    UNRELATED_PROMPTS,
    clip_embeddings,
    encode_prompts,
    piece_size,
    unknown_words,
    unrelated_embeddings,
)
from ..validation import check_choice
from .linkage import cluster_prompts
from .pins import Pins, keepers
from .prompt_groups import CONDITION_MODES, PromptGroups, SharedPrompt
from .threshold import THRESHOLD_MODES, auto_threshold

# What of the prompts is compared: without the phrases that most of them repeat, or as they are.
COMPARE_MODES = ("what differs", "whole prompts")
# Of graphs from before there was a choice.
COMPARED_BEFORE = "whole prompts"

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
    compare: str = "what differs",
    notes: tuple[str, ...] = (),
    seed_offsets: tuple[int, ...] = (),
    whole_list: tuple[str, ...] = (),
) -> PromptGroups:
    """Group prompts by meaning.

    Args:
        clip: ComfyUI's text encoder; makes the conditionings, whatever encoder measures similarity.
        encoder: name of the encoder that measures similarity, for the report.
        embed: the embedding function of that encoder; None for the CLIP's own embeddings.
        threshold_mode: "auto" (see `threshold.auto_threshold`) or "fixed".
        threshold: for "fixed", the cosine similarity that every pair of a group reaches.
        pins: prompts that the user put into a group.
        shared_prompts: prompts for the shared steps; each is for the group that it is most similar to.
        template: conditioning whose extras are applied to every prompt.
        on_prompt: gets the number of prompts encoded so far.
        encoder_model: name of the model behind `embed`; Add Prompts needs it.
        compare: one of COMPARE_MODES.
        notes: what the user should know of the list.
        seed_offsets: one per prompt, or none.
        whole_list: the prompts that these were chosen from; what most of them repeat is set aside. None for these.

    Raises:
        ValueError: an input is out of range or does not fit.
    """
    set_aside = phrases_to_set_aside(whole_list or prompts, compare)
    conditionings, embeddings = encode_and_embed(clip, prompts, embed, template, on_prompt, set_aside)
    # In fixed mode too: in the panel the user can switch between the two without another run.
    unrelated = unrelated_embeddings(clip) if embed is None else embed(UNRELATED_PROMPTS)
    groups = group_encoded(
        prompts, conditionings, embeddings, unrelated, encoder=encoder, encoder_model=encoder_model,
        threshold_mode=threshold_mode, threshold=threshold, max_group_size=max_group_size, pins=pins,
        group_condition=group_condition, set_aside=set_aside,
    )  # fmt: skip
    groups = replace(groups, template=template, notes=notes, seed_offsets=seed_offsets)
    if shared_prompts:
        encoded, vectors = encode_and_embed(clip, shared_prompts, embed, template, set_aside=set_aside)
        groups = replace(groups, shared_prompts=_assign_shared_prompts(groups, shared_prompts, encoded, vectors))
    unknown = unknown_words(clip, (*prompts, *shared_prompts))
    return _with_notes(groups, unknown, len(keepers(prompts, pins or {})), shared_prompts)


def group_encoded(
    prompts: tuple[str, ...],
    conditionings: Sequence[Conditioning],
    embeddings: np.ndarray,
    unrelated: np.ndarray | None,
    *,
    encoder: str,
    encoder_model: str = "",
    threshold_mode: str = "auto",
    threshold: float = 0.8,
    max_group_size: int = 0,
    pins: Pins | None = None,
    group_condition: str = "auto",
    set_aside: tuple[str, ...] = (),
) -> PromptGroups:
    """Group prompts that are encoded and embedded already; arguments and errors as `build_prompt_groups`.

    Args:
        embeddings: (N, D), unit rows.
        unrelated: (M, D), the unrelated prompts by the same encoder; None where it cannot be asked.
        set_aside: the phrases without which the prompts were embedded.
    """
    check_choice("threshold_mode", threshold_mode, THRESHOLD_MODES)
    check_choice("group_condition", group_condition, CONDITION_MODES)
    automatic = auto_threshold(prompts, embeddings, unrelated)
    if threshold_mode == "auto":
        threshold = automatic
    return PromptGroups(
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
        set_aside=set_aside,
    )


def phrases_to_set_aside(prompts: Sequence[str], compare: str) -> tuple[str, ...]:
    """The phrases without which prompts are compared, sorted.

    Args:
        compare: one of COMPARE_MODES.
    """
    check_choice("compare", compare, COMPARE_MODES)
    return tuple(sorted(repeated_phrases(prompts))) if compare == "what differs" else ()


def _assign_shared_prompts(
    groups: PromptGroups, texts: Sequence[str], encoded: Sequence[Conditioning], vectors: np.ndarray
) -> tuple[SharedPrompt, ...]:
    """Each text for the group that it is most similar to; of several for one group the most similar one.

    Args:
        encoded, vectors: the texts' conditionings and embeddings, (len(texts), D).
    """
    sharing = [members for members in groups.partition if len(groups.texts(members)) > 1]
    if not sharing:
        return ()
    similar = vectors @ np.stack([groups.embeddings[list(members)].mean(0) for members in sharing]).T
    nearest = similar.argmax(1)
    found = []
    for group in np.unique(nearest):
        best = int(np.argmax(np.where(nearest == group, similar[:, group], -np.inf)))
        found.append((groups.texts(sharing[group]), texts[best], encoded[best]))
    return tuple(found)


def encode_and_embed(
    clip: Any,
    prompts: Sequence[str],
    embed: Embed | None,
    template: Conditioning | None,
    on_prompt: Callable[[int], None] = lambda done: None,
    set_aside: tuple[str, ...] = (),
) -> tuple[Sequence[Conditioning], np.ndarray]:
    """Encode prompts and embed them, every different text once; arguments and errors as `build_prompt_groups`.

    Args:
        set_aside: phrases without which the prompts are embedded.

    Returns:
        Conditionings, one per prompt, and embeddings (N, D), unit rows.
    """
    shelf = Shelf()
    encoded = encode_prompts(clip, prompts, on_prompt, shelf.put)
    compared = without_phrases(list(encoded), set_aside)
    if embed is None:
        known = encoded | encode_prompts(clip, [text for text in compared if text not in encoded], keep=shelf.put)
        vectors = clip_embeddings(shelved(known[text] for text in compared))
    else:
        vectors = embed(compared)
    check_embeddings(list(encoded), vectors)
    if template is not None:
        first = shelved([encoded[prompts[0]]])[0]
        check_template(template, first, lambda text: encode_prompts(clip, [text])[text], piece_size(clip))
        encoded = {text: apply_template(conditioning, template) for text, conditioning in encoded.items()}
    row = {text: at for at, text in enumerate(encoded)}
    return shelved(encoded[text] for text in prompts), vectors[[row[text] for text in prompts]]


def check_embeddings(prompts: Sequence[str], embeddings: np.ndarray) -> None:
    """Refuse NaN and infinity, to which half precision overflows in some text encoders.

    Raises:
        ValueError: names the prompt.
    """
    for text, row in zip(prompts, embeddings, strict=True):
        if not np.isfinite(row).all():
            raise ValueError(f"encoder: expected finite embeddings, got NaN or infinity for the prompt {text[:80]!r}.")


def _with_notes(groups: PromptGroups, unknown: list[str], pinned: int, shared_prompts: Sequence[str]) -> PromptGroups:
    notes = []
    if pinned:
        notes.append(f"{pinned} of the prompts are in the groups where you put them, whatever the threshold")
    if unknown:
        notes.append(f"the demo model does not know these words and skips them: {_first(unknown, 20)}")
    if len(set(groups.seed_offsets)) > 1:
        notes.append("prompts with different seed offsets begin from different noise, so they share no steps")
    used = {text for _, text, _ in groups.shared_prompts}
    unused = [text for text in shared_prompts if text not in used]
    notes += _other_conditions(groups)
    notes += template_notes(groups.template, unread(groups.conditionings))
    if unused:
        notes.append(f"shared_prompts without a group of their own, so not used: {_first(unused, 5)}")
    return replace(groups, notes=(*groups.notes, *notes))


def _other_conditions(groups: PromptGroups) -> list[str]:
    """Notes on the groups whose condition could not be made as wanted."""
    wanted = "mean" if groups.group_condition == "auto" else groups.group_condition
    numbers: dict[str, list[str]] = {}
    for number, members in enumerate(groups.partition, start=1):
        if len(members) > 1 and (source := groups.condition_source(members)) not in (wanted, "prompt"):
            numbers.setdefault(source, []).append(str(number))
    return [
        f"group {', '.join(which)}: the members' embeddings differ in length or mask, so that {wanted} is not "
        f"possible; {_INSTEAD[source]}"
        for source, which in numbers.items()
    ]


def _first(words: list[str], most: int) -> str:
    """At most so many words, and how many more there are."""
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")
