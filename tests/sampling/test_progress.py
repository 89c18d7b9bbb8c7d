"""Progress: counts evaluations and previews all rows of a level."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.sampling.contact_sheet import contact_sheet
from comfyui_sage.sage_core.sampling.progress import Progress
from comfyui_sage.sage_core.sharing.plan import Level


class Callback:
    """Takes the place of ComfyUI's sampler callback and records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, torch.Tensor, torch.Tensor, int]] = []

    def __call__(self, step: int, denoised: Any, x: Any, total: int) -> None:
        self.calls.append((step, denoised.clone(), x.clone(), total))


def level(clusters: int) -> Level:
    return Level(tuple((index,) for index in range(clusters)), None)


def rows(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 4, 8, 8).clone()


def test_steps_are_evaluations() -> None:
    callback = Callback()
    progress = Progress(callback, total=8)
    progress.start_level(level(2), 1)
    for _ in range(2):
        progress.add(4)
        progress.show(rows(1, 2), clusters=[0, 1])
    assert [(step, total) for step, _, _, total in callback.calls] == [(3, 8), (7, 8)]


def test_the_total_grows_when_more_is_needed() -> None:
    progress = Progress(None, total=4)
    progress.add(3)
    assert (progress.done, progress.total) == (3, 4)
    progress.add(3)
    assert (progress.done, progress.total) == (6, 6)


def test_a_second_part_goes_on_counting() -> None:
    callback = Callback()
    progress = Progress(callback, total=10, done=6)
    progress.start_level(level(1), 1)
    progress.add(1)
    progress.show(rows(1), clusters=[0])
    assert callback.calls[0][0] == 6


def test_fewer_than_planned_end_full_too(capsys: pytest.CaptureFixture[str]) -> None:
    callback = Callback()
    with Progress(callback, total=8, bar=True) as progress:
        progress.start_level(level(1), 1)
        progress.add(5)
        progress.show(rows(1), clusters=[0])
    assert [(step, total) for step, _, _, total in callback.calls] == [(4, 8), (4, 5)]
    assert "5/5" in capsys.readouterr().err


def test_a_run_that_fails_does_not_end_full() -> None:
    callback = Callback()
    with pytest.raises(RuntimeError), Progress(callback, total=8) as progress:
        progress.start_level(level(1), 1)
        progress.add(5)
        progress.show(rows(1), clusters=[0])
        raise RuntimeError
    assert [(step, total) for step, _, _, total in callback.calls] == [(4, 8)]


class TestPreview:
    def test_a_long_list_takes_little_memory(self) -> None:
        """Not much more than the sheet, which shows all rows."""
        callback, count = Callback(), 300
        progress = Progress(callback, total=count)
        progress.start_level(level(count), 1)
        whole = torch.rand(count, 4, 64, 64)
        for at in range(0, count, 100):
            progress.show(whole[at : at + 100], clusters=list(range(at, at + 100)))
        assert progress._latents is not None and progress._latents.nbytes < whole.nbytes / 10
        assert torch.equal(callback.calls[-1][1], contact_sheet(whole[..., ::4, ::4]))

    def test_all_rows_of_the_level(self) -> None:
        callback = Callback()
        progress = Progress(callback, total=8)
        progress.start_level(level(4), 1)
        progress.add(4)
        progress.show(rows(1, 2, 3, 4), clusters=[0, 1])
        assert torch.equal(callback.calls[0][1], contact_sheet(rows(1, 2, 3, 4)))
        assert torch.equal(callback.calls[0][1], callback.calls[0][2])

    def test_chunks_fill_their_places_and_leave_the_rest(self) -> None:
        """Three clusters of two variations: the last runs first."""
        callback = Callback()
        progress = Progress(callback, total=8)
        progress.start_level(level(3), 2)
        progress.show(rows(5, 6), clusters=[2])
        progress.show(rows(1, 2, 3, 4), clusters=[0, 1])
        progress.show(rows(7, 8), clusters=[1])
        assert torch.equal(callback.calls[0][1], contact_sheet(rows(0, 0, 0, 0, 5, 6)))
        assert torch.equal(callback.calls[1][1], contact_sheet(rows(1, 2, 3, 4, 5, 6)))
        assert torch.equal(callback.calls[2][1], contact_sheet(rows(1, 2, 7, 8, 5, 6)))

    def test_a_new_level_starts_empty(self) -> None:
        callback = Callback()
        progress = Progress(callback, total=8)
        progress.start_level(level(1), 1)
        progress.show(rows(9), clusters=[0])
        progress.start_level(level(2), 1)
        progress.show(rows(1), clusters=[1])
        assert torch.equal(callback.calls[1][1], contact_sheet(rows(0, 1)))

    def test_what_the_sampler_does_with_its_rows_later_does_not_show(self) -> None:
        callback = Callback()
        progress = Progress(callback, total=8)
        progress.start_level(level(2), 1)
        first = rows(1)
        progress.show(first, clusters=[0])
        first.zero_()
        progress.show(rows(2), clusters=[1])
        assert torch.equal(callback.calls[1][1], contact_sheet(rows(1, 2)))

    @pytest.mark.parametrize("shape", [(2, 16, 3, 8, 8), (2, 64, 10)])
    def test_video_and_audio(self, shape: tuple[int, ...]) -> None:
        callback = Callback()
        progress = Progress(callback, total=8)
        progress.start_level(level(2), 1)
        latents = torch.randn(shape)
        progress.show(latents, clusters=[0, 1])
        assert torch.equal(callback.calls[0][1], contact_sheet(latents))

    def test_a_sampler_that_enlarges_its_latents(self) -> None:
        callback = Callback()
        progress = Progress(callback, total=8)
        progress.start_level(level(2), 1)
        progress.show(rows(1, 2), clusters=[0, 1])
        larger = torch.ones(2, 4, 16, 16)
        progress.show(larger, clusters=[0, 1])
        assert torch.equal(callback.calls[1][1], contact_sheet(larger))

    def test_no_listener(self) -> None:
        progress = Progress(None, total=8)
        progress.start_level(level(2), 1)
        progress.show(rows(1, 2), clusters=[0, 1])


class TestBar:
    def test_it_shows_finished_evaluations(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Progress(None, total=8, done=2, bar=True) as progress:
            progress.add(6)
        assert "8/8" in capsys.readouterr().err

    def test_it_is_silent_if_disabled(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Progress(None, total=8) as progress:
            progress.add(8)
        assert capsys.readouterr().err == ""

    def test_a_repeated_chunk_sets_it_back(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Out of memory: the engine sets `done` back to where the chunk began."""
        with Progress(None, total=8, bar=True) as progress:
            progress.add(4)
            progress.done = 2
            progress.add(2)
            assert progress.tqdm.n == 4
            progress.add(4)
        assert "8/8" in capsys.readouterr().err
