"""Model files of the user: nothing in them may run, and nothing that they name is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

# Keys in the config files of a model that make the libraries run Python files which come with it.
_CODE = ("trust_remote_code", "auto_map", "custom_pipelines")
_TOKENIZERS = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, or of a file of PyTorch, in which no code is run.

    Raises:
        Exception: of many kinds, where it is no such file, or one with anything else than data in it.
    """
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)


def check_folder(folder: Path, name: str) -> None:
    """Refuse a model whose config files ask for code to be run.

    Args:
        name: of the input, for the error.

    Raises:
        ValueError: names the file and the key.
    """
    for file in sorted(folder.rglob("*config*.json")):
        try:
            config = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{name}: expected a complete model, got {folder}, whose {file.name} cannot be read ({error})."
            ) from error
        found = next((key for key, value in _items(config) if key in _CODE and value), None)
        if found:
            raise ValueError(
                f"{name}: expected a model without code of its own, got {folder}, which asks to run code: {found!r} "
                f"in {file.name}. For your safety such models are not loaded. Choose another one."
            )


def safetensors_in(folder: Path, name: str) -> list[Path]:
    """The files of a folder with weights that are only data.

    Raises:
        ValueError: there are none.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        others = ", ".join(sorted(file.name for file in folder.iterdir() if file.suffix in (".bin", ".pt", ".pth")))
        also = f" {others} can hold code, and is not opened: convert it to .safetensors." if others else ""
        raise ValueError(
            f"{name}: expected a complete model, got {folder}, where the weights are missing: put a .safetensors "
            f"file there.{also}"
        )
    return found


def check_tokenizer(folder: Path, name: str) -> None:
    """Check that the files of a tokenizer are there.

    Raises:
        ValueError: there are none; says where to put them.
    """
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        raise ValueError(
            f"{name}: expected a complete model, got {folder}, where the tokenizer is missing: put its files there "
            f"(tokenizer.json, or {', '.join(_TOKENIZERS[1:])})."
        )


@contextmanager
def offline() -> Iterator[None]:
    """Context in which Hugging Face's libraries contact no server, whatever a model names."""
    from huggingface_hub import constants  # heavy, and not needed by most

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    _forget_connections()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        _forget_connections()


def _forget_connections() -> None:
    """The first versions of the library ask only once, when they connect, whether they may."""
    from huggingface_hub import utils

    getattr(utils, "reset_sessions", lambda: None)()


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys with their values, at any depth."""
    if isinstance(value, dict):
        yield from value.items()
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _items(each)
