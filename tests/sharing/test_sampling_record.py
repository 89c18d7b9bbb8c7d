"""The record of a sampling run: planned and finished evaluations."""

from __future__ import annotations

from records import sampling_record


class TestSamplingRecord:
    def test_progress_is_shown_against_the_plan(self) -> None:
        # 2 calls are shared by 2 groups, 3 are not shared by 3 prompts; 2 variations, cond and uncond.
        assert sampling_record().expected() == (2 * 2 + 3 * 3) * 2 * 2
        assert sampling_record().expected(shared_only=True) == 2 * 2 * 2 * 2

    def test_a_guess_where_nothing_can_be_planned(self) -> None:
        assert sampling_record(cost=False).expected() == 2 * 5 * 2 * 3

    def test_finished_adds_to_what_was_known(self) -> None:
        done = sampling_record().finished(7, ["first"]).finished(9, ["second"])
        assert (done.evaluations, done.warnings) == (9, ("first", "second"))
        assert sampling_record().evaluations == 0
