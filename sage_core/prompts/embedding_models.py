"""Sentence and open_clip models from local files, which turn texts into embeddings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..vectors import normalize
from .model_files import check_folder, check_tokenizer, offline, safetensors_in

# For Hugging Face's loaders.
_ONLY_DATA = {"local_files_only": True, "trust_remote_code": False}

Embed = Callable[[Sequence[str]], np.ndarray]


def sentence_encoder(folder: Path, *, batch: int = 64) -> Embed:
    """A sentence model (mean pooling over tokens) from a local folder in the transformers format.

    Raises:
        ValueError: the folder does not hold such a model, or not all of it.
    """
    from transformers import AutoModel, AutoTokenizer  # heavy, and not needed by most

    if not (folder / "config.json").is_file():
        raise ValueError(f"encoder_model: expected a folder with config.json, model and tokenizer, got {folder}.")
    check_folder(folder, "encoder_model")
    safetensors_in(folder, "encoder_model")
    check_tokenizer(folder, "encoder_model")
    with _loading(folder):
        # The marks are for a scanner, which takes these for downloads.
        tokenizer = AutoTokenizer.from_pretrained(folder, **_ONLY_DATA)  # nosec B615
        network = AutoModel.from_pretrained(folder, use_safetensors=True, **_ONLY_DATA)  # nosec B615
        model = network.train(False)
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
        return _unit_rows(parts)

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
        return _unit_rows(parts)

    return embed


def _unit_rows(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The embeddings of all batches, one after the other, with length 1."""
    embeddings = np.concatenate(parts)
    if not np.isfinite(embeddings).all():
        raise ValueError("encoder_model: expected numbers, got NaN or infinite ones: the model's weights are damaged.")
    return normalize(embeddings)


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
        check_folder(path, name)
        kind, weights = f"local-dir:{path}", _open_clip_weights(safetensors_in(path, name))
        text = _text_config(path, name)
    elif path.suffix == ".safetensors" and path.stem in open_clip.list_models():
        kind, weights, text = path.stem, path, open_clip.get_model_config(path.stem)["text_cfg"]
    else:
        raise ValueError(
            f"{name}: expected a folder with open_clip_config.json, or a .safetensors file named after its "
            f"open_clip architecture (ViT-B-32.safetensors), got {path}."
        )
    own, only_data = {}, _ONLY_DATA if text.get("hf_tokenizer_name") else {}
    if text.get("hf_model_name") and (path / "config.json").is_file():
        own = {"text_cfg": {**text, "hf_model_name": str(path), "hf_model_pretrained": False}}
    with _loading(path, name, text):
        model = open_clip.create_model(kind, load_weights=False, pretrained_text=False, **own)
        open_clip.load_checkpoint(model, str(weights))
        return model.train(False), open_clip.get_tokenizer(kind, **only_data)


def _text_config(folder: Path, name: str) -> dict[str, Any]:
    """What the config of an open_clip model says of its text tower."""
    match json.loads((folder / "open_clip_config.json").read_text("utf-8")):
        case {"model_cfg": {"text_cfg": dict() as text}}:
            return text
    raise ValueError(
        f"{name}: expected a complete model, got {folder}, whose open_clip_config.json has no text_cfg in model_cfg."
    )


def _open_clip_weights(files: list[Path]) -> Path:
    """The weights of the whole model, by the names that open_clip gives them."""
    known = {file.name: file for file in files}
    names = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
    return next((known[name] for name in names if name in known), files[0])


@contextmanager
def _loading(path: Path, name: str = "encoder_model", text: Mapping[str, Any] | None = None) -> Iterator[None]:
    """What goes wrong in the loaders, as one kind of error that names the input. Nothing is downloaded.

    Args:
        text: of an open_clip model, which may take its text tower and its tokenizer from models of others.
    """
    try:
        with offline():
            yield
    except Exception as error:
        others = {str(text[key]) for key in ("hf_model_name", "hf_tokenizer_name") if text and text.get(key)}
        also = (
            f" It needs the config.json and the tokenizer of {' and '.join(sorted(others))}. They are not downloaded: "
            "put them into a folder with the weights and open_clip_config.json."
        )
        raise ValueError(
            f"{name}: expected a complete model, got {path}, which cannot be loaded ({error}).{also if others else ''}"
        ) from error
