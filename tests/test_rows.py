"""Batches of rows, as plain tensors and as the host's nested latents."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfyui_sage.sage_core import rows
from hypothesis import given
from hypothesis import strategies as st
from models import randn


def plain(count: int, seed: int = 1) -> torch.Tensor:
    return randn(count, 4, 3, 2, seed=seed)


def nested(count: int, seed: int = 1) -> NestedTensor:
    """As video with sound has it: two tensors of different shapes."""
    return NestedTensor([randn(count, 4, 2, 3, 3, seed=seed), randn(count, 8, 5, seed=seed + 50)])


def parts(batch: Any) -> list[torch.Tensor]:
    return list(batch.unbind()) if batch.is_nested else [batch]


def assert_equal(a: Any, b: Any) -> None:
    assert a.is_nested == b.is_nested
    assert len(parts(a)) == len(parts(b))
    for x, y in zip(parts(a), parts(b), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("make", [plain, nested])
class TestEveryKind:
    def test_count(self, make: Any) -> None:
        assert rows.count(make(3)) == 3
        assert rows.shape(make(3)) == parts(make(3))[0].shape

    def test_tile_is_cluster_major(self, make: Any) -> None:
        batch = make(2)
        for part, tiled in zip(parts(batch), parts(rows.tile(batch, 3)), strict=True):
            assert torch.equal(tiled, torch.cat([part] * 3))

    @pytest.mark.parametrize("size, expected", [(1, [0]), (2, [0, 1]), (3, [0, 1, 0]), (5, [0, 1, 0, 1, 0])])
    def test_fit_repeats_or_cuts(self, make: Any, size: int, expected: list[int]) -> None:
        batch = make(2)
        for part, fitted in zip(parts(batch), parts(rows.fit(batch, size)), strict=True):
            assert torch.equal(fitted, part[expected])

    def test_chunk_and_concat_are_inverse(self, make: Any) -> None:
        batch = make(6)
        for count in (1, 2, 3, 6):
            pieces = rows.chunk(batch, count)
            assert [rows.count(piece) for piece in pieces] == [6 // count] * count
            assert_equal(rows.concat(pieces), batch)

    def test_concat_keeps_the_order(self, make: Any) -> None:
        one, two = make(1, seed=1), make(2, seed=2)
        for a, b, both in zip(parts(one), parts(two), parts(rows.concat([one, two])), strict=True):
            assert torch.equal(both, torch.cat([a, b]))

    def test_one_batch_is_not_copied(self, make: Any) -> None:
        batch = make(2)
        assert rows.concat([batch]) is batch


@given(st.integers(1, 4), st.integers(1, 4))
def test_chunks_of_a_tiled_batch_are_the_batch(variations: int, clusters: int) -> None:
    batch = plain(variations)
    for piece in rows.chunk(rows.tile(batch, clusters), clusters):
        assert torch.equal(piece, batch)
