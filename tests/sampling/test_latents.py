"""Batches of latents, as plain tensors and as ComfyUI's nested tensors."""

from __future__ import annotations

from typing import Any

import comfy.utils
import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfyui_sage.sage_core.sampling import latents
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
        assert latents.count(make(3)) == 3
        assert latents.shape(make(3)) == parts(make(3))[0].shape

    def test_tile_is_cluster_major(self, make: Any) -> None:
        batch = make(2)
        for part, tiled in zip(parts(batch), parts(latents.tile(batch, 3)), strict=True):
            assert torch.equal(tiled, torch.cat([part] * 3))

    def test_chunk_and_concat_are_inverse(self, make: Any) -> None:
        batch = make(6)
        for count in (1, 2, 3, 6):
            pieces = latents.chunk(batch, count)
            assert [latents.count(piece) for piece in pieces] == [6 // count] * count
            assert_equal(latents.concat(pieces), batch)

    def test_concat_keeps_the_order(self, make: Any) -> None:
        one, two = make(1, seed=1), make(2, seed=2)
        for a, b, both in zip(parts(one), parts(two), parts(latents.concat([one, two])), strict=True):
            assert torch.equal(both, torch.cat([a, b]))

    def test_one_batch_is_not_copied(self, make: Any) -> None:
        batch = make(2)
        assert latents.concat([batch]) is batch


@given(st.integers(1, 4), st.integers(1, 4))
def test_chunks_of_a_tiled_batch_are_the_batch(variations: int, clusters: int) -> None:
    batch = plain(variations)
    for piece in latents.chunk(latents.tile(batch, clusters), clusters):
        assert torch.equal(piece, batch)


LAYOUTS = {"image": (4, 6, 5), "video": (16, 3, 6, 5), "audio": (8, 9)}
"""Latents of one row."""
MASKS = [
    ("image", (6, 5)), ("image", (1, 48, 40)), ("image", (2, 6, 5)), ("image", (1, 1, 6, 5)), ("image", (2, 1, 12, 10)),
    ("image", (3, 6, 5)),
    ("video", (1, 6, 5)), ("video", (3, 6, 5)), ("video", (1, 1, 3, 6, 5)), ("video", (2, 1, 3, 12, 10)),
    ("audio", (1, 1, 9)), ("audio", (2, 1, 9)),
]  # fmt: skip


@pytest.mark.parametrize("layout, shape", MASKS)
class TestMasks:
    VARIATIONS = 2

    def as_comfyui_reads(self, mask: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return comfy.utils.reshape_mask(mask.clone(), batch.shape)

    def batch(self, layout: str) -> torch.Tensor:
        return torch.zeros(self.VARIATIONS, *LAYOUTS[layout])

    @pytest.mark.parametrize("times", [1, 3])
    def test_a_tiled_mask_is_read_as_the_mask_tiled(self, layout: str, shape: tuple[int, ...], times: int) -> None:
        mask, batch = randn(*shape, seed=1), self.batch(layout)
        tiled = latents.tile_mask(mask, batch, times)
        found = self.as_comfyui_reads(tiled, latents.tile(batch, times))
        assert_equal(found, latents.tile(self.as_comfyui_reads(mask, batch), times))

    def test_a_fitted_mask_has_one_row_per_latent_and_is_read_the_same(
        self, layout: str, shape: tuple[int, ...]
    ) -> None:
        mask, batch = randn(*shape, seed=1), self.batch(layout)
        fitted = latents.fit_mask(mask, batch)
        assert fitted.shape[:2] == (self.VARIATIONS, 1)
        assert_equal(self.as_comfyui_reads(fitted, batch), self.as_comfyui_reads(mask, batch))

    def test_it_is_left_alone(self, layout: str, shape: tuple[int, ...]) -> None:
        mask, batch = randn(*shape, seed=1), self.batch(layout)
        before = mask.clone()
        latents.tile_mask(mask, batch, 2)
        latents.fit_mask(mask, batch)
        assert torch.equal(mask, before)


def test_masks_of_nested_latents() -> None:
    batch = nested(2)
    mask = NestedTensor([randn(2, 1, 2, 3, 3, seed=1), randn(2, 1, 5, seed=2)])
    for part, tiled in zip(parts(mask), parts(latents.tile_mask(mask, batch, 3)), strict=True):
        assert torch.equal(tiled, torch.cat([part] * 3))


def test_picked_rows_are_those_of_their_clusters() -> None:
    batch = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 2, 3, 3)
    picked = latents.select_clusters(batch, [2, 0, 2], 3)
    assert picked[:, 0, 0, 0].tolist() == [4, 5, 0, 1, 4, 5]
    assert latents.select_clusters(batch, [0, 1, 2], 3) is batch


def test_picked_rows_of_nested_latents() -> None:
    nested = NestedTensor([torch.arange(4.0).reshape(4, 1), torch.arange(8.0).reshape(4, 2)])
    picture, sound = latents.select_clusters(nested, [1, 1], 2).unbind()
    assert picture.tolist() == [[2], [3], [2], [3]]
    assert sound.tolist() == [[4, 5], [6, 7], [4, 5], [6, 7]]
