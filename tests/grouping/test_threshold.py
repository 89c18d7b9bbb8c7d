"""The automatic threshold."""

from __future__ import annotations

import random

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.linkage import cluster_prompts
from comfyui_sage.sage_core.grouping.threshold import auto_threshold, unrelated_similarity
from comfyui_sage.sage_core.vectors import normalize
from embeddings import UNRELATED, as_sets, clustered_directions, prompt_names, random_directions
from hypothesis import given
from hypothesis import strategies as st


class TestAutoThreshold:
    def test_between_the_clusters_and_everything_else(self) -> None:
        embeddings = clustered_directions(4, [3, 3, 3, 3])
        threshold = auto_threshold(prompt_names(12), embeddings, UNRELATED)
        assert as_sets(cluster_prompts(prompt_names(12), embeddings, threshold=threshold)) == {
            frozenset(range(at, at + 3)) for at in (0, 3, 6, 9)
        }

    def test_all_unrelated_is_not_merged(self) -> None:
        embeddings = np.eye(8, dtype=np.float32)
        threshold = auto_threshold(prompt_names(8), embeddings, UNRELATED)
        assert len(cluster_prompts(prompt_names(8), embeddings, threshold=threshold)) == 8

    def test_all_alike_is_one_group(self) -> None:
        embeddings = clustered_directions(5, [9], spread=0.05)
        threshold = auto_threshold(prompt_names(9), embeddings, UNRELATED)
        assert len(cluster_prompts(prompt_names(9), embeddings, threshold=threshold)) == 1

    @pytest.mark.parametrize("spread, groups", [(0.1, 1), (5.0, 2)])
    def test_two_prompts(self, spread: float, groups: int) -> None:
        embeddings = clustered_directions(6, [2], spread=spread)
        threshold = auto_threshold(prompt_names(2), embeddings, UNRELATED)
        assert len(cluster_prompts(prompt_names(2), embeddings, threshold=threshold)) == groups

    @pytest.mark.parametrize("prompts", [["a"], ["a", "a", "a"]])
    def test_one_text_gives_the_floor(self, prompts: list[str]) -> None:
        embeddings = np.repeat(random_directions(0, 1, 64), len(prompts), axis=0)
        assert auto_threshold(prompts, embeddings, UNRELATED) == unrelated_similarity(UNRELATED)[1]

    @given(st.integers(0, 10**6), st.integers(1, 25), st.randoms())
    def test_the_order_of_the_prompts_does_not_matter(self, seed: int, count: int, order: random.Random) -> None:
        prompts, embeddings = prompt_names(count), random_directions(seed, count)
        shuffled = list(range(count))
        order.shuffle(shuffled)
        after = auto_threshold([prompts[i] for i in shuffled], embeddings[shuffled], UNRELATED[:, :6])
        assert after == pytest.approx(auto_threshold(prompts, embeddings, UNRELATED[:, :6]), abs=1e-6)

    @given(st.integers(0, 10**6), st.integers(1, 25))
    def test_a_cosine_not_below_the_floor(self, seed: int, count: int) -> None:
        embeddings = random_directions(seed, count)
        floor = unrelated_similarity(normalize(UNRELATED[:, :6]))[1]
        threshold = auto_threshold(prompt_names(count), embeddings, normalize(UNRELATED[:, :6]))
        assert floor <= threshold <= 1

    def test_repeats_change_nothing(self) -> None:
        embeddings = clustered_directions(7, [3, 3])
        once = auto_threshold(prompt_names(6), embeddings, UNRELATED)
        assert auto_threshold(prompt_names(6) * 5, np.tile(embeddings, (5, 1)), UNRELATED) == once

    @pytest.mark.parametrize("neighbours_in_the_list", [True, False])
    def test_a_long_list_is_judged_by_its_groups_too(self, neighbours_in_the_list: bool) -> None:
        """Only some prompts of a long list are looked at; their groups have to be among them."""
        count = 4000
        embeddings = clustered_directions(8, [4] * (count // 4), spread=0.2)
        if not neighbours_in_the_list:
            embeddings = embeddings[np.random.default_rng(9).permutation(count)]
        threshold = auto_threshold(prompt_names(count), embeddings, UNRELATED)
        assert 0.6 < threshold < 0.95
        assert len(cluster_prompts(prompt_names(count), embeddings, threshold=threshold)) == count // 4

    def test_a_list_of_singletons_is_not_merged_for_one_pair_that_is_a_little_alike(self) -> None:
        """Among many pairs some are always above the floor; that is no structure."""
        embeddings = normalize(np.random.default_rng(3).normal(size=(60, 24)))
        similarity = np.triu(embeddings @ embeddings.T, 1)
        unrelated = normalize(np.random.default_rng(4).normal(size=(24, 24)))
        assert similarity.max() > unrelated_similarity(unrelated)[1]
        threshold = auto_threshold(prompt_names(60), embeddings, unrelated)
        assert len(cluster_prompts(prompt_names(60), embeddings, threshold=threshold)) == 60

    def test_some_groups_among_many_singletons(self) -> None:
        embeddings = np.concatenate([clustered_directions(5, [4, 3]), clustered_directions(6, [1] * 20)])
        threshold = auto_threshold(prompt_names(27), embeddings, UNRELATED)
        assert sorted(map(len, cluster_prompts(prompt_names(27), embeddings, threshold=threshold)))[-3:] == [1, 3, 4]

    def test_the_scale_of_the_encoder_does_not_matter(self) -> None:
        """An encoder that finds everything similar: a common direction added to all."""

        def crowded(vectors: np.ndarray) -> np.ndarray:
            return normalize(np.concatenate([np.full((len(vectors), 1), 1.5), vectors], 1))

        embeddings = clustered_directions(7, [3, 4, 5, 2])
        prompts = prompt_names(14)
        plain = cluster_prompts(prompts, embeddings, threshold=auto_threshold(prompts, embeddings, UNRELATED))
        near = crowded(embeddings)
        threshold = auto_threshold(prompts, near, crowded(UNRELATED))
        assert threshold > 0.75
        assert cluster_prompts(prompts, near, threshold=threshold) == plain
        assert sorted(map(len, plain)) == [2, 3, 4, 5]


class TestUnrelatedSimilarity:
    def test_two_deviations_above_the_mean(self) -> None:
        pairs = (UNRELATED @ UNRELATED.T)[np.triu_indices(24, 1)]
        assert unrelated_similarity(UNRELATED)[1] == pytest.approx(pairs.mean() + 2 * pairs.std())

    def test_an_encoder_that_does_not_know_them_is_neutral(self) -> None:
        assert unrelated_similarity(np.ones((24, 1), dtype=np.float32))[1] == 0.8
