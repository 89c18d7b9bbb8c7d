"""Reports: what people read about grouping and sampling."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.grouping.report import grouping_report
from comfyui_sage.sage_core.sampling.report import sampling_report
from comfyui_sage.sage_core.sharing.plan import SharePlan
from comfyui_sage.sage_core.sharing.sampling_record import SamplingRecord
from comfyui_sage.sage_core.vectors import normalize

SIGMAS = [8.0, 6.0, 4.0, 2.0, 1.0]


def shared_to(sigma: float | None, clusters: list) -> SharePlan:
    return SharePlan.from_branches([(cluster, sigma) for cluster in clusters], sum(map(len, clusters)))


def outcome(*, variations: int = 2, cost: bool = True, groups: list | None = None) -> SamplingRecord:
    plan = shared_to(4.0, groups or [(0, 2), (1,)])
    planned = plan.cost(SIGMAS, variations=variations, evaluations_per_row=2) if cost else None
    return SamplingRecord(plan, planned, steps=len(SIGMAS), variations=variations)


def groups(
    partition: tuple = ((0, 2), (1,)), prompts: tuple = ("a dog", "a house", "a cat"), notes: tuple = ()
) -> PromptGroups:
    embeddings = normalize(np.array([[1, 0], [0, 1], [4, 3], [1, 1]])[: len(prompts)])
    conditionings: tuple = tuple([] for _ in prompts)
    return PromptGroups(prompts, conditionings, embeddings, partition, 0.5, "auto", "sentence", "mean", notes)


class TestOutcome:
    def test_progress_is_shown_against_the_plan(self) -> None:
        # 2 calls are shared by 2 groups, 3 are not shared by 3 prompts; 2 variations, cond and uncond.
        assert outcome().expected() == (2 * 2 + 3 * 3) * 2 * 2
        assert outcome().expected(shared_only=True) == 2 * 2 * 2 * 2

    def test_a_guess_where_nothing_can_be_planned(self) -> None:
        assert outcome(cost=False).expected() == 2 * 5 * 2 * 3

    def test_finished_adds_to_what_was_known(self) -> None:
        done = outcome().finished(7, ["first"]).finished(9, ["second"])
        assert (done.evaluations, done.warnings) == (9, ("first", "second"))
        assert outcome().evaluations == 0


class TestSampling:
    def test_the_whole_report(self) -> None:
        assert sampling_report(outcome().finished(52, [])).splitlines() == [
            "3 prompts x 2 variations, 2 groups, 5 steps",
            "",
            "- shared: sigma start to 4, 4 rows, 16 evaluations",
            "- branch: sigma 4 to end, 6 rows, 36 evaluations",
            "- evaluations: 52 done, 52 planned, 60 for every prompt alone: 13.3% saved",
        ]

    def test_who_branches_where_if_not_all_do_together(self) -> None:
        plan = SharePlan.from_branches([((0, 1, 2), 6.0), ((0, 2), 2.0), ((3, 4), 4.0)], 5)
        cost = plan.cost(SIGMAS, variations=1, evaluations_per_row=2)
        lines = sampling_report(
            SamplingRecord(plan, cost, 5, 1, cost.total, representative_of=(0, 0, 1, 2, 3, 4))
        ).splitlines()
        assert lines[2:9] == [
            "- shared: sigma start to 6, 2 rows, 4 evaluations",
            "- shared: sigma 6 to 4, 3 rows, 6 evaluations",
            "- shared: sigma 4 to 2, 4 rows, 8 evaluations",
            "- branch: sigma 2 to end, 5 rows, 20 evaluations",
            "- together to sigma 6: prompts 1, 3, 4",
            "- together to sigma 4: prompts 5, 6",
            "- together to sigma 2: prompts 1, 4",
        ]
        assert not any("together" in line for line in sampling_report(outcome()).splitlines())

    def test_what_planning_took(self) -> None:
        planned = replace(outcome(), cost=replace(outcome().cost, planning=3))
        assert (planned.expected(), planned.expected(shared_only=True)) == (52 + 3, 16 + 3)
        lines = sampling_report(planned.finished(55, [])).splitlines()
        assert lines[2] == "- planning: 3 evaluations to measure how the groups' pictures differ"
        assert lines[-1] == "- evaluations: 55 done, 55 planned, 60 for every prompt alone: 8.3% saved"

    def test_the_levels_add_up_to_the_plan(self) -> None:
        report = sampling_report(outcome().finished(52, []))
        levels = [int(count) for count in re.findall(r"rows?, (\d+) evaluation", report)]
        assert sum(levels) == int(re.search(r"(\d+) planned", report)[1])  # type: ignore[index]

    def test_one_of_everything_is_singular(self) -> None:
        single = SamplingRecord(shared_to(None, [(0,)]), None, steps=1, variations=1, evaluations=1)
        assert "1 prompt x 1 variation, nothing to share, 1 step" in sampling_report(single)

    def test_more_than_planned_is_said(self) -> None:
        report = sampling_report(outcome().finished(53, []))
        assert "53 done, 52 planned: something evaluates the model more often" in report
        assert "saved" not in report

    def test_a_sampler_that_cannot_be_planned(self) -> None:
        report = sampling_report(outcome(cost=False).finished(77, []))
        assert "77 done (the number cannot be predicted for this sampler)" in report
        assert "saved" not in report

    def test_warnings_come_last(self) -> None:
        report = sampling_report(outcome().finished(52, ["Nothing was shared."]))
        assert report.splitlines()[-1] == "Warning: Nothing was shared."

    def test_no_evaluations_at_all(self) -> None:
        plan = shared_to(4.0, [(0, 1)])
        empty = SamplingRecord(plan, plan.cost([], variations=1, evaluations_per_row=2), steps=0, variations=1)
        assert "0.0% saved" in sampling_report(empty)


class TestGrouping:
    def test_the_whole_report(self) -> None:
        assert grouping_report(groups()).splitlines() == [
            "3 prompts in 2 groups (encoder sentence, threshold 0.500 auto, group condition mean)",
            "predicted: 13.3% of the evaluations saved at share 0.4",
            "",
            "Group 1: 2 prompts, pairs 0.800 to 0.800",
            "",
            "- 1: a dog",
            "- 3: a cat",
            "",
            "Group 2: 1 prompt",
            "",
            "- 2: a house",
        ]

    def test_tightest_and_loosest_pair(self) -> None:
        report = grouping_report(groups(((0, 2, 3), (1,)), ("a", "b", "c", "d")))
        assert "Group 1: 3 prompts, pairs 0.707 to 0.990" in report

    @pytest.mark.parametrize("share, saved", [(0.0, "0.0%"), (0.25, "8.3%"), (1.0, "33.3%")])
    def test_the_prediction_follows_the_share(self, share: float, saved: str) -> None:
        assert f"predicted: {saved} of the evaluations saved at share {share:g}" in grouping_report(
            groups(), share=share
        )

    def test_every_prompt_is_listed_by_its_own_number(self) -> None:
        prompts = tuple(f"text {index}" for index in range(4))
        found = re.findall(r"^- (\d+): text (\d+)\b", grouping_report(groups(((0, 3), (1, 2)), prompts)), re.M)
        assert [(int(number) - 1) for number, _ in found] == [int(text) for _, text in found] == [0, 3, 1, 2]

    def test_long_and_foreign_prompts(self) -> None:
        report = grouping_report(groups(prompts=("word " * 4100, "كلب 🦊", "a cat")))
        assert len(report) < 1000
        assert "…" in report
        assert "كلب 🦊" in report

    def test_notes_come_last(self) -> None:
        assert grouping_report(groups(notes=("group 1: no mean",))).endswith("\n\nNote: group 1: no mean")
