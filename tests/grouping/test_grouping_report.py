"""The report of the groups."""

from __future__ import annotations

import re

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.grouping.report import grouping_report
from comfyui_sage.sage_core.vectors import normalize


def groups(
    partition: tuple = ((0, 2), (1,)), prompts: tuple = ("a dog", "a house", "a cat"), notes: tuple = ()
) -> PromptGroups:
    embeddings = normalize(np.array([[1, 0], [0, 1], [4, 3], [1, 1]])[: len(prompts)])
    conditionings: tuple = tuple([] for _ in prompts)
    return PromptGroups(prompts, conditionings, embeddings, partition, 0.5, "auto", "sentence", "mean", notes)


class TestGrouping:
    def test_the_whole_report(self) -> None:
        assert grouping_report(groups()).splitlines() == [
            "3 prompts in 2 groups (encoder sentence, threshold 0.500 auto, group condition mean)",
            "predicted, without correction: 13.3% of the evaluations saved at share 0.4",
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
        assert f"predicted, without correction: {saved} of the evaluations saved at share {share:g}" in grouping_report(
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

    def test_a_prompt_of_several_lines(self) -> None:
        report = grouping_report(groups(prompts=("[verse]\none", "a house", "a cat")))
        assert "\n- 1: [verse] one\n" in report

    def test_notes_come_last(self) -> None:
        assert grouping_report(groups(notes=("group 1: no mean",))).endswith("\n\nNote: group 1: no mean")

    def test_repeated_prompts_and_loras_in_a_prompt(self) -> None:
        report = grouping_report(groups(prompts=("a dog", "a <lora:x:1> house", "a dog")))
        assert "\nNote: 1 prompt written again." in report and "batch_size" in report
        assert "\nNote: 1 prompt with <lora:x:1> or the like" in report
