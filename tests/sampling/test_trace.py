"""The trace: recorded model outputs, replayed only to a run that makes the same calls."""

from __future__ import annotations

import pytest
import torch
from comfyui_sage.sage_core.sampling.trace import ReplayMismatch, fingerprint, record, replay
from hypothesis import given
from hypothesis import strategies as st
from models import randn


def state(rows: int, seed: int = 1) -> torch.Tensor:
    return randn(rows, 4, 8, 8, seed=seed)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.floats(1e-3, 500))
def test_replay_is_exact(clusters: int, variations: int, conds: int, sigma: float) -> None:
    x = state(clusters * variations)
    outputs = [state(clusters * variations, seed=2 + index) for index in range(conds)]
    calls = record(sigma, x, outputs, clusters)
    assert len(calls) == clusters
    assert all(call.outputs[0].shape[0] == variations for call in calls)
    for answer, output in zip(replay(calls, sigma, x), outputs, strict=True):
        assert torch.equal(answer, output)


def test_a_parents_answer_goes_to_each_of_its_clusters() -> None:
    """Two clusters of two variations; the finer run has three rows of clusters: from 0, 1 and 1."""
    x, output = state(4), state(4, seed=2)
    calls = record(3.0, x, [output], clusters=2)
    finer = [calls[0], calls[1], calls[1]]
    (answer,) = replay(finer, 3.0, torch.cat([x[:2], x[2:], x[2:]]))
    assert torch.equal(answer, torch.cat([output[:2], output[2:], output[2:]]))


def test_conditions_not_evaluated_stay_none() -> None:
    x = state(2)
    calls = record(3.0, x, [x, None], clusters=2)
    assert [call.outputs[1] for call in calls] == [None, None]
    assert replay(calls, 3.0, x)[1] is None


def test_changes_in_place_do_not_reach_the_record() -> None:
    x, output = state(2), state(2, seed=2)
    asked, answered = x.clone(), output.clone()
    calls = record(3.0, x, [output], clusters=1)
    x.zero_()
    output.zero_()
    (first,) = replay(calls, 3.0, asked)
    assert torch.equal(first, answered)
    first.zero_()
    assert torch.equal(replay(calls, 3.0, asked)[0], answered)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_models_precision_is_kept(dtype: torch.dtype) -> None:
    x = state(2).to(dtype)
    (answer,) = replay(record(3.0, x, [x], clusters=1), 3.0, x)
    assert answer.dtype == dtype
    assert torch.equal(answer, x)


class TestMismatch:
    def test_another_sigma(self) -> None:
        x = state(1)
        with pytest.raises(ReplayMismatch, match=r"asked at sigma 2\.9, recorded was 3"):
            replay(record(3.0, x, [x], clusters=1), 2.9, x)

    def test_a_sigma_that_went_through_a_logarithm(self) -> None:
        x = state(1)
        assert replay(record(3.0, x, [x], clusters=1), 3.0 * (1 + 1e-6), x)

    def test_sigma_zero(self) -> None:
        x = state(1)
        assert replay(record(0.0, x, [x], clusters=1), 0.0, x)

    def test_clusters_of_different_calls(self) -> None:
        x = state(1)
        calls = record(3.0, x, [x], clusters=1) + record(2.0, x, [x], clusters=1)
        with pytest.raises(ReplayMismatch, match="sigma"):
            replay(calls, 3.0, torch.cat([x, x]))

    @pytest.mark.parametrize("row", [0, 1])
    def test_another_state_in_one_row(self, row: int) -> None:
        x = state(2)
        calls = record(3.0, x, [x], clusters=2)
        other = x.clone()
        other[row] += 0.01 * state(1, seed=3)[0]
        with pytest.raises(ReplayMismatch, match="state differs from the recorded one at sigma 3"):
            replay(calls, 3.0, other)

    def test_rounding_is_no_other_state(self) -> None:
        x = 14.6 * state(2)
        assert replay(record(3.0, x, [x], clusters=1), 3.0, x * (1 + 1e-6))
        assert replay(record(3.0, x, [x], clusters=1), 3.0, x.half().float())

    def test_noise_in_one_place_of_a_large_latent(self) -> None:
        """A fingerprint is a sample, so a change of a patch has to be large enough to be hit."""
        x = randn(1, 16, 128, 128, seed=1)
        other = x.clone()
        other[..., 40:80, 40:80] += 0.1
        with pytest.raises(ReplayMismatch):
            replay(record(3.0, x, [x], clusters=1), 3.0, other)

    def test_another_number_of_rows(self) -> None:
        x = state(2)
        with pytest.raises(ReplayMismatch):
            replay(record(3.0, x, [x], clusters=1), 3.0, x[:1])

    @pytest.mark.parametrize("broken", [float("nan"), float("inf")])
    def test_a_state_that_broke_down_on_the_way(self, broken: float) -> None:
        x = state(1)
        other = x.clone()
        other[0, 0, 0, 0] = broken
        with pytest.raises(ReplayMismatch):
            replay(record(3.0, x, [x], clusters=1), 3.0, other)

    @pytest.mark.parametrize("broken", [float("nan"), float("inf")])
    def test_a_state_that_was_broken_from_the_start_repeats(self, broken: float) -> None:
        x = torch.full((1, 4, 8, 8), broken)
        assert torch.equal(replay(record(3.0, x, [x], clusters=1), 3.0, x)[0].isnan(), x.isnan())


class TestFingerprint:
    @given(st.integers(1, 3), st.integers(1, 3000))
    def test_some_values_of_each_row_from_first_to_last(self, rows: int, values: int) -> None:
        x = torch.arange(rows * values, dtype=torch.float32).view(rows, values)
        kept = fingerprint(x)
        assert kept.shape == (rows, min(values, 512))
        assert torch.equal(kept[:, [0, -1]], x[:, [0, -1]])
        assert (kept.diff() > 0).all()

    def test_more_values_than_fp32_can_number(self) -> None:
        """About what two minutes of video have."""
        assert fingerprint(torch.zeros((1, 2**24 + 16), dtype=torch.bfloat16)).shape == (1, 512)

    @pytest.mark.parametrize("shape", [(2, 4, 8, 6), (2, 16, 3, 8, 8), (2, 64, 100), (2, 1, 7)])
    def test_any_layout(self, shape: tuple[int, ...]) -> None:
        assert fingerprint(torch.zeros(shape)).shape == (2, min(512, torch.zeros(shape)[0].numel()))

    def test_it_is_a_copy(self) -> None:
        x = torch.ones(1, 4)
        kept = fingerprint(x)
        x.zero_()
        assert kept.all()
