"""Pinned prompts: their format, and that grouping keeps them in place."""

from __future__ import annotations

import json

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.linkage import cluster_prompts
from comfyui_sage.sage_core.grouping.pins import keepers, parse_pins
from comfyui_sage.sage_core.vectors import normalize
from hypothesis import given
from hypothesis import strategies as st

PROMPTS = ["red car", "blue car", "red boat", "blue boat", "moon"]
TOPICS = normalize(np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1]]))


def grouped(pins: dict[str, str], threshold: float = 0.9, **settings: int) -> list[list[str]]:
    """Groups as texts."""
    partition = cluster_prompts(PROMPTS, TOPICS, threshold=threshold, pins=pins, **settings)
    return [[PROMPTS[index] for index in members] for members in partition]


class TestGrouping:
    def test_without_pins(self) -> None:
        assert grouped({}) == [["red car", "blue car"], ["red boat", "blue boat"], ["moon"]]

    def test_a_prompt_stays_with_the_one_it_is_pinned_to(self) -> None:
        assert grouped({"moon": "red car"}) == [["red car", "blue car", "moon"], ["red boat", "blue boat"]]

    def test_at_every_threshold(self) -> None:
        for threshold in (-1.0, 0.5, 1.0):
            members = next(group for group in grouped({"moon": "red car"}, threshold) if "moon" in group)
            assert "red car" in members

    def test_the_others_are_grouped_without_it(self) -> None:
        """Complete linkage would let the red car's distance to the moon keep the cars and boats apart."""
        assert grouped({"moon": "moon"}, threshold=-0.01) == [PROMPTS[:4], ["moon"]]

    def test_one_that_stays_with_itself_has_its_own_group(self) -> None:
        assert grouped({"blue car": "blue car"}) == [["red car"], ["blue car"], ["red boat", "blue boat"], ["moon"]]
        assert ["blue car"] in grouped({"blue car": "blue car"}, threshold=-1.0)

    def test_others_may_join_an_own_group(self) -> None:
        own = {"moon": "moon", "red car": "moon"}
        assert grouped(own, threshold=-1.0) == [["red car", "moon"], ["blue car", "red boat", "blue boat"]]

    def test_a_chain_ends_where_its_last_one_is(self) -> None:
        assert ["red boat", "blue boat", "moon"] in grouped({"moon": "blue boat", "blue boat": "red boat"})

    @pytest.mark.parametrize("around", [("moon", "red car"), ("red car", "red boat", "moon")])
    def test_a_cycle_is_a_group_of_its_own(self, around: tuple[str, ...]) -> None:
        pins = dict(zip(around, (*around[1:], around[0]), strict=True))
        assert sorted(around, key=PROMPTS.index) in grouped(pins, threshold=-1.0)

    @pytest.mark.parametrize("pins", [{"gone": "moon"}, {"moon": "gone"}, {"gone": "gone"}])
    def test_prompts_that_are_not_in_the_list_are_ignored(self, pins: dict[str, str]) -> None:
        assert grouped(pins) == grouped({})

    def test_pins_override_the_group_size(self) -> None:
        assert ["red car", "blue car", "moon"] in grouped({"moon": "red car"}, max_group_size=2)

    def test_all_pinned(self) -> None:
        assert grouped(dict.fromkeys(PROMPTS, "moon")) == [PROMPTS]

    def test_equal_texts_go_together(self) -> None:
        partition = cluster_prompts(["a", "b", "a"], TOPICS[[0, 2, 0]], threshold=0.9, pins={"a": "b"})
        assert partition == ((0, 1, 2),)

    @given(st.dictionaries(st.sampled_from(PROMPTS), st.sampled_from(PROMPTS)), st.floats(-1, 1), st.randoms())
    def test_every_prompt_once_in_any_order(self, pins: dict[str, str], threshold: float, random: object) -> None:
        order = list(range(5))
        random.shuffle(order)  # type: ignore[attr-defined]
        shuffled = [PROMPTS[index] for index in order]
        partition = cluster_prompts(shuffled, TOPICS[order], threshold=threshold, pins=pins)
        assert sorted(index for group in partition for index in group) == list(range(5))
        groups = {frozenset(shuffled[index] for index in group) for group in partition}
        assert groups == {frozenset(group) for group in grouped(pins, threshold)}
        assert all(any({text, keeper} <= group for group in groups) for text, keeper in pins.items())

    def test_a_long_chain_is_no_problem(self) -> None:
        texts = [str(number) for number in range(1000)]
        found = keepers(texts, dict(zip(texts, texts[1:], strict=False)))
        assert set(found.values()) == {"999"}


class TestFormat:
    @pytest.mark.parametrize("text", ["", "  ", "{}"])
    def test_none(self, text: str) -> None:
        assert parse_pins(text) == {}

    def test_texts(self) -> None:
        assert parse_pins(json.dumps({'a "b"': "ü\n"})) == {'a "b"': "ü\n"}

    @pytest.mark.parametrize("text", ["{", "[]", '["a"]', '{"a": 1}', '{"a": null}', "moon", "3", "[" * 100_000])
    def test_damaged(self, text: str) -> None:
        with pytest.raises(ValueError, match="^pinned: expected a JSON object"):
            parse_pins(text)


def test_pins_of_graphs_that_had_several_lines_in_one() -> None:
    assert keepers(["[verse]\none", "two"], {"[verse] one": "two"}) == {"[verse]\none": "two"}
