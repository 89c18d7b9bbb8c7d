"""Groups conditionings that a workflow's own encoders have made, where there may be no text to encode again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from ..conditioning.batch import same
from ..conditioning.combine import Conditioning
from ..prompts.differences import without_phrases
from ..prompts.embedding_models import Embed
from ..prompts.text_encoders import UNRELATED_PROMPTS, clip_embeddings, has_embedding
from .build import check_embeddings, group_encoded, phrases_to_set_aside
from .prompt_groups import PromptGroups
from .repeats import ranks


def group_conditionings(
    conditionings: Sequence[Conditioning],
    texts: Sequence[str],
    embed: Embed | None,
    *,
    compare: str = "what differs",
    **settings: Any,
) -> PromptGroups:
    """Group conditionings by what they mean.

    Args:
        conditionings: one per prompt.
        texts: one per prompt, as names; none, and they are numbered.
        embed: what measures how similar the texts are; None for the conditionings' own embeddings.
        compare: what of the texts is compared, one of `build.COMPARE_MODES`.
        settings: the keyword arguments of `group_encoded`.

    Raises:
        ValueError: an input is out of range, the texts do not fit the conditionings, or an embedding is not finite.
    """
    if texts and len(texts) != len(conditionings):
        raise ValueError(f"prompts: expected one per positive, which are {len(conditionings)}, got {len(texts)}.")
    if embed is not None and not texts:
        raise ValueError("prompts: expected texts for the encoder to compare, got none. Or set encoder to own.")
    numbers = range(1, len(conditionings) + 1)
    names = _told_apart(texts, conditionings) if texts else tuple(f"prompt {number}" for number in numbers)
    if embed is not None:
        set_aside = phrases_to_set_aside(texts, compare)
        embeddings = embed(without_phrases(texts, set_aside))
        check_embeddings(names, embeddings)
        return group_encoded(
            names, tuple(conditionings), embeddings, embed(UNRELATED_PROMPTS), set_aside=set_aside, **settings
        )
    embeddings = own_embeddings(conditionings)
    check_embeddings(names, embeddings)
    return group_encoded(names, tuple(conditionings), embeddings, None, **settings)


def group_as_before(groups: PromptGroups, conditionings: Sequence[Conditioning]) -> PromptGroups:
    """Other conditionings of the prompts of some groups, in the same groups.

    Raises:
        ValueError: there is not one for every prompt.
    """
    if len(conditionings) != len(groups.prompts):
        raise ValueError(
            f"positive: expected one per prompt of the groups, which are {len(groups.prompts)}, got "
            f"{len(conditionings)}."
        )
    names = _told_apart(groups.prompts, conditionings)
    return replace(
        groups, prompts=names, conditionings=tuple(conditionings), template=None, shared_prompts=(), notes=()
    )


def own_embeddings(conditionings: Sequence[Conditioning]) -> np.ndarray:
    """Embeddings of conditionings by themselves, (N, D), unit rows.

    Raises:
        ValueError: there are none, or they cannot be compared.
    """
    if not all(map(has_embedding, conditionings)):
        raise ValueError(
            "positive: expected conditionings with a text embedding, to see which are similar; got one without. "
            "Connect prompts, and choose sentence or open_clip as the encoder."
        )
    try:
        return clip_embeddings(conditionings)
    except ValueError as error:  # of numpy: rows of different lengths
        raise ValueError(f"positive: expected conditionings of one text encoder, got others ({error}).") from error


def _told_apart(texts: Sequence[str], conditionings: Sequence[Conditioning]) -> tuple[str, ...]:
    """The texts, with numbers where one text has several conditionings (another picture to edit, say).

    No name with a number is the text of another prompt.
    """
    rank_of = ranks(texts, lambda one, other: same(conditionings[other], conditionings[one]))
    ranked = list(zip(texts, rank_of, strict=True))
    names, taken = {}, set(texts)
    for text, rank in dict.fromkeys(ranked):
        numbered = (f"{text} ({number})" for number in count(rank + 1))
        names[text, rank] = text if rank == 0 else next(name for name in numbered if name not in taken)
        taken.add(names[text, rank])
    return tuple(names[each] for each in ranked)
