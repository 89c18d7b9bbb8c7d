"""Complete linkage at a threshold."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping import linkage
from comfyui_sage.sage_core.grouping.linkage import Dendrogram, cluster_prompts
from comfyui_sage.sage_core.vectors import normalize
from embeddings import as_sets, clustered_directions, prompt_names, random_directions
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components


def naive_complete_linkage(embeddings: np.ndarray, threshold: float) -> set[frozenset[int]]:
    """The definition: join the two groups whose least similar pair is most similar, while it may be joined."""
    similarity = embeddings @ embeddings.T
    groups = [frozenset([index]) for index in range(len(embeddings))]
    while len(groups) > 1:
        loosest, a, b = max(
            ((min(similarity[i, j] for i in a for j in b), a, b) for a, b in itertools.combinations(groups, 2)),
            key=lambda found: found[0],
        )
        if loosest < threshold:
            break
        groups = [group for group in groups if group not in (a, b)] + [a | b]
    return set(groups)


def assert_every_pair_similar(partition: tuple, embeddings: np.ndarray, threshold: float) -> None:
    for group in partition:
        part = embeddings[list(group)]
        assert (part @ part.T).min() >= threshold - 1e-5


class TestGroups:
    @given(st.integers(0, 10**6), st.integers(1, 12), st.floats(-0.9, 0.95))
    def test_against_the_definition(self, seed: int, count: int, threshold: float) -> None:
        embeddings = random_directions(seed, count)
        partition = cluster_prompts(prompt_names(count), embeddings, threshold=threshold)
        assert as_sets(partition) == naive_complete_linkage(embeddings, threshold)

    @given(st.integers(0, 10**6), st.integers(1, 40), st.floats(-1, 1), st.integers(0, 5))
    def test_every_prompt_once_every_pair_similar_no_group_too_large(
        self, seed: int, count: int, threshold: float, size: int
    ) -> None:
        embeddings = random_directions(seed, count)
        partition = cluster_prompts(prompt_names(count), embeddings, threshold=threshold, max_group_size=size)
        assert sorted(index for group in partition for index in group) == list(range(count))
        assert_every_pair_similar(partition, embeddings, threshold)
        assert max(map(len, partition)) <= (size or count)

    @given(st.integers(0, 10**6), st.integers(1, 30), st.floats(-0.9, 0.95), st.integers(0, 4), st.randoms())
    def test_the_order_of_the_prompts_does_not_matter(
        self, seed: int, count: int, threshold: float, size: int, order: random.Random
    ) -> None:
        prompts, embeddings = prompt_names(count), random_directions(seed, count)
        shuffled = list(range(count))
        order.shuffle(shuffled)
        before = cluster_prompts(prompts, embeddings, threshold=threshold, max_group_size=size)
        after = cluster_prompts(
            [prompts[index] for index in shuffled], embeddings[shuffled], threshold=threshold, max_group_size=size
        )
        assert {frozenset(shuffled[index] for index in group) for group in after} == as_sets(before)

    def test_ties_do_not_depend_on_the_order_either(self) -> None:
        """Four corners of a square: two ways to pair them, equally good."""
        corners = normalize(np.array([[1, 0, 2], [0, 1, 2], [-1, 0, 2], [0, -1, 2]]))
        partitions = set()
        for order in itertools.permutations(range(4)):
            prompts = ["abcd"[index] for index in order]
            found = cluster_prompts(prompts, corners[list(order)], threshold=0.7)
            partitions.add(frozenset(frozenset(prompts[index] for index in group) for group in found))
        assert len(partitions) == 1

    @given(st.integers(0, 10**6), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), st.floats(-1, 1))
    def test_equal_texts_are_together_and_count_as_one(self, seed: int, prompts: list[str], threshold: float) -> None:
        texts = sorted(set(prompts))
        table = random_directions(seed, 6)
        embeddings = table[["abcdef".index(text) for text in prompts]]
        partition = cluster_prompts(prompts, embeddings, threshold=threshold, max_group_size=1)
        assert as_sets(partition) == {
            frozenset(index for index, text in enumerate(prompts) if text == wanted) for wanted in texts
        }
        distinct = cluster_prompts(texts, table[["abcdef".index(text) for text in texts]], threshold=threshold)
        with_repeats = cluster_prompts(prompts, embeddings, threshold=threshold)
        assert {frozenset(prompts[index] for index in group) for group in with_repeats} == {
            frozenset(texts[index] for index in group) for group in distinct
        }

    def test_equal_texts_are_together_even_if_their_embeddings_are_not_quite(self) -> None:
        embeddings = normalize(np.array([[1, 0], [0, 1], [1, 0.01]]))
        assert cluster_prompts(["a", "b", "a"], embeddings, threshold=1.0) == ((0, 2), (1,))

    def test_a_chain_of_neighbours_is_not_a_group(self) -> None:
        """0, 30, 60 and 90 degrees: each is near the next, but the ends are unlike."""
        angles = np.radians([0, 30, 60, 90])
        chain = normalize(np.stack([np.cos(angles), np.sin(angles)], axis=1))
        partition = cluster_prompts(prompt_names(4), chain, threshold=float(np.cos(np.radians(31))))
        assert as_sets(partition) == {frozenset([0, 1]), frozenset([2, 3])}

    def test_groups_are_in_prompt_order(self) -> None:
        embeddings = normalize(np.array([[0, 1], [1, 0], [0, 1.01], [1, 0.01]]))
        assert cluster_prompts(["z", "b", "c", "a"], embeddings, threshold=0.9) == ((0, 2), (1, 3))

    def test_a_pair_exactly_at_the_threshold_is_together(self) -> None:
        pair = normalize(np.array([[1, 0, 0], [0.6, 0.8, 0]]))
        assert cluster_prompts(["a", "b"], pair, threshold=float(pair[0] @ pair[1])) == ((0, 1),)

    def test_max_group_size_splits_the_least_similar_first(self) -> None:
        embeddings = normalize(np.array([[1, 0], [1, 0.01], [1, 0.3], [1, 0.31], [1, 0.32]]))
        partition = cluster_prompts(prompt_names(5), embeddings, threshold=0.5, max_group_size=3)
        assert partition == ((0, 1), (2, 3, 4))

    @pytest.mark.parametrize("threshold, expected", [(1.0, 3), (-1.0, 1), (0.0, 3)])
    def test_the_ends_of_the_scale(self, threshold: float, expected: int) -> None:
        directions = normalize(np.array([[1, 0], [-0.7, 0.7], [-0.7, -0.72]]))
        assert len(cluster_prompts(prompt_names(3), directions, threshold=threshold)) == expected

    def test_zero_rows_resemble_nothing(self) -> None:
        assert len(cluster_prompts(prompt_names(3), normalize(np.zeros((3, 4))), threshold=0.1)) == 3

    def test_one_prompt(self) -> None:
        assert cluster_prompts(["a"], random_directions(0, 1), threshold=0.5) == ((0,),)


class TestManyPrompts:
    def test_10000_in_2500_clusters(self) -> None:
        embeddings = clustered_directions(1, [4] * 2500, spread=0.2)
        order = np.random.default_rng(2).permutation(10_000)
        found = cluster_prompts(prompt_names(10_000), embeddings[order], threshold=0.85)
        cluster = order // 4
        assert len(found) == 2500
        assert all(len(group) == 4 and len(set(cluster[list(group)])) == 1 for group in found)

    @pytest.mark.parametrize("threshold", [0.6, 0.8, 0.95])
    @pytest.mark.parametrize("common", [0.0, 1.0])
    def test_short_vectors_find_the_same(
        self, threshold: float, common: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those of lists that are so long that most pairs are compared by a part of the vectors only."""
        monkeypatch.setattr(linkage, "_LARGEST_TREE", 100)
        monkeypatch.setattr(linkage, "_SAMPLE", 200)
        embeddings = normalize(clustered_directions(4, [3] * 200, spread=0.4, width=256) + common / 16)
        short = linkage._shortened(embeddings, threshold)
        if threshold == 0.95:
            assert short.shape[1] < 128
        assert (short[:50] @ short.T >= embeddings[:50] @ embeddings.T).all()
        expected = connected_components(embeddings @ embeddings.T >= threshold, directed=False)[1]
        found = linkage._connected(embeddings, threshold)
        assert {frozenset(part) for part in found} == {
            frozenset(np.flatnonzero(expected == label)) for label in np.unique(expected)
        }

    def test_thousands_of_variants_of_one_prompt_share(self) -> None:
        """All pairs similar: more prompts than one tree holds, and still only a few groups."""
        embeddings = clustered_directions(1, [6000], spread=0.2)
        partition = cluster_prompts(prompt_names(6000), embeddings, threshold=0.5)
        assert len(partition) <= 4
        assert_every_pair_similar(partition, embeddings, 0.5)

    def test_thousands_of_equal_embeddings(self) -> None:
        partition = cluster_prompts(prompt_names(5000), np.ones((5000, 1), dtype=np.float32), threshold=1.0)
        assert len(partition) <= 3
        assert sorted(index for group in partition for index in group) == list(range(5000))

    @settings(max_examples=30)
    @given(seed=st.integers(0, 10**6), count=st.integers(20, 60), threshold=st.floats(-0.5, 0.5), order=st.randoms())
    def test_cutting_large_sets_keeps_the_laws(
        self, seed: int, count: int, threshold: float, order: random.Random
    ) -> None:
        prompts, embeddings = prompt_names(count), random_directions(seed, count)
        shuffled = list(range(count))
        order.shuffle(shuffled)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linkage, "_LARGEST_TREE", 8)
            before = cluster_prompts(prompts, embeddings, threshold=threshold)
            after = cluster_prompts([prompts[i] for i in shuffled], embeddings[shuffled], threshold=threshold)
        assert_every_pair_similar(before, embeddings, threshold)
        assert sorted(index for group in before for index in group) == list(range(count))
        assert {frozenset(shuffled[index] for index in group) for group in after} == as_sets(before)

    def test_cutting_a_large_set_leaves_its_clusters_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(linkage, "_LARGEST_TREE", 8)
        embeddings = normalize(clustered_directions(3, [5, 5, 5], spread=0.1) + 0.15)
        partition = cluster_prompts(prompt_names(15), embeddings, threshold=0.05)
        assert all(any(set(range(5 * at, 5 * at + 5)) <= set(group) for group in partition) for at in range(3))


class TestNestedClusters:
    @given(seed=st.integers(0, 10**6), count=st.integers(2, 12), threshold=st.floats(-0.9, 0.9))
    def test_a_cut_through_them_is_the_grouping(self, seed: int, count: int, threshold: float) -> None:
        embeddings = random_directions(seed, count)
        tight = [set(cluster) for cluster, similarity in Dendrogram(embeddings).clusters() if similarity >= threshold]
        largest = {frozenset(one) for one in tight if not any(one < other for other in tight)}
        alone = {frozenset([index]) for index in range(count) if not any(index in one for one in tight)}
        assert largest | alone == naive_complete_linkage(embeddings, threshold)

    @given(seed=st.integers(0, 10**6), count=st.integers(2, 12))
    def test_the_similarity_is_that_of_the_loosest_pair(self, seed: int, count: int) -> None:
        embeddings = random_directions(seed, count)
        found = Dendrogram(embeddings).clusters()
        assert found[0][0] == tuple(range(count)) and len(found) == count - 1
        for cluster, similarity in found:
            part = embeddings[list(cluster)]
            assert similarity == pytest.approx(float((part @ part.T).min()), abs=1e-5)

    @pytest.mark.parametrize("count", [0, 1])
    def test_nothing_to_join(self, count: int) -> None:
        assert Dendrogram(random_directions(0, count)).clusters() == []


class TestErrors:
    @pytest.mark.parametrize("threshold", [-1.1, 1.1, float("nan"), float("inf")])
    def test_threshold(self, threshold: float) -> None:
        with pytest.raises(ValueError, match=f"threshold: expected a cosine .* from -1 to 1, got {threshold}"):
            cluster_prompts(["a"], random_directions(0, 1), threshold=threshold)

    def test_max_group_size(self) -> None:
        with pytest.raises(ValueError, match=r"max_group_size: expected 0 \(no limit\) or more, got -1"):
            cluster_prompts(["a"], random_directions(0, 1), threshold=0.5, max_group_size=-1)

    def test_embeddings_of_other_prompts(self) -> None:
        with pytest.raises(ValueError, match="embeddings: expected 2, one per prompt, got 3"):
            cluster_prompts(["a", "b"], random_directions(0, 3), threshold=0.5)
