"""The share modes: for how many steps each cluster shares."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.sharing.plan import SharePlan
from comfyui_sage.sage_core.sharing.share_modes import auto_shares, fixed_shares, min_noise_ratio, tree_shares
from comfyui_sage.sage_core.vectors import normalize
from hypothesis import given
from hypothesis import strategies as st
from reference import grouped


def at_angles(*degrees: float, partition: tuple | None = None) -> PromptGroups:
    """Prompts in one group, their embeddings at these angles in a plane."""
    angles = np.radians(degrees)
    groups = grouped([[]] * len(degrees), partition or [tuple(range(len(degrees)))])
    return replace(groups, embeddings=normalize(np.stack([np.cos(angles), np.sin(angles)], axis=1)))


def test_fixed_is_the_share_for_every_group() -> None:
    assert fixed_shares(at_angles(0, 10, 50, partition=((0, 2), (1,))), 0.3) == [((0, 2), 0.3), ((1,), 0.3)]


class TestAuto:
    def test_the_further_apart_the_louder(self) -> None:
        assert min_noise_ratio(0.4, 1.0, 0.2) == pytest.approx(1.3 * 0.2)
        assert min_noise_ratio(0.4, 4.0, 0.2) == pytest.approx(4 * 1.3 * 0.2)
        assert min_noise_ratio(0.4, 0.5, 0.2) == min_noise_ratio(0.4, 1.0, 0.2)
        assert min_noise_ratio(0.8, 1.0, 0.2) == pytest.approx(1.3 * 0.1)

    def test_one_answer_at_first_is_no_reason_to_share_all(self) -> None:
        class Probe:
            cfg = 1.0

            def noise_ratios(self) -> list[float]:
                return [8.0, 4.0, 2.0, 1.0]

            def divergences(self) -> list[float]:
                return [1e-4, 2.0, 0.0]

        groups = at_angles(0, 1, 40, 41, 90, partition=((0, 1), (2, 3), (4,)))
        assert auto_shares(groups, 0.4, Probe()) == [((0, 1), 0.4), ((2, 3), 0.5), ((4,), 1.0)]

    def test_no_share_is_no_sharing(self) -> None:
        assert min_noise_ratio(0.0, 8.0, 0.2) == float("inf")


class TestTree:
    def test_tight_pairs_go_on_together(self) -> None:
        shares = dict(tree_shares(at_angles(0, 60, 2, 70), 0.3))
        assert set(shares) == {(0, 1, 2, 3), (0, 2), (1, 3)}
        assert shares[0, 1, 2, 3] == pytest.approx(0.3)
        widest = 1 - np.cos(np.radians(70))
        for pair, angle in (((0, 2), 2), ((1, 3), 10)):
            assert shares[pair] == pytest.approx(0.3 * (2 - (1 - np.cos(np.radians(angle))) / widest), rel=1e-5)

    def test_a_group_of_two_has_nothing_inside(self) -> None:
        groups = at_angles(0, 30, 60, partition=((0, 2), (1,)))
        assert tree_shares(groups, 0.4) == [((0, 2), 0.4), ((1,), 0.4)]

    def test_no_distance_is_no_tree(self) -> None:
        assert tree_shares(at_angles(20, 20, 20), 0.4) == [((0, 1, 2), 0.4)]

    def test_every_group_has_a_tree_of_its_own(self) -> None:
        groups = at_angles(0, 10, 11, 90, 91, 130, partition=((0, 1, 2), (3, 4, 5)))
        shares = dict(tree_shares(groups, 0.2))
        assert set(shares) == {(0, 1, 2), (1, 2), (3, 4, 5), (3, 4)}
        assert shares[0, 1, 2] == shares[3, 4, 5] == pytest.approx(0.2)

    @given(st.lists(st.floats(0, 90), min_size=2, max_size=9), st.floats(0, 1))
    def test_any_tree_makes_a_plan(self, angles: list[float], share: float) -> None:
        shares = tree_shares(at_angles(*angles), share)
        assert shares[0] == (tuple(range(len(angles))), pytest.approx(share))
        assert all(share * (1 - 1e-5) <= own <= min(1, 2 * share) + 1e-9 for _, own in shares)
        plan = SharePlan.from_branches([(cluster, 10 - 9 * own) for cluster, own in shares], len(angles))
        assert len(plan.levels[0].clusters) == 1

    @given(st.lists(st.integers(0, 9), min_size=2, max_size=9), st.randoms())
    def test_the_order_of_the_prompts_does_not_matter(self, steps: list[int], order: random.Random) -> None:
        """Not even where distances are equal, as many are here."""
        groups = at_angles(*(10 * step for step in steps))
        places = list(range(len(steps)))
        order.shuffle(places)
        moved = replace(
            groups, prompts=tuple(groups.prompts[at] for at in places), embeddings=groups.embeddings[places]
        )
        before = {frozenset(groups.prompts[at] for at in cluster) for cluster, _ in tree_shares(groups, 0.4)}
        assert {frozenset(moved.prompts[at] for at in cluster) for cluster, _ in tree_shares(moved, 0.4)} == before
