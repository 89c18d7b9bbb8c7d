"""Everything that a training needs to go on exactly where it was, in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

_MARK = "\x00tensor"


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Nested dicts and lists of tensors, numbers and texts.

    Written beside and renamed: what was there before stays whole until the new one is.

    Raises:
        OSError: the file cannot be written (disk full, no rights); the old one is as it was.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _without_tensors(state, "", tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        save_file(tensors, part, metadata={"state": json.dumps(tree)})
        part.replace(path)
    except Exception as error:
        part.unlink(missing_ok=True)
        raise OSError(f"The state of the training cannot be written to {path}: {error}") from error


def load_state(path: Path) -> dict[str, Any]:
    """
    Raises:
        ValueError: no such file, or a damaged one.
    """
    try:
        with safe_open(path, "pt") as file:
            tree = json.loads(file.metadata()["state"])
            return _with_tensors(tree, file)
    except Exception as error:
        raise ValueError(f"run_name: the saved state {path} is damaged ({error}). Choose another name.") from error


def _without_tensors(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {_MARK: name}
    if isinstance(value, dict):
        return {"dict": [[key, _without_tensors(each, f"{name}/{key}", tensors)] for key, each in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_without_tensors(each, f"{name}/{at}", tensors) for at, each in enumerate(value)]
    return value


def _with_tensors(value: Any, file: Any) -> Any:
    if isinstance(value, list):
        return [_with_tensors(each, file) for each in value]
    if not isinstance(value, dict):
        return value
    if _MARK in value:
        return file.get_tensor(value[_MARK])
    return {key: _with_tensors(each, file) for key, each in value["dict"]}
