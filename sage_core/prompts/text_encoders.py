"""Encodes prompts with ComfyUI's text encoder: to conditionings, and to the embeddings that it pools."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..conditioning.combine import Conditioning
from ..validation import check_text
from ..vectors import normalize
from .encoded_texts import encoded_texts

ENCODERS = ("clip", "sentence", "open_clip")

# Prompts that any encoder should find unrelated; they set the floor of the automatic threshold.
UNRELATED_PROMPTS = (
    "a bowl of ramen on a wooden counter",
    "an astronaut repairing a satellite",
    "portrait of an elderly fisherman",
    "isometric city block at night",
    "a red fox asleep in tall grass",
    "technical drawing of a steam engine",
    "wedding bouquet of white roses",
    "abandoned subway station, moss",
    "children playing football in the rain",
    "a glass perfume bottle on marble",
    "medieval knight facing a dragon",
    "aerial view of a river delta",
    "watercolour of a lighthouse",
    "close-up of a computer circuit board",
    "jazz band on a small stage",
    "a vintage motorcycle in a desert",
    "northern lights over a frozen lake",
    "baker pulling bread from an oven",
    "abstract pattern of blue triangles",
    "two wrestlers in a ring",
    "a hot-air balloon festival",
    "cutaway of a human heart",
    "library with spiral staircase",
    "surfer riding a huge wave",
)

# Words of a text that is longer than any piece that an encoder cuts texts into (LongCLIP has 248 tokens).
_LONG = 250


def encode_prompts(
    clip: Any, prompts: Sequence[str], on_prompt: Callable[[int], None] = lambda done: None,
    keep: Callable[[Conditioning], Conditioning] = lambda conditioning: conditioning,
) -> dict[str, Conditioning]:  # fmt: skip
    """Conditioning of every different text, as ComfyUI's CLIP Text Encode makes it.

    Texts of earlier calls with this encoder are not encoded again, see `EncodedTexts`.

    Args:
        on_prompt: gets the number of texts encoded so far.
        keep: gives what is kept of a conditioning, see `Shelf.put`.

    Raises:
        ValueError: there is no text encoder, or a text holds what is no character.
    """
    if clip is None:
        raise ValueError("clip: expected a text encoder, got None; the checkpoint probably contains none.")
    for text in prompts:
        check_text(text, "prompts")
    remembered, found = encoded_texts(clip), dict[str, Conditioning]()
    remembered.begin()
    for done, text in enumerate(dict.fromkeys(prompts), start=1):
        found[text] = keep(remembered.get(text, lambda each: clip.encode_from_tokens_scheduled(clip.tokenize(each))))
        on_prompt(done)
    return found


def piece_size(clip: Any) -> int | None:
    """The number of tokens in the pieces that a text encoder cuts long texts into; None where it takes them whole."""
    batches = list(clip.tokenize("a " * _LONG).values())
    return len(batches[0][0]) if all(isinstance(batch, list) and len(batch) > 1 for batch in batches) else None


def unknown_words(clip: Any, prompts: Sequence[str]) -> list[str]:
    """Words of the prompts that the demo model has never read; none for any other text encoder."""
    known = getattr(getattr(clip, "tokenizer", None), "sage_known_tokens", None)
    if known is None:
        return []
    words = sorted({word for text in prompts for word in re.findall(r"\w+", text.lower())})
    return [word for word in words if not known.issuperset(token for token, _ in clip.tokenize(word)["l"][0])]


def clip_embeddings(conditionings: Sequence[Conditioning]) -> np.ndarray:
    """(N, D) unit rows: the pooled output, or the mean over tokens where an encoder has none.

    Each conditioning is asked for once, since many may be on the disk.

    Raises:
        ValueError: the encoder gives no embeddings.
    """
    return normalize(np.stack([_pooled(conditioning) for conditioning in conditionings]))


def has_embedding(conditioning: Conditioning) -> bool:
    """Whether a conditioning tells what its text means. Some encoders leave that to the model (HiDream O1)."""
    if not conditioning:
        return False
    text, extras = conditioning[0]
    return extras.get("pooled_output") is not None or (text is not None and text.shape[-1] > 1)


def unrelated_embeddings(clip: Any) -> np.ndarray:
    """The unrelated prompts through a CLIP."""
    return clip_embeddings(list(encode_prompts(clip, UNRELATED_PROMPTS).values()))


def _pooled(conditioning: Conditioning) -> np.ndarray:
    """Encoders that are put together from several (SD3's) give zeros where the one that pools is missing."""
    if not has_embedding(conditioning):
        raise ValueError(
            "encoder: expected a text encoder that gives embeddings, got one that gives tokens only. Choose sentence "
            "or open_clip."
        )
    text, extras = conditioning[0]
    pooled = extras.get("pooled_output")
    vector = text.mean(dim=1)[0] if pooled is None or not pooled.any() else pooled.flatten()
    return vector.float().cpu().numpy()
