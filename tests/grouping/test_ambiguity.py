"""Borderline prompts and conflicting modifiers of groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping import ambiguity
from comfyui_sage.sage_core.grouping.ambiguity import borderline_prompts, modifier_conflicts, split_modifiers
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.grouping.report import grouping_report
from comfyui_sage.sage_core.sharing.share_modes import tree_shares
from embeddings import directions
from reference import grouped


def at_angles(*degrees: float, partition: tuple) -> PromptGroups:
    return replace(grouped([[]] * len(degrees), partition), embeddings=directions(*degrees))


class TestBorderline:
    GROUPS = at_angles(0, 10, 48, 90, 100, 46, partition=((0, 1, 2), (3, 4), (5,)))

    def test_a_prompt_in_the_middle(self) -> None:
        """48 degrees: 43 from its own group, 2 from the one that is alone."""
        found = borderline_prompts(self.GROUPS)
        assert set(found) == {2}
        other, here, there = found[2]
        assert other == 2
        assert here == pytest.approx((np.cos(np.radians(48)) + np.cos(np.radians(38))) / 2, abs=1e-5)
        assert there == pytest.approx(np.cos(np.radians(2)), abs=1e-5)

    def test_blocks_do_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = borderline_prompts(self.GROUPS)
        monkeypatch.setattr(ambiguity, "_BLOCK", 2)
        assert borderline_prompts(self.GROUPS) == expected

    @pytest.mark.parametrize("partition", [((0, 1, 2),), ((0,), (1,), (2,))])
    def test_nothing_to_be_between(self, partition: tuple) -> None:
        """One group, or prompts that share with nobody."""
        assert borderline_prompts(at_angles(0, 1, 2, partition=partition)) == {}


class TestModifierConflicts:
    @pytest.mark.parametrize(("texts", "found"), [
        (("two red cars in the snow", "a red car in the snow"), [0, 1]),
        (("three dogs", "two dogs"), [0, 1]),
        (("a man with a hat", "a man without a hat"), [0, 1]),
        (("a street, not crowded", "a crowded street, not crowded", "a street, crowded"), [0, 2]),
        (("She isn't smiling", "she is smiling"), [0, 1]),
        (("4 apples", "12 apples", "1 apple"), [0, 1, 2]),
        (("2 red cars", "5 red cars"), [0, 1]),
        (("2 men", "a man", "three men"), [0, 1, 2]),
        (("4 people at a table", "a person at a table"), [0, 1]),
        (("1girl, hat", "2girls, hat", "2girls, no_hat"), [0, 1, 2]),
        (("He can't swim", "he can swim"), [0, 1]),
        (("she isn’t here", "she is here"), [0, 1]),
        (("many birds", "a few birds", "birds"), [0, 1, 2]),
        (("a cat with a bow without a collar", "a cat without a bow, with a collar"), [0, 1]),
        (("1. a dog", "2. three dogs"), [0, 1]),
        (("Scene 1: a street, people", "a street", "Scene 1: a street, no people"), [0, 2]),
    ])  # fmt: skip
    def test_the_same_but_for_a_count_or_a_negation(self, texts: tuple[str, ...], found: list[int]) -> None:
        assert modifier_conflicts([split_modifiers(text) for text in texts]) == [found]

    @pytest.mark.parametrize("texts", [
        ("a red car", "a blue car"),
        ("a red car", "a red car"),
        ("a red car", "one red car", "red car"),
        ("two red cars", "a blue car"),
        ("a dog with a ball", "a dog, ball"),
        ("ein Hund", "kein Hund"),
        ("a", "", "🦊"),
        ("scene 1, a dog", "scene 2, a dog"),
        ("Scene 1 shows a dog", "Scene 2 shows a dog"),
        ("(red:1.2) shoes", "(red:1.4) shoes"),
        ("<lora:coat:0.5> dogs", "<lora:coat:0.9> dogs"),
        ("a 35mm lens", "a 50mm lens"),
        ("a woman, age 20, jeans", "a woman, age 60, jeans"),
        ("a street in 1920 with cars", "a street in 1950 with cars"),
        ("room 101 curtains", "room 102 curtains"),
        ("2, red cars", "5, red cars"),
        ("1. a dog", "2. a dog"),
    ])  # fmt: skip
    def test_other_differences(self, texts: tuple[str, ...]) -> None:
        assert modifier_conflicts([split_modifiers(text) for text in texts]) == []


def named(*prompts: str, degrees: tuple[float, ...]) -> PromptGroups:
    return replace(at_angles(*degrees, partition=(tuple(range(len(prompts))),)), prompts=prompts)


def test_the_report_marks_them() -> None:
    groups = named("two dogs", "a dog", "a black dog", degrees=(0, 1, 30))
    lines = grouping_report(groups).splitlines()
    assert lines[2] == "please check 2 prompts with a remark in brackets: sharing may not suit them"
    assert lines[-3:] == [
        "- 1: two dogs [differs from 2 in a count or a negation only]",
        "- 2: a dog [differs from 1 in a count or a negation only]",
        "- 3: a black dog",
    ]  # fmt: skip
    between = grouping_report(TestBorderline.GROUPS)
    assert "- 3: prompt 2 [also close to group 3: 0.999 on average, 0.729 to its own]" in between
    assert "in brackets" not in grouping_report(named("a dog", "a cat", degrees=(0, 10)))


def test_a_tree_does_not_keep_them_together_for_longer() -> None:
    degrees = (0, 1, 60, 62)
    shares = dict(tree_shares(named("two dogs", "a dog", "a boat", "a ship", degrees=degrees), 0.3))
    assert set(shares) == {(0, 1, 2, 3), (2, 3)}
    shares = dict(tree_shares(named("two dogs", "a cat", "a boat", "a ship", degrees=degrees), 0.3))
    assert set(shares) == {(0, 1, 2, 3), (0, 1), (2, 3)}
