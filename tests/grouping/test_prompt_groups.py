"""The value of a SAGE_GROUPS socket."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.grouping.prompt_groups import CONDITION_MODES, PromptGroups
from hypothesis import given
from hypothesis import strategies as st
from models import conditioning

ANGLES = (0, 10, 30, 90)


def groups(
    embeddings: np.ndarray | None = None, *, group_condition: str = "mean", tokens: tuple[int, ...] = (77, 77, 77, 77)
) -> PromptGroups:
    if embeddings is None:
        angles = np.radians(ANGLES)
        embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    count = len(embeddings)
    lengths = (*tokens, *[77] * count)[:count]
    return PromptGroups(
        prompts=tuple(f"prompt {index}" for index in range(count)),
        conditionings=tuple(conditioning("sd15", seed=index, tokens=length) for index, length in enumerate(lengths)),
        embeddings=embeddings,
        partition=(tuple(range(count)),),
        threshold=0.5,
        threshold_mode="fixed",
        encoder="clip",
        group_condition=group_condition,
    )


class TestLabels:
    START = "masterpiece, best quality, highly detailed, cinematic lighting, "

    def long(self, *subjects: str) -> PromptGroups:
        return dataclasses.replace(groups(), prompts=tuple(self.START + subject for subject in subjects))

    def test_prompts_are_named_by_what_differs(self) -> None:
        found = self.long("a fox", "a tram", "a tram at night", "a boat")
        assert found.labels(20) == ["a fox", "a tram", "a tram at night", "a boat"]
        assert found.labels(200) == list(found.prompts)

    def test_a_list_is_searched_once_for_all_who_show_it(self) -> None:
        found = self.long("a fox", "a tram", "a tram at night", "a boat")
        assert found.labels(20) is found.labels(20)

    def test_other_prompts_have_other_labels(self) -> None:
        found = self.long("a fox", "a tram", "a tram at night", "a boat")
        assert found.labels(20) and found.only([1, 3]).labels(20) == ["a tram", "a boat"]


class TestCondition:
    @pytest.mark.parametrize("mode", CONDITION_MODES)
    def test_one_prompt_is_its_own(self, mode: str) -> None:
        found = groups(group_condition=mode)
        assert found.condition((2,)) is found.conditionings[2]
        assert found.condition_source((2,)) in (mode, "mean")

    def test_mean(self) -> None:
        found = groups()
        expected = torch.stack([found.conditionings[index][0][0] for index in (1, 3)]).mean(0)
        torch.testing.assert_close(found.condition((1, 3))[0][0], expected)

    def test_concat(self) -> None:
        found = groups(group_condition="concat")
        assert found.condition((1, 3))[0][0].shape[1] == 154

    def test_medoid_is_a_prompt_of_the_group_not_of_the_list(self) -> None:
        found = groups(group_condition="medoid")
        assert found.condition((1, 2, 3)) is found.conditionings[2]

    def test_what_cannot_be_combined_is_the_medoids(self) -> None:
        found = groups(tokens=(77, 78, 77, 77))
        assert found.condition_source((0, 1, 2)) == "medoid"
        assert found.condition((0, 1, 2)) is found.conditionings[1]
        assert found.condition_source((0, 2)) == "mean"

    def test_auto_is_the_mean_else_all_tokens_in_a_row(self) -> None:
        found = groups(tokens=(77, 78, 77, 77), group_condition="auto")
        assert found.condition_source((0, 2)) == "mean"
        assert found.condition_source((0, 1, 2)) == "concat"
        assert found.condition((0, 1, 2))[0][0].shape[1] == 77 + 78 + 77

    def test_auto_where_nothing_can_be_combined(self) -> None:
        found = groups(group_condition="auto")
        found.conditionings[1].append(found.conditionings[1][0])  # an entry more than the others
        assert found.condition_source((0, 1, 2)) == "medoid"

    def test_a_prompt_of_the_users_own(self) -> None:
        own = groups().conditionings[3]
        found = dataclasses.replace(groups(), shared_prompts=((groups().texts((0, 1)), "own", own),))
        assert found.condition((0, 1)) is own
        assert found.condition_source((0, 1)) == "prompt"
        assert found.condition_source((0, 1, 2)) == "mean", "another set"
        assert found.condition((0,)) is found.conditionings[0], "one alone has nothing to share"


class TestDistinct:
    def test_without_repeats_it_is_itself(self) -> None:
        found = groups()
        assert found.distinct() == (found, [0, 1, 2, 3])

    def test_the_first_of_equal_prompts_stands_for_all(self) -> None:
        found = dataclasses.replace(groups(), prompts=("b", "a", "b", "c"), partition=((0, 2, 3), (1,)))
        distinct, representative_of = found.distinct()
        assert distinct.prompts == ("b", "a", "c")
        assert representative_of == [0, 1, 0, 2]
        assert distinct.partition == ((0, 2), (1,))
        assert [id(each) for each in distinct.conditionings] == [id(found.conditionings[index]) for index in (0, 1, 3)]
        assert np.array_equal(distinct.embeddings, found.embeddings[[0, 1, 3]])

    def test_in_another_group_an_equal_prompt_is_another(self) -> None:
        found = dataclasses.replace(groups(), prompts=("a", "b", "a", "a"), partition=((0, 1), (2, 3)))
        distinct, representative_of = found.distinct()
        assert (distinct.prompts, distinct.partition) == (("a", "b", "a"), ((0, 1), (2,)))
        assert representative_of == [0, 1, 2, 2]

    def test_with_another_negative_an_equal_prompt_is_another(self) -> None:
        found = dataclasses.replace(groups(), prompts=("a", "a", "a", "a"), partition=((0, 1, 2, 3),))
        one, other = found.conditionings[0], found.conditionings[1]
        equal = [[one[0][0].clone(), one[0][1]]]
        assert found.distinct([(one, other, equal, other)])[1] == [0, 1, 0, 1]
        assert found.distinct([(one, one, one, one), (one, other, one, one)])[1] == [0, 1, 0, 0]


class TestCentral:
    def test_the_most_central(self) -> None:
        assert groups().central((0, 1, 2)) == 1
        assert groups().central((2, 0)) == 0

    @given(st.integers(0, 10**6), st.integers(1, 8))
    def test_against_the_definition(self, seed: int, count: int) -> None:
        vectors = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        central = groups(vectors).central(tuple(range(count)))
        means = [np.mean([float(a @ b) for b in vectors]) for a in vectors]
        assert means[central] == pytest.approx(max(means), abs=1e-5)

    def test_the_first_of_equals_by_its_text(self) -> None:
        equal = groups(np.repeat([[0.6, 0.8]], 4, axis=0).astype(np.float32))
        assert equal.central((0, 1, 2, 3)) == 0
        assert dataclasses.replace(equal, prompts=("d", "c", "b", "a")).central((0, 1, 2, 3)) == 3


@pytest.mark.parametrize("mode", ["mean", "medoid", "concat"])
def test_the_order_of_the_list_does_not_count(mode: str) -> None:
    """Of two prompts neither is more central."""
    found = groups(group_condition=mode)
    turned = dataclasses.replace(
        found, prompts=found.prompts[::-1], conditionings=found.conditionings[::-1], embeddings=found.embeddings[::-1]
    )
    for cluster in ((0, 1), (0, 2, 3)):
        expected = found.condition(cluster)[0][0]
        assert torch.equal(turned.condition(tuple(sorted(3 - each for each in cluster)))[0][0], expected)


class TestSimilarityRange:
    def test_tightest_and_loosest_pair(self) -> None:
        tightest, loosest = groups().similarity_range((0, 1, 3))
        assert tightest == pytest.approx(np.cos(np.radians(10)))
        assert loosest == pytest.approx(np.cos(np.radians(90)), abs=1e-6)

    def test_one_prompt(self) -> None:
        assert groups().similarity_range((3,)) == (1.0, 1.0)


def test_the_wire_cannot_be_changed() -> None:
    """Other nodes hold the same object."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        groups().threshold = 0.1  # type: ignore[misc]


def test_it_prints_without_its_tensors() -> None:
    assert len(repr(groups())) < 500
