"""The report of a sampling run."""

from __future__ import annotations

import re
from dataclasses import replace

from comfyui_sage.sage_core.sampling.report import sampling_report
from comfyui_sage.sage_core.sharing.plan import SharePlan
from comfyui_sage.sage_core.sharing.sampling_record import SamplingRecord
from records import SIGMAS, sampling_record, shared_to


class TestSampling:
    def test_the_whole_report(self) -> None:
        assert sampling_report(sampling_record().finished(52, [])).splitlines() == [
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
        assert not any("together" in line for line in sampling_report(sampling_record()).splitlines())

    def test_what_planning_took(self) -> None:
        planned = replace(sampling_record(), cost=replace(sampling_record().cost, planning=3))
        assert (planned.expected(), planned.expected(shared_only=True)) == (52 + 3, 16 + 3)
        lines = sampling_report(planned.finished(55, [])).splitlines()
        assert lines[2] == "- planning: 3 evaluations to measure how the groups' pictures differ"
        assert lines[-1] == "- evaluations: 55 done, 55 planned, 60 for every prompt alone: 8.3% saved"

    def test_the_levels_add_up_to_the_plan(self) -> None:
        report = sampling_report(sampling_record().finished(52, []))
        levels = [int(count) for count in re.findall(r"rows?, (\d+) evaluation", report)]
        assert sum(levels) == int(re.search(r"(\d+) planned", report)[1])  # type: ignore[index]

    def test_one_of_everything_is_singular(self) -> None:
        single = SamplingRecord(shared_to(None, [(0,)]), None, steps=1, variations=1, evaluations=1)
        assert "1 prompt x 1 variation, nothing to share, 1 step" in sampling_report(single)

    def test_more_than_planned_is_said(self) -> None:
        report = sampling_report(sampling_record().finished(53, []))
        assert "53 done, 52 planned: something evaluates the model more often" in report
        assert "saved" not in report

    def test_a_sampler_that_cannot_be_planned(self) -> None:
        report = sampling_report(sampling_record(cost=False).finished(77, []))
        assert "77 done (the number cannot be predicted for this sampler)" in report
        assert "saved" not in report

    def test_warnings_come_last(self) -> None:
        report = sampling_report(sampling_record().finished(52, ["Nothing was shared."]))
        assert report.splitlines()[-1] == "Warning: Nothing was shared."

    def test_no_evaluations_at_all(self) -> None:
        plan = shared_to(4.0, [(0, 1)])
        empty = SamplingRecord(plan, plan.cost([], variations=1, evaluations_per_row=2), steps=0, variations=1)
        assert "0.0% saved" in sampling_report(empty)
