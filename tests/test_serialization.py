"""Plain data in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from comfyui_sage.sage_core.serialization import read_data, write_data
from safetensors import safe_open
from safetensors.torch import save_file


def test_tuples_lists_and_keys_come_back_as_they_were(tmp_path: Path) -> None:
    data = {"a": (1, [2.5, (None, True)], "x"), 3: {"b": ()}}
    write_data(tmp_path / "data.safetensors", data)
    assert read_data(tmp_path / "data.safetensors") == data


def test_a_tensor_in_two_places_is_kept_once(tmp_path: Path) -> None:
    tensor = torch.arange(6.0)
    write_data(tmp_path / "data.safetensors", [tensor, {"again": tensor}, tensor[2:4], tensor.clone()])
    with safe_open(tmp_path / "data.safetensors", "pt") as file:
        assert len(list(file.keys())) == 3
    first, second, part, copy = read_data(tmp_path / "data.safetensors")
    assert first is second["again"] and torch.equal(copy, tensor) and part.tolist() == [2, 3]


@pytest.mark.parametrize(("data", "message"), [
    ({"a": [1, {"b": object()}]}, "got object in a/1/b"),
    ({"a": {(1, 2): 3}}, "got dict in a"),
    ({"a": b"bytes"}, "got bytes in a"),
])  # fmt: skip
def test_what_is_no_plain_data_is_refused(tmp_path: Path, data: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"expected tensors, numbers, texts, lists and dicts, {message}"):
        write_data(tmp_path / "data.safetensors", data)
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_tensor_has_a_checksum(tmp_path: Path) -> None:
    data = [torch.zeros(0, 4), torch.tensor(3.0), torch.ones(3).bfloat16(), torch.ones(2, 2).t(), torch.tensor([True])]
    write_data(tmp_path / "data.safetensors", data)
    assert [each.tolist() for each in read_data(tmp_path / "data.safetensors")] == [each.tolist() for each in data]


def test_a_file_that_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "data.safetensors"
    write_data(path, {"cfg": 4.0, "tensor": torch.zeros(3)})
    path.write_bytes(path.read_bytes().replace(b"4.0", b"5.0"))
    with pytest.raises(ValueError, match="not what was saved; the file was changed or is damaged"):
        read_data(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_file_of_another_program(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"a": torch.zeros(3)}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(ValueError, match=r"a\.safetensors: ValueError: it is of another program"):
        read_data(tmp_path / "a.safetensors")
