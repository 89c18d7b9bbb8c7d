"""The comparison grid."""

from __future__ import annotations

import comfy.model_management
import comfy.utils
import numpy as np
import pytest
import torch
from comfy.model_management import throw_exception_if_processing_interrupted as throw_if_stopped
from comfyui_sage.nodes.images import ComparisonGrid
from comfyui_sage.sage_core.images import comparison_grid as comparison_grid_module
from comfyui_sage.sage_core.images.comparison_grid import comparison_grid
from comfyui_sage.sage_core.images.palette import group_colour
from groups import named_groups


def flat(values: list[float], side: int = 64) -> torch.Tensor:
    """A plain image a value, red so that no text or frame has its colour."""
    images = torch.zeros(len(values), side, side, 3)
    images[..., 0] = torch.tensor(values).view(-1, 1, 1)
    return images


def pixels(grid: torch.Tensor) -> np.ndarray:
    assert grid.shape[0] == 1
    assert grid.shape[3] == 3
    assert 0 <= float(grid.min()) <= float(grid.max()) <= 1
    return (grid[0] * 255).round().to(torch.uint8).numpy()


def places(picture: np.ndarray, value: float) -> tuple[int, int, int]:
    """Top, left and number of the pixels of an image."""
    y, x = np.nonzero((picture == (round(255 * value), 0, 0)).all(-1))
    return int(y.min()), int(x.min()), len(y)


def test_every_image_is_there_whole_and_next_to_its_rival() -> None:
    first, second = [0.5, 0.6, 0.7, 0.8], [0.52, 0.62, 0.72, 0.82]
    picture = pixels(comparison_grid(named_groups(((0, 2), (1, 3))), {"images": flat(first), "images_2": flat(second)}))
    for one, other in zip(first, second, strict=True):
        (top, left, number), (other_top, other_left, _) = places(picture, one), places(picture, other)
        assert number == 64 * 64
        assert other_top == top
        assert 64 < other_left - left < 90


def test_groups_are_together_in_their_colours() -> None:
    partition = ((0, 2), (1,), (3, 4))
    picture = pixels(comparison_grid(named_groups(partition), {"images": flat([0.5, 0.6, 0.7, 0.8, 0.9])}))
    for number, members in enumerate(partition):
        frame = np.argwhere((picture == group_colour(number, len(members))).all(-1))
        (top, left), (bottom, right) = frame.min(0), frame.max(0)
        for member in members:
            y, x, _ = places(picture, [0.5, 0.6, 0.7, 0.8, 0.9][member])
            assert top < y < bottom
            assert left < x < right


def test_a_group_is_no_wider_than_its_prompts_need() -> None:
    one, two = (comparison_grid(named_groups((tuple(range(n)),)), {"images": flat([0.5] * n)}) for n in (1, 2))
    assert one.shape[2] < 0.6 * two.shape[2] < 0.6 * 400


def test_variations_stand_side_by_side() -> None:
    picture = pixels(comparison_grid(named_groups(((0, 1),)), {"images": flat([0.5, 0.55, 0.7, 0.75])}))
    assert places(picture, 0.5)[0] == places(picture, 0.55)[0]
    assert places(picture, 0.55)[1] - places(picture, 0.5)[1] < 90


def test_batches_of_different_size_shape_and_channels() -> None:
    batches = {"images": flat([0.5, 0.6]), "images_2": torch.rand(4, 32, 96, 4), "images_3": torch.rand(2, 16, 16, 1)}
    grid = comparison_grid(named_groups(((0, 1),)), batches, ["one", "two"])
    assert places(pixels(grid), 0.5)[2] == 64 * 64


def test_one_image() -> None:
    assert places(pixels(comparison_grid(named_groups(((0,),)), {"images": flat([0.5])})), 0.5)[2] == 64 * 64


def test_500_images_make_one_sensible_sheet() -> None:
    partition = tuple(tuple(range(start, min(start + 7, 500))) for start in range(0, 500, 7))
    grid = comparison_grid(named_groups(partition), {"images": torch.rand(500, 48, 48, 3)})
    height, width = grid.shape[1:3]
    assert 0.5 < width / height < 4


def test_one_long_group_is_cut_into_columns() -> None:
    grid = comparison_grid(named_groups((tuple(range(200)),)), {"images": torch.rand(200, 32, 32, 3)})
    height, width = grid.shape[1:3]
    assert 0.4 < width / height < 4


def test_large_images_are_made_smaller_and_a_size_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_grid_module, "_MOST_PIXELS", 1e5)
    many = pixels(comparison_grid(named_groups(((0, 1),)), {"images": flat([0.5, 0.6], side=256)}))
    assert places(many, 0.5)[2] == pytest.approx(5e4, rel=0.01)
    asked = pixels(comparison_grid(named_groups(((0,),)), {"images": flat([0.5])}, size=32))
    assert places(asked, 0.5)[2] == 32 * 32


def test_a_sheet_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures are as large as that allows, whatever size was asked for."""
    monkeypatch.setattr(comparison_grid_module, "_MOST_SHEET_PIXELS", 1e6)
    grid = pixels(comparison_grid(named_groups((tuple(range(6)),)), {"images": flat([0.5] * 6)}, size=2048))
    assert 0.8e6 < grid.shape[0] * grid.shape[1] <= 1e6
    assert places(grid, 0.5)[2] > 3e5


def test_captions_that_need_more_than_a_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_grid_module, "_MOST_SHEET_PIXELS", 1e5)
    with pytest.raises(ValueError, match=r"groups: expected few enough prompts .*, got 40, which .* several grids"):
        comparison_grid(named_groups((tuple(range(40)),)), {"images": flat([0.5] * 40)})


def test_a_stop_between_two_prompts() -> None:
    """The node's progress bar raises when the user cancels."""
    drawn: list[int] = []

    def stop(done: int) -> None:
        drawn.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        comparison_grid(named_groups(((0, 2), (1,))), {"images": flat([0.5, 0.6, 0.7])}, on_prompt=stop)
    assert drawn == [1, 2]


def test_a_stop_by_the_user_ends_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda *args, **more: throw_if_stopped())
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        ComparisonGrid.execute(named_groups(((0, 1),)), flat([0.5, 0.6]))


def test_the_same_input_gives_the_same_picture() -> None:
    images = torch.rand(3, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    prompts = ["naïve café", "красная машина " * 20, "x" * 400]
    made = [comparison_grid(named_groups(((0, 1), (2,)), prompts), {"images": images}, ["a title"]) for _ in range(2)]
    assert torch.equal(*made)


def test_titles_take_room_only_where_there_are_any() -> None:
    heights = [
        comparison_grid(named_groups(((0,),)), {"images": flat([0.5])}, titles).shape[1]
        for titles in ([], [""], ["alone"])
    ]
    assert heights[0] == heights[1] < heights[2]


@pytest.mark.parametrize("number", [1, 5])
def test_a_batch_that_does_not_fit_is_named(number: int) -> None:
    batches = {"images": torch.zeros(2, 8, 8, 3), "images_2": torch.zeros(number, 8, 8, 3)}
    with pytest.raises(ValueError, match=rf"images_2: expected .* 2 prompts, got {number} images"):
        comparison_grid(named_groups(((0, 1),)), batches)
