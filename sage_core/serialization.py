"""Plain data in one safetensors file: nested lists, tuples and dicts of tensors, numbers and texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .atomic_file import replacing

# Key of a dict that stands for a tensor; no text key of a user's data starts with a zero byte.
_MARK = "\x00tensor"


def write_data(path: Path, data: Any) -> None:
    """Writes plain data to a file; an old file stays whole until the new one is complete.

    Args:
        path: the file; its folder is made.
        data: tensors, numbers, texts, booleans and None, in sequences and dicts with texts or numbers as keys.

    Raises:
        ValueError: something in it is not plain data; says what and where.
        OSError: the file cannot be written (disk full, no rights); an old one is as it was.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _without_tensors(data, "", tensors, {})
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as part:
            text = json.dumps(tree)
            save_file(tensors, part, metadata={"state": text, "sha256": _checksum(text, tensors)})
    except Exception as error:
        raise OSError(f"{path}: {error}") from error


def read_data(path: Path) -> Any:
    """Reads what `write_data` wrote, its tensors on the CPU.

    Raises:
        ValueError: there is no such file, or it is damaged or was changed.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "state" not in metadata:
            raise ValueError("it is of another program")
        # The first files have no checksum.
        if metadata.get("sha256", found := _checksum(metadata["state"], tensors)) != found:
            raise ValueError("its content is not what was saved; the file was changed or is damaged")
        return _with_tensors(json.loads(metadata["state"]), tensors)
    except Exception as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error


def _checksum(text: str, tensors: dict[str, torch.Tensor]) -> str:
    """Of all that a file holds: it shows a single flipped bit."""
    content = sha256(text.encode(errors="surrogatepass"))
    for name in sorted(tensors):
        tensor = tensors[name]
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.flatten().view(torch.uint8).numpy().data)
    return content.hexdigest()


def _without_tensors(
    value: Any, name: str, tensors: dict[str, torch.Tensor], seen: dict[int, tuple[str, torch.Tensor]]
) -> Any:
    """The data as JSON can hold it: its tensors go into `tensors`, their names take their places.

    Args:
        name: path of the value in the data, such as "/a/3".
        tensors: takes the tensors by their names.
        seen: the tensors met so far and their names, by identity: a tensor that is in several places is kept once.
    """
    if isinstance(value, torch.Tensor):
        if id(value) not in seen:
            seen[id(value)] = name, value  # kept: the next tensor of a sequence that reads may get its address
            tensors[name] = value.detach().cpu().contiguous().clone()
        return {_MARK: seen[id(value)][0]}
    if isinstance(value, dict) and all(isinstance(key, (str, int)) for key in value):
        pairs = value.items()
        return {"dict": [[key, _without_tensors(each, f"{name}/{key}", tensors, seen)] for key, each in pairs]}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        found = [_without_tensors(each, f"{name}/{at}", tensors, seen) for at, each in enumerate(value)]
        return found if isinstance(value, list) else {"tuple": found}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"expected tensors, numbers, texts, lists and dicts, got {type(value).__name__} in {name[1:]}.")


def _with_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The data that `_without_tensors` took apart."""
    if isinstance(value, list):
        return [_with_tensors(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    if _MARK in value:
        return tensors[value[_MARK]]
    if "tuple" in value:
        return tuple(_with_tensors(each, tensors) for each in value["tuple"])
    return {key: _with_tensors(each, tensors) for key, each in value["dict"]}
