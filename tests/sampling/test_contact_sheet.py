"""The contact sheet: all latents of a batch as one latent, for previews."""

from __future__ import annotations

import itertools

import pytest
import torch
from comfyui_sage.sage_core.sampling.contact_sheet import contact_sheet
from hypothesis import given
from hypothesis import strategies as st

LARGEST = 128 * 128


def numbered(rows: int, *shape: int) -> torch.Tensor:
    """Every row filled with its number, from 1."""
    return torch.arange(1, rows + 1, dtype=torch.float32).view(-1, *[1] * len(shape)).expand(rows, *shape).clone()


def layout(sheet: torch.Tensor, height: int, width: int) -> list[list[int]]:
    """The number in each tile, which has to be the same all over the tile."""
    lines, columns = sheet.shape[-2] // height, sheet.shape[-1] // width
    numbers = []
    for line, column in itertools.product(range(lines), range(columns)):
        tile = sheet[..., line * height : (line + 1) * height, column * width : (column + 1) * width]
        assert tile.min() == tile.max()
        numbers.append(int(tile.max()))
    return [numbers[line * columns : (line + 1) * columns] for line in range(lines)]


def test_rows_are_read_like_text_and_the_rest_stays_empty() -> None:
    sheet = contact_sheet(numbered(5, 4, 8, 8))
    assert sheet.shape == (1, 4, 24, 16)
    assert layout(sheet, 8, 8) == [[1, 2], [3, 4], [5, 0]]


@pytest.mark.parametrize(
    "rows, height, width, lines, columns",
    [(4, 8, 8, 2, 2), (9, 8, 8, 3, 3), (2, 8, 8, 2, 1), (2, 16, 8, 1, 2), (4, 8, 32, 4, 1), (4, 32, 8, 1, 4)],
)
def test_nearly_square_in_pixels(rows: int, height: int, width: int, lines: int, columns: int) -> None:
    assert contact_sheet(numbered(rows, 4, height, width)).shape == (1, 4, lines * height, columns * width)


@given(st.integers(2, 60), st.integers(1, 40), st.integers(1, 40))
def test_every_row_once_at_any_size(rows: int, height: int, width: int) -> None:
    sheet = contact_sheet(numbered(rows, 1, height, width))
    shown = sorted(set(sheet.unique().tolist()) - {0})
    assert shown == list(range(1, rows + 1))


@pytest.mark.parametrize("side", [8, 64, 128])
@pytest.mark.parametrize("rows", [2, 16, 500])
def test_never_much_larger_than_one_usual_image(rows: int, side: int) -> None:
    sheet = contact_sheet(numbered(rows, 4, side, side))
    assert sheet.shape[-2] * sheet.shape[-1] <= 2 * LARGEST
    assert len(sheet.unique()) >= rows


def test_pictures_keep_their_content() -> None:
    rows = torch.randn(4, 4, 8, 6)
    sheet = contact_sheet(rows)
    assert torch.equal(sheet[0, :, :8, :6], rows[0])
    assert torch.equal(sheet[0, :, 8:, 6:12], rows[3])


def test_shrinking_takes_every_nth_pixel() -> None:
    rows = torch.randn(4, 4, 128, 128)
    assert torch.equal(contact_sheet(rows)[0, :, :64, :64], rows[0, :, ::2, ::2])


def test_video_tiles_every_frame() -> None:
    rows = torch.randn(4, 16, 3, 8, 8)
    sheet = contact_sheet(rows)
    assert sheet.shape == (1, 16, 3, 16, 16)
    assert torch.equal(sheet[0, :, :, 8:, :8], rows[2])


def test_audio_has_no_sheet() -> None:
    rows = torch.randn(3, 64, 100)
    assert torch.equal(contact_sheet(rows), rows[:1])


@pytest.mark.parametrize("shape", [(1, 4, 200, 200), (1, 16, 3, 8, 8), (1, 64, 10)])
def test_one_row_is_itself(shape: tuple[int, ...]) -> None:
    rows = torch.randn(shape)
    assert torch.equal(contact_sheet(rows), rows)


def test_type_and_input_are_kept() -> None:
    rows = torch.randn(3, 4, 8, 8).half()
    before = rows.clone()
    sheet = contact_sheet(rows)
    assert sheet.dtype == torch.float16
    sheet.zero_()
    assert torch.equal(rows, before)
