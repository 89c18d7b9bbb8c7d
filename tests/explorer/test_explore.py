"""Renders in several ways: what is rendered, what it costs, and how it is compared."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from comfyui_sage.sage_core.explorer.explore import Result, explore, some_groups
from comfyui_sage.sage_core.explorer.report import exploration_grid, exploration_report, good_share
from comfyui_sage.sage_core.explorer.settings import Setting, parse_shares
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import SETTINGS, comfy_ksampler, different, grouped, small

FIVE = grouped(different("sd15", 5), [(0, 2), (1,), (3, 4)])
STEPS = 8


def decode(samples: torch.Tensor) -> torch.Tensor:
    return samples[:, :3].movedim(1, -1).sigmoid()


class Explored(NamedTuple):
    """What an exploration gave, the progress it told of, and the evaluations at the model."""

    results: list[Result]
    seen: list[tuple[int, int]]
    evaluations: int


@pytest.fixture(scope="module")
def explored() -> Explored:
    model, seen = MODELS["sd15"](), []
    with count_evaluations(model) as evaluations:
        results = explore(
            model, some_groups(FIVE, 4), conditioning("sd15", seed=1), small("sd15"), (0.25, 0.75), decode=decode,
            on_setting=lambda done, total: seen.append((done, total)), **{**SETTINGS, "steps": STEPS},
        )  # fmt: skip
    return Explored(results, seen, evaluations.rows)


class TestShares:
    @pytest.mark.parametrize("text", ["0.4, 0.2", " .2;0.40 ,", "0.2,0.2,0.4"])
    def test_are_read_in_order(self, text: str) -> None:
        assert parse_shares(text) == (0.2, 0.4)

    @pytest.mark.parametrize("text", ["", ",", "0", "1.5", "-0.2", "half", "nan", "0.2 0.4", "inf"])
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="shares: expected"):
            parse_shares(text)


class TestSomeGroups:
    def test_the_largest_ones_with_two_prompts_or_more(self) -> None:
        groups = some_groups(FIVE, 4)
        assert groups.prompts == tuple(FIVE.prompts[at] for at in (0, 2, 3, 4))
        assert groups.partition == ((0, 1), (2, 3))

    def test_nothing_to_share(self) -> None:
        with pytest.raises(ValueError, match="groups: expected a group of two different prompts or more, got none"):
            some_groups(grouped(different("sd15", 2), [(0,), (1,)]), 4)

    def test_equal_prompts_count_once(self) -> None:
        groups = grouped(different("sd15", 4), [(0, 1), (2, 3)], names=("a", "a", "b", "c"))
        assert some_groups(groups, 4).prompts == ("b", "c")
        with pytest.raises(ValueError, match="two different prompts"):
            some_groups(groups.only([0, 1]), 4)

    def test_no_prompt_is_left_alone_where_a_group_is_cut(self) -> None:
        assert some_groups(FIVE, 3).partition == ((0, 1),)


class TestExplore:
    def test_alone_first_then_each_share_then_as_few_steps_as_the_corrected_ones_cost(self, explored: Explored) -> None:
        results = explored.results
        assert [each.setting.title for each in results[:5]] == [
            "alone, 8 steps", "25% shared", "25% corrected", "75% shared", "75% corrected",
        ]  # fmt: skip
        paid = [each.paid for each in results]
        assert paid[0] == 8
        assert paid[1] == pytest.approx(8 * 0.75 + 8 * 0.25 / 2)
        fewer = [each.setting for each in results[5:]]
        assert all(not each.share and each.steps < 8 for each in fewer)
        assert {each.steps for each in fewer} == {round(cost) for cost in (paid[2], paid[4]) if cost < 7.5}

    def test_the_first_images_are_the_ksamplers_and_all_are_compared_with_them(self, explored: Explored) -> None:
        results = explored.results
        prompt = different("sd15", 5)[2]
        expected = decode(comfy_ksampler("sd15", prompt, small("sd15"), steps=STEPS))
        assert torch.allclose(results[0].images[1:2], expected, atol=1e-5)
        assert results[0].difference == 0
        for each in results[1:]:
            errors = ((each.images - results[0].images) ** 2).flatten(1).mean(1).sqrt()
            assert (each.difference, each.worst) == pytest.approx((float(errors.mean()), float(errors.max())))

    def test_the_shared_steps_are_paid_once_for_all_shares(self, explored: Explored) -> None:
        """The report tells of each setting as if it were the only one."""
        a_step = 4 * 2  # of every prompt
        paid = sum(each.paid for each in explored.results) * a_step
        groups_step = 2 * 2
        saved = (2 + STEPS) * groups_step  # a quarter of the steps without correction; a run with it
        assert explored.evaluations == pytest.approx(paid - saved)

    def test_what_the_sampling_warns_of_is_reported(self) -> None:
        """Here two prompts that begin from different noise: they share nothing, so that no share can be advised."""
        groups = replace(grouped(different("sd15", 2), [(0, 1)]), seed_offsets=(0, 1))
        results = explore(
            MODELS["sd15"](), groups, conditioning("sd15", seed=1), small("sd15"), (0.5,), decode=decode,
            **{**SETTINGS, "steps": 4},
        )  # fmt: skip
        report = exploration_report(results, 0.03)
        assert report.startswith("Sharing saves nothing here")
        assert "Warning: Every prompt begins from a latent or a noise of its own" in report
        assert good_share(results, 0.03) == 0

    def test_progress_ends_at_the_end(self, explored: Explored) -> None:
        assert explored.seen == [(number, explored.seen[number - 1][1]) for number in range(1, len(explored.seen) + 1)]
        assert explored.seen[-1] == (len(explored.results), len(explored.results))


def result(setting: Setting, paid: float, difference: float) -> Result:
    return Result(setting, torch.zeros(4, 8, 8, 3), paid, difference, 2 * difference, None)


class TestAdvice:
    ALONE, FEWER = result(Setting(20), 20, 0), result(Setting(8), 8, 0.02)
    SOME, MUCH = result(Setting(20, 0.4, "on"), 13, 0.01), result(Setting(20, 0.8, "on"), 7, 0.05)

    def test_the_largest_share_that_keeps_the_pictures(self) -> None:
        results = [self.ALONE, self.SOME, self.MUCH]
        assert [good_share(results, tolerance) for tolerance in (0.001, 0.03, 0.06)] == [0, 0.4, 0.8]

    def test_fewer_steps_come_first_where_they_are_as_cheap(self) -> None:
        first, second = exploration_report([self.ALONE, self.SOME, self.MUCH, self.FEWER], 0.03).splitlines()[:2]
        assert first.startswith("Fewer steps are enough: 8 steps for every prompt alone differ by 2.0%")
        assert second.startswith("Sharing: 40% with correction on differs by 1.0%, for 13.0 steps paid")

    def test_costs_that_differ_by_less_than_a_step_are_the_same(self) -> None:
        results = [self.ALONE, result(Setting(20, 0.8, "on"), 7.6, 0.025), self.FEWER]
        assert exploration_report(results, 0.03).startswith("Fewer steps are enough: 8 steps")

    def test_fewer_steps_are_not_advised_where_sharing_is_cheaper(self) -> None:
        report = exploration_report([self.ALONE, self.SOME, self.MUCH, self.FEWER], 0.06)
        assert report.startswith("Sharing: 80%")

    def test_a_warning_names_its_settings_where_it_is_not_about_all(self) -> None:
        some, much = (replace(each, warnings=("few own steps",)) for each in (self.SOME, self.MUCH))
        report = exploration_report([self.ALONE, some, much], 0.03)
        assert report.endswith("\nWarning (40% corrected, 80% corrected): few own steps")

    def test_no_share_fits(self) -> None:
        assert "No share keeps the pictures within 0.5%" in exploration_report([self.ALONE, self.MUCH], 0.005)

    def test_the_grid_has_a_column_for_each_setting(self) -> None:
        groups = some_groups(FIVE, 4)
        results = [self.ALONE, self.SOME, self.MUCH, self.FEWER]
        one, four = (exploration_grid(groups, shown, 96) for shown in (results[:1], results))
        assert four.shape[1] * four.shape[2] > one.shape[1] * one.shape[2]

    def test_shares_that_differ_by_less_than_a_percent_have_a_column_each(self) -> None:
        near = [self.ALONE, *(result(Setting(20, share), 13, 0.01) for share in (0.401, 0.404))]
        assert [each.setting.title for each in near[1:]] == ["40.1% shared", "40.4% shared"]
        distant = [self.ALONE, *(result(Setting(20, share), 13, 0.01) for share in (0.2, 0.8))]
        groups = some_groups(FIVE, 4)
        assert exploration_grid(groups, near, 96).shape == exploration_grid(groups, distant, 96).shape
