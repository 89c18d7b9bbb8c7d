"""The share plan: nested partitions, and their predicted cost."""

from __future__ import annotations

from dataclasses import asdict
from random import Random

import pytest
from comfyui_sage.sage_core.grouping.partition import parents_of
from comfyui_sage.sage_core.phrases import saved_fraction
from comfyui_sage.sage_core.sharing.plan import Cost, Level, SharePlan, branch_index, is_past
from hypothesis import given
from hypothesis import strategies as st

SIGMAS = [14.6, 8.0, 4.0, 2.0, 1.0, 0.5]


def two_levels(groups: list | tuple, branch_sigma: float | None) -> SharePlan:
    """Groups down to one sigma, then every prompt alone."""
    clusters = [tuple(group) for group in groups]
    return SharePlan.from_branches([(cluster, branch_sigma) for cluster in clusters], sum(map(len, clusters)))


@st.composite
def partitions(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """Some prompts, each with the number of its group."""
    labels = draw(st.lists(st.integers(0, 4), min_size=1, max_size=9))
    return tuple(tuple(i for i, own in enumerate(labels) if own == label) for label in sorted(set(labels)))


@st.composite
def plans(draw: st.DrawFn) -> SharePlan:
    """A plan of up to four nested levels."""
    coarse = draw(partitions())
    n_prompts = sum(map(len, coarse))
    stack = [coarse]
    for _ in range(draw(st.integers(0, 2))):
        halves = draw(st.lists(st.booleans(), min_size=n_prompts, max_size=n_prompts))
        finer = [tuple(i for i in cluster if halves[i] is side) for cluster in stack[-1] for side in (True, False)]
        stack.append(tuple(cluster for cluster in finer if cluster))
    sigmas = draw(st.lists(st.floats(0.1, 20), min_size=len(stack), max_size=len(stack), unique_by=round))
    levels = [Level(*pair) for pair in zip(stack, sorted(sigmas, reverse=True), strict=True)]
    return SharePlan((*levels, Level(tuple((i,) for i in range(n_prompts)), None)))


@st.composite
def branches(draw: st.DrawFn) -> tuple[list[tuple[tuple[int, ...], float | None]], int]:
    """Some nested or disjoint clusters with any branch sigmas, in any order."""
    plan = draw(plans())
    clusters = [cluster for level in plan.levels for cluster in level.clusters]
    sigmas = st.none() | st.sampled_from(SIGMAS)
    return draw(st.lists(st.tuples(st.sampled_from(clusters), sigmas), max_size=12)), plan.n_prompts


def simulated_cost(plan: SharePlan, call_sigmas: list[float], variations: int, evaluations_per_row: int) -> int:
    """Follow every row of every prompt through the calls, and count each evaluation that is not a copy.

    A call within 1e-5 of the branch sigma is past it: samplers go through logs.
    """
    seen = set()
    for prompt in range(plan.n_prompts):
        level = 0
        for call, sigma in enumerate(call_sigmas):
            while (branch := plan.levels[level].branch_sigma) is not None and sigma <= branch * (1 + 1e-5):
                level += 1
            cluster = next(cluster for cluster in plan.levels[level].clusters if prompt in cluster)
            seen |= {(call, cluster, v, e) for v in range(variations) for e in range(evaluations_per_row)}
    return len(seen)


class TestCost:
    @given(plans(), st.lists(st.floats(0.01, 25), max_size=12), st.integers(1, 3), st.integers(1, 2))
    def test_against_a_simulation(self, plan: SharePlan, calls: list[float], variations: int, a_row: int) -> None:
        cost = plan.cost(calls, variations=variations, evaluations_per_row=a_row)
        assert cost.total == simulated_cost(plan, calls, variations, a_row)
        assert cost.without_sharing == len(calls) * plan.n_prompts * variations * a_row
        assert len(cost.per_level) == len(plan.levels)
        assert 0 <= cost.total <= cost.without_sharing
        assert 0 <= saved_fraction(cost.total, cost.without_sharing) < 1

    @pytest.mark.parametrize("steps, shared", [(10, 4), (20, 8), (5, 0), (5, 5)])
    def test_the_formula_of_the_design(self, steps: int, shared: int) -> None:
        """1 - b(1 - G/N) of the evaluations, with b the share of the steps."""
        sigmas = [float(steps - index) for index in range(steps + 1)]
        groups = [(0, 1, 2), (3,), (4, 5)]
        plan = two_levels(groups, sigmas[shared] if shared else None)
        cost = plan.cost(sigmas[:-1], variations=2, evaluations_per_row=2)
        assert cost.total / cost.without_sharing == pytest.approx(1 - shared / steps * (1 - 3 / 6))
        assert saved_fraction(cost.total, cost.without_sharing) == pytest.approx(shared / steps / 2)

    def test_a_second_order_sampler_pays_for_both_calls_of_a_step(self) -> None:
        plan = two_levels([(0, 1)], branch_sigma=2.0)
        cost = plan.cost([8, 4, 4, 2, 2, 1, 1], variations=1, evaluations_per_row=1)
        assert cost.per_level == (3, 8)

    def test_no_calls_at_all(self) -> None:
        cost = two_levels([(0, 1)], 2.0).cost([], variations=1, evaluations_per_row=2)
        assert (cost.total, saved_fraction(cost.total, cost.without_sharing)) == (0, 0.0)

    def test_nothing_shared_saves_nothing(self) -> None:
        assert saved_fraction(Cost(per_level=(8,), without_sharing=8).total, 8) == 0


class TestLevelOfCalls:
    def test_a_call_at_the_branch_sigma_belongs_to_the_branch(self) -> None:
        plan = two_levels([(0, 1)], branch_sigma=2.0)
        assert plan.level_of_calls(SIGMAS) == [0, 0, 0, 1, 1, 1]

    def test_going_up_again_never_goes_back(self) -> None:
        plan = two_levels([(0, 1)], branch_sigma=2.0)
        assert plan.level_of_calls([8, 1, 8, 1]) == [0, 1, 1, 1]

    def test_one_call_may_pass_several_levels(self) -> None:
        alone = ((0,), (1,))
        plan = SharePlan((Level(((0, 1),), 8.0), Level(((0, 1),), 4.0), Level(alone, None)))
        assert plan.level_of_calls([10, 1]) == [0, 2]

    def test_rounding_through_a_logarithm_is_tolerated(self) -> None:
        assert is_past(2.0 * (1 + 5e-6), 2.0)
        assert not is_past(2.0 * (1 + 1e-4), 2.0)
        assert is_past(0.0, 0.0), "everything is shared: a call at 0 is the branch's"
        assert not is_past(0.0, None)

    @given(plans(), st.lists(st.floats(0.01, 25), max_size=20))
    def test_never_falls(self, plan: SharePlan, calls: list[float]) -> None:
        levels = plan.level_of_calls(calls)
        assert levels == sorted(levels)
        assert len(levels) == len(calls)


class TestTwoLevels:
    def test_two_levels(self) -> None:
        plan = two_levels([[2, 0], [1]], 3.0)
        assert plan.levels == (Level(((2, 0), (1,)), 3.0), Level(((0,), (1,), (2,)), None))
        assert plan.n_prompts == 3

    @pytest.mark.parametrize("groups, sigma", [([(0, 1)], None), ([(0,), (1,)], 3.0), ([(0,)], 3.0)])
    def test_one_level_if_nothing_can_be_shared(self, groups: list, sigma: float | None) -> None:
        plan = two_levels(groups, sigma)
        assert [level.branch_sigma for level in plan.levels] == [None]

    @given(partitions(), st.floats(0.1, 20))
    def test_the_last_level_is_every_prompt_alone_in_prompt_order(self, groups: tuple, sigma: float) -> None:
        plan = two_levels(groups, sigma)
        assert plan.levels[-1].clusters == tuple((i,) for i in range(plan.n_prompts))

    def test_it_can_be_printed(self) -> None:
        assert str(two_levels([(0, 1), (2,)], 3.25)) == (
            "sigma start to 3.25: 2 clusters\nsigma 3.25 to end: 3 clusters"
        )

    def test_it_is_plain_data(self) -> None:
        assert asdict(two_levels([(0, 1)], 3.0)) == {
            "levels": (
                {"clusters": ((0, 1),), "branch_sigma": 3.0},
                {"clusters": ((0,), (1,)), "branch_sigma": None},
            )
        }


class TestFromBranches:
    @given(branches(), st.sampled_from([*SIGMAS, 20.0, 3.0, 0.1]))
    def test_clusters_at_a_sigma(self, made: tuple, sigma: float) -> None:
        clusters, n_prompts = made
        plan = SharePlan.from_branches(clusters, n_prompts)
        level = plan.levels[plan.level_of_calls([sigma])[0]]
        for prompt in range(n_prompts):
            around = [set(c) for c, branch in clusters if prompt in c and branch is not None and sigma > branch]
            expected = max(around, key=len, default={prompt})
            assert expected == next(set(cluster) for cluster in level.clusters if prompt in cluster)

    @given(branches())
    def test_no_level_without_a_part_to_play(self, made: tuple) -> None:
        plan = SharePlan.from_branches(*made)
        for coarse, fine in zip(plan.levels, plan.levels[1:], strict=False):
            assert len(coarse.clusters) < len(fine.clusters)

    @given(branches(), st.lists(st.floats(0.01, 25), max_size=12))
    def test_its_cost_against_a_simulation(self, made: tuple, calls: list[float]) -> None:
        plan = SharePlan.from_branches(*made)
        assert plan.cost(calls, variations=2, evaluations_per_row=2).total == simulated_cost(plan, calls, 2, 2)

    @given(branches(), st.randoms())
    def test_their_order_does_not_matter(self, made: tuple, random: Random) -> None:
        clusters, n_prompts = made
        mixed = random.sample(clusters, len(clusters))
        assert SharePlan.from_branches(mixed, n_prompts) == SharePlan.from_branches(clusters, n_prompts)

    @given(branches())
    def test_branches_are_its_inverse(self, made: tuple) -> None:
        plan = SharePlan.from_branches(*made)
        assert SharePlan.from_branches(plan.branches, plan.n_prompts) == plan

    def test_a_share_of_its_own_for_every_group(self) -> None:
        plan = SharePlan.from_branches([((0, 1), 8.0), ((2, 4), 2.0), ((3, 5), None)], 6)
        assert [(level.branch_sigma, level.clusters) for level in plan.levels] == [
            (8.0, ((0, 1), (2, 4), (3,), (5,))),
            (2.0, ((0,), (1,), (2, 4), (3,), (5,))),
            (None, ((0,), (1,), (2,), (3,), (4,), (5,))),
        ]

    def test_a_tree(self) -> None:
        plan = SharePlan.from_branches([((0, 1, 2, 3), 8.0), ((0, 2), 4.0), ((1, 3), 9.0)], 4)
        assert [level.clusters for level in plan.levels[:-1]] == [((0, 1, 2, 3),), ((0, 2), (1,), (3,))]

    def test_clusters_may_not_cross(self) -> None:
        with pytest.raises(ValueError, match=r"prompts \(1, 2\) cross another cluster"):
            SharePlan.from_branches([((0, 1), 2.0), ((1, 2), 4.0)], 3)

    def test_a_prompt_that_is_not_there(self) -> None:
        with pytest.raises(ValueError, match="every level must hold prompts"):
            SharePlan.from_branches([((0, 3), 2.0)], 3)


class TestInvariants:
    ALONE = Level(((0,), (1,)), None)

    @pytest.mark.parametrize("clusters", [((0, 1),), ((1,), (0,))])
    def test_the_last_level_is_every_prompt_alone_in_order(self, clusters: tuple) -> None:
        with pytest.raises(ValueError, match="every prompt alone, in the prompts' order"):
            SharePlan((Level(clusters, None),))

    def test_no_level(self) -> None:
        with pytest.raises(ValueError, match="plan: expected at least one level, got none"):
            SharePlan(())

    def test_the_last_level_has_to_reach_the_end(self) -> None:
        with pytest.raises(ValueError, match="last level must run to the end"):
            SharePlan((Level(((0,), (1,)), 1.0),))

    @pytest.mark.parametrize("sigmas", [(2.0, 2.0), (1.0, 2.0), (None, 2.0), (2.0, None)])
    def test_branch_sigmas_have_to_fall(self, sigmas: tuple) -> None:
        with pytest.raises(ValueError, match="branch sigmas must fall"):
            SharePlan((Level(((0, 1),), sigmas[0]), Level(((0, 1),), sigmas[1]), self.ALONE))

    @pytest.mark.parametrize("clusters", [((0,),), ((0, 0), (1,)), ((0,), (2,)), ((0, 1), (1,)), ((1,), (2,))])
    def test_every_prompt_once_in_every_level(self, clusters: tuple) -> None:
        with pytest.raises(ValueError, match="every level must hold prompts 0 to 1 once each"):
            SharePlan((Level(clusters, 2.0), self.ALONE))

    def test_levels_have_to_be_nested(self) -> None:
        with pytest.raises(ValueError, match=r"prompts \(1, 2\) are together in a level but apart in a coarser"):
            SharePlan((
                Level(((0, 1), (2, 3)), 4.0), Level(((0,), (1, 2), (3,)), 2.0),
                Level(((0,), (1,), (2,), (3,)), None),
            ))  # fmt: skip

    @given(plans())
    def test_parents_contain_their_clusters(self, plan: SharePlan) -> None:
        for coarse, fine in zip(plan.levels, plan.levels[1:], strict=False):
            for cluster, parent in zip(fine.clusters, parents_of(fine.clusters, coarse.clusters), strict=True):
                assert set(cluster) <= set(coarse.clusters[parent])


class TestBranchIndex:
    @given(st.floats(0, 1), st.integers(0, 200))
    def test_the_nearest_step(self, share: float, steps: int) -> None:
        index = branch_index(share, steps)
        assert 0 <= index <= steps
        assert abs(index - share * steps) <= 0.5

    @pytest.mark.parametrize("share", [-0.01, 1.01, 40.0, float("nan"), float("inf")])
    def test_out_of_range(self, share: float) -> None:
        with pytest.raises(ValueError, match=rf"share: expected .* from 0 to 1, got {share}"):
            branch_index(share, 20)
