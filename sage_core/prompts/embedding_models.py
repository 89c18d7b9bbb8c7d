"""Sentence and open_clip models from local files, which turn texts into embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..vectors import normalize

Embed = Callable[[Sequence[str]], np.ndarray]


def sentence_encoder(folder: Path, *, batch: int = 64) -> Embed:
    """A sentence model (mean pooling over tokens) from a local folder in the transformers format.

    Raises:
        ValueError: the folder does not hold such a model, or not all of it.
    """
    from transformers import AutoModel, AutoTokenizer  # heavy, and not needed by most

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
        return normalize(np.concatenate(parts))

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
        return normalize(np.concatenate(parts))

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
    import open_clip  # heavy, and not needed by most

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
        raise ValueError(f"{name}: expected a complete model, got {path}, which cannot be loaded ({error}).") from error
