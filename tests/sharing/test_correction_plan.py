"""Which calls are a prompt's own, and how much of its group's run every prompt takes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from comfyui_sage.sage_core.sharing.correction_plan import CorrectionPlan, correction_shares, spread_calls
from embeddings import directions
from hypothesis import given
from hypothesis import strategies as st
from reference import different, grouped

FLOW = tuple(3 * t / (1 + 2 * t) for t in np.linspace(1, 0.05, 20))
"""The part of noise in 20 steps of a rectified flow with shift 3."""


class TestSpreadCalls:
    def test_the_noise_falls_by_growing_amounts(self) -> None:
        own = spread_calls(20, 0.7, FLOW)
        assert own == (0, 5, 10, 14, 17, 19)
        falls = -np.diff([FLOW[call] for call in own])
        assert falls[0] < falls[1] < falls[2] < falls[3:].min()

    def test_evenly_where_the_noise_is_not_known(self) -> None:
        assert spread_calls(20, 0.7) == (0, 4, 8, 11, 15, 19)

    def test_one_is_the_last(self) -> None:
        assert spread_calls(20, 0.95, FLOW) == (19,)

    def test_everything_is_taken_over(self) -> None:
        assert spread_calls(20, 1.0, FLOW) == ()

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 1), st.booleans())
    def test_as_many_as_the_share_leaves_from_the_first_to_the_last(
        self, noise: list[float], share: float, known: bool
    ) -> None:
        calls = len(noise)
        own = spread_calls(calls, share, noise if known else ())
        assert len(own) == calls - round(share * calls)
        assert all(first < second for first, second in itertools.pairwise(own))
        if len(own) > 1:
            assert own[0] == 0 and own[-1] == calls - 1
            gaps = np.diff(own)
            assert known or gaps.max() - gaps.min() <= 1


def test_the_first_own_call_needs_no_negative_prompt() -> None:
    plan = CorrectionPlan(0.7, (None, 0.7, 0.7), calls=20, evaluations_per_row=2)
    assert plan.evaluations(variations=3) == 2 * 3 * (6 * 2 - 1)
    assert replace(plan, evaluations_per_row=1).evaluations(variations=3) == 2 * 3 * 6


def test_controlled_calls_are_bounded_by_sampling_alone() -> None:
    plan = CorrectionPlan(0.7, (None, 0.7), calls=20, evaluations_per_row=2, is_controlled=True)
    assert plan.own_calls(1) == tuple(range(20)) and plan.own_calls(0) == ()
    assert plan.evaluations(variations=1) == 20 * 2 - 1


@pytest.mark.parametrize(("share", "few"), [(0.8, False), (0.85, True), (1.0, True)])
def test_few_own_calls(share: float, few: bool) -> None:
    assert CorrectionPlan(share, (None, share), calls=20, evaluations_per_row=2).has_few_own_calls is few


@pytest.mark.parametrize(("share", "few"), [(0.5, False), (0.75, True)])
def test_of_few_calls_half_are_enough(share: float, few: bool) -> None:
    assert CorrectionPlan(share, (None, share), calls=4, evaluations_per_row=2).has_few_own_calls is few


class TestShares:
    GROUPS = replace(
        grouped(different("sd15", 4), [(0, 1, 2), (3,)], group_condition="auto"), embeddings=directions(0, 10, 30, 90)
    )

    def test_all_but_the_most_central_of_each_group(self) -> None:
        assert correction_shares(self.GROUPS, 0.6, "fixed") == (0.6, None, 0.6, None)

    def test_in_a_tree_the_farthest_takes_least(self) -> None:
        """10 and 20 degrees from the reference; by 1 - cosine."""
        near = (1 - np.cos(np.radians(10))) / (1 - np.cos(np.radians(20)))
        shares = correction_shares(self.GROUPS, 0.4, "tree")
        assert shares == (pytest.approx(0.4 * (2 - near), abs=1e-4), None, pytest.approx(0.4, abs=1e-4), None)

    @pytest.mark.parametrize("chosen", ["mean", "concat"])
    def test_of_another_group_condition_nobody_is_the_reference(self, chosen: str) -> None:
        groups = replace(self.GROUPS, group_condition=chosen)
        assert correction_shares(groups, 0.6, "fixed") == (0.6, 0.6, 0.6, None)

    def test_the_reference_does_not_depend_on_the_order_of_the_list(self) -> None:
        """Two prompts are equally central."""
        groups = replace(self.GROUPS, partition=((0, 1), (2,), (3,)))
        swapped = replace(groups, prompts=("prompt 1", "prompt 0", *groups.prompts[2:]))
        assert groups.reference((0, 1)) == 0 and swapped.reference((0, 1)) == 1
