"""Conditionings of long lists, on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.conditioning.combine import Conditioning
from comfyui_sage.sage_core.conditioning.shelf import Shelf, ShelvedConditionings, all_extras, joined, select, shelved
from comfyui_sage.sage_core.serialization import read_data, write_data

SIZE = 64 * 512 * 2
"""Bytes of the text of `made`."""


def made(seed: int, dtype: torch.dtype = torch.bfloat16, **extras: Any) -> Conditioning:
    text = torch.randn(1, 64, 512, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return [[text, {"pooled_output": torch.full((1, 8), float(seed)), "guidance": 3.5, **extras}]]


def on_disk(*conditionings: Conditioning) -> ShelvedConditionings:
    shelf = Shelf(in_memory=0)
    found = shelved([shelf.put(each) for each in conditionings])
    assert isinstance(found, ShelvedConditionings)
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_the_same_bits_come_back(dtype: torch.dtype) -> None:
    large = torch.randn(1, 32, 64, 64)
    first, second = made(1, dtype, llama=large[:, ::2]), made(2, dtype)
    found = on_disk(first, second)
    for given, back in zip((first, second), found, strict=True):
        (text, extras), (its_text, its_extras) = given[0], back[0]
        assert its_text.dtype == dtype and torch.equal(its_text.view(torch.uint8), text.view(torch.uint8))
        assert torch.equal(its_extras["pooled_output"], extras["pooled_output"]) and its_extras["guidance"] == 3.5
    assert torch.equal(found[0][0][1]["llama"], large[:, ::2])


def test_a_short_list_is_what_it_was() -> None:
    given = [made(1), made(2)]
    shelf = Shelf()
    found = shelved([shelf.put(each) for each in given])
    assert isinstance(found, tuple) and all(back[0][0] is each[0][0] for each, back in zip(given, found, strict=True))


def test_a_small_part_does_not_keep_the_whole_in_memory() -> None:
    large = torch.randn(1, 64, 512)
    (entry,) = Shelf(in_memory=0).put([[large, {"pooled_output": large[:, 0]}]])
    assert entry[1]["pooled_output"].untyped_storage().nbytes() == large[:, 0].nbytes


def test_one_that_is_there_twice_is_stored_once() -> None:
    shelf = Shelf(in_memory=0)
    item = shelf.put(made(1))
    found = shelved([item, item, shelf.put(made(2))])
    assert isinstance(found, ShelvedConditionings)
    assert found.items[0][0][0] is found.items[1][0][0] and found.items[2][0][0].at == SIZE
    assert torch.equal(found[0][0][0], found[1][0][0])


def test_parts_and_sums_stay_on_the_disk() -> None:
    found, more = on_disk(made(1), made(2), made(3)), (made(4),)
    parts = (found[1:], select(found, [2, 0]), joined(found, more), joined(more, found))
    wanted = ([2, 3], [3, 1], [1, 2, 3, 4], [4, 1, 2, 3])
    for part, seeds in zip(parts, wanted, strict=True):
        assert isinstance(part, ShelvedConditionings)
        assert all(torch.equal(each[0][0], made(seed)[0][0]) for each, seed in zip(part, seeds, strict=True))
    assert isinstance(select(found, []), tuple) and isinstance(joined(more, more), tuple)
    assert [extras["guidance"] for extras in all_extras(found)] == [3.5] * 3


def test_they_are_written_like_others(tmp_path: Path) -> None:
    given = [made(seed, torch.float32) for seed in range(20)]
    write_data(tmp_path / "disk", {"conditionings": on_disk(*given)})
    for back, each in zip(read_data(tmp_path / "disk")["conditionings"], given, strict=True):
        assert torch.equal(back[0][0], each[0][0])
