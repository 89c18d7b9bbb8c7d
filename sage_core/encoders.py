"""Prompts to conditionings and to the embeddings that say which of them belong together."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .conditioning import Conditioning
from .grouping import unit

ENCODERS = ("clip", "sentence", "open_clip")
Embed = Callable[[Sequence[str]], np.ndarray]

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
"""What any encoder should find unrelated: the floor of the automatic threshold."""

_unrelated: weakref.WeakKeyDictionary[Any, np.ndarray] = weakref.WeakKeyDictionary()


def encode_prompts(
    clip: Any, prompts: Sequence[str], on_prompt: Callable[[int], None] = lambda done: None
) -> dict[str, Conditioning]:
    """Conditioning of every different text, as the host's CLIP Text Encode makes it.

    Raises:
        ValueError: there is no text encoder.
    """
    if clip is None:
        raise ValueError("clip: expected a text encoder, got None; the checkpoint probably contains none.")
    found: dict[str, Conditioning] = {}
    for done, text in enumerate(dict.fromkeys(prompts), start=1):
        found[text] = clip.encode_from_tokens_scheduled(clip.tokenize(text))
        on_prompt(done)
    return found


def unknown_words(clip: Any, prompts: Sequence[str]) -> list[str]:
    """Words of the prompts that the demo model has never read; none for any other text encoder."""
    known = getattr(getattr(clip, "tokenizer", None), "sage_known_tokens", None)
    if known is None:
        return []
    words = sorted({word for text in prompts for word in re.findall(r"\w+", text.lower())})
    return [word for word in words if not known.issuperset(token for token, _ in clip.tokenize(word)["l"][0])]


def clip_embeddings(conditionings: Sequence[Conditioning]) -> np.ndarray:
    """(N, D) unit rows: the pooled output, or the mean over tokens where an encoder has none."""
    return unit(np.stack([_pooled(conditioning) for conditioning in conditionings]))


def unrelated_embeddings(clip: Any) -> np.ndarray:
    """The unrelated prompts through a CLIP, remembered as long as it lives."""
    if clip not in _unrelated:
        _unrelated[clip] = clip_embeddings(list(encode_prompts(clip, UNRELATED_PROMPTS).values()))
    return _unrelated[clip]


def _pooled(conditioning: Conditioning) -> np.ndarray:
    """Encoders that are put together from several (SD3's) give zeros where the one that pools is missing."""
    text, extras = conditioning[0]
    pooled = extras.get("pooled_output")
    vector = text.mean(dim=1)[0] if pooled is None or not pooled.any() else pooled.flatten()
    return vector.float().cpu().numpy()


def sentence_encoder(folder: Path, *, batch: int = 64) -> Embed:
    """A sentence model (mean pooling over tokens) from a local folder in the transformers format.

    Raises:
        ValueError: the folder does not hold such a model, or not all of it.
    """
    from transformers import AutoModel, AutoTokenizer  # heavy, and only some people's choice

    if not (folder / "config.json").is_file():
        raise ValueError(f"encoder_model: expected a folder with config.json, model and tokenizer, got {folder}.")
    with _loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        if 2 * len(tokenizer) < getattr(model.config, "vocab_size", 0):  # made up where there are no files of it
            raise FileNotFoundError("the files of its tokenizer are missing")
    # Two less than the table: RoBERTa-type models start counting positions at 2.
    longest = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 514) - 2)

    def embed(texts: Sequence[str]) -> np.ndarray:
        parts = []
        for start in range(0, len(texts), batch):
            part = list(texts[start : start + batch])
            tokens = tokenizer(part, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            with torch.no_grad():
                states = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            parts.append(((states * mask).sum(1) / mask.sum(1)).float().numpy())
        return unit(np.concatenate(parts))

    return embed


def open_clip_encoder(path: Path, *, batch: int = 64) -> Embed:
    """The text tower of an open_clip model; errors and paths as `load_open_clip`."""
    model, tokenizer = load_open_clip(path)

    def embed(texts: Sequence[str]) -> np.ndarray:
        with torch.no_grad():
            parts = [
                model.encode_text(tokenizer(list(texts[start : start + batch]))).float().numpy()
                for start in range(0, len(texts), batch)
            ]
        return unit(np.concatenate(parts))

    return embed


def load_open_clip(path: Path, name: str = "encoder_model") -> tuple[Any, Any]:
    """An open_clip model from local files, and its tokenizer.

    Args:
        path: a folder with open_clip_config.json and weights, or a .safetensors file named after its
            architecture (``ViT-B-32.safetensors``).
        name: the input that the path came from, for errors.

    Raises:
        ValueError: neither of these, an architecture that open_clip does not know, or no usable weights.
    """
    import open_clip  # heavy, and only some people's choice

    if (path / "open_clip_config.json").is_file():
        kind, weights = f"local-dir:{path}", None
    elif path.suffix == ".safetensors" and path.stem in open_clip.list_models():
        kind, weights = path.stem, str(path)
    else:
        raise ValueError(
            f"{name}: expected a folder with open_clip_config.json, or a .safetensors file named after its "
            f"open_clip architecture (ViT-B-32.safetensors), got {path}."
        )
    with _loading(path, name):
        model = open_clip.create_model(kind, pretrained=weights, require_pretrained=True).eval()
        return model, open_clip.get_tokenizer(kind)


@contextmanager
def _loading(path: Path, name: str = "encoder_model") -> Iterator[None]:
    """What goes wrong in the loaders, as one kind of error that names the input."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{name}: expected a complete model, got {path}, which cannot be loaded ({error})."
        ) from error
