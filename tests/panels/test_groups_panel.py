"""The groups panel's payload: previews under other settings, dendrogram, cache."""

from __future__ import annotations

import json

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.grouping.linkage import cluster_prompts
from comfyui_sage.sage_core.grouping.report import grouping_report
from comfyui_sage.sage_core.images.palette import ALONE
from comfyui_sage.sage_core.panels import groups as groups_panel
from comfyui_sage.sage_core.panels.groups import EmbeddedPrompts, GroupingCache, dendrogram, panel_payload
from comfyui_sage.sage_core.vectors import normalize
from hypothesis import given
from hypothesis import strategies as st
from models import clip_l
from previews import EMBEDDED, FIXED, PROMPTS, member_lists


class TestEmbeddedPrompts:
    def test_auto_uses_its_own_threshold(self) -> None:
        payload = EMBEDDED.preview(**FIXED | {"threshold_mode": "auto"})
        assert (member_lists(payload), payload["threshold"]) == ([[0, 1], [2]], 0.7)

    def test_fixed_size_and_pins(self) -> None:
        assert member_lists(EMBEDDED.preview(**FIXED)) == [[0], [1], [2]]
        assert member_lists(EMBEDDED.preview(**FIXED | {"threshold": 0.5, "max_group_size": 1})) == [[0], [1], [2]]
        assert member_lists(EMBEDDED.preview(**FIXED | {"pinned": '{"moon": "red car"}'})) == [[0, 2], [1]]

    def test_similarity_and_colour_of_a_group(self) -> None:
        together, alone = EMBEDDED.preview(**FIXED | {"threshold": 0.5})["groups"]
        assert (together["tightest"], together["loosest"]) == pytest.approx((0.8, 0.8))
        assert together["colour"] == "#0072b2"
        assert alone["colour"] == "#{:02x}{:02x}{:02x}".format(*ALONE)

    def test_the_key_is_of_the_content(self) -> None:
        assert EMBEDDED.key == EmbeddedPrompts(PROMPTS, EMBEDDED.embeddings.copy(), 0.7).key
        assert EMBEDDED.key != EmbeddedPrompts(("a", "b", "c"), EMBEDDED.embeddings, 0.7).key
        assert EMBEDDED.key != EmbeddedPrompts(PROMPTS, EMBEDDED.embeddings[::-1], 0.7).key

    def test_a_run_and_its_panel_agree_with_the_report(self) -> None:
        groups = build_prompt_groups(clip_l(), ("a dog", "a house", "a dog"), threshold_mode="fixed", threshold=-1.0)
        payload = json.loads(json.dumps(panel_payload(groups, FIXED)))
        assert payload["prompts"] == list(groups.prompts)
        assert member_lists(payload["grouping"]) == [[0, 1, 2]]
        assert f"{payload['grouping']['saved']:.1%} of the evaluations" in grouping_report(groups)
        assert groups_panel.GROUPING_CACHE.recall(payload["key"]) is not None

    def test_a_prompt_that_was_chosen_is_named_as_in_its_list(self) -> None:
        around = "masterpiece, best quality, highly detailed, a {} beyond a hill, shot on 35mm film, soft light, wide"
        prompts = tuple(around.format(what) for what in ("dog", "house", "tree"))
        payload = panel_payload(build_prompt_groups(clip_l(), prompts[1:2], whole_list=prompts), FIXED)
        assert payload["labels"] == ["a house beyond a hill"]
        assert groups_panel.cached_payload(payload["key"], payload["settings"])["labels"] == payload["labels"]

    def test_a_very_long_list_has_no_panel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups_panel, "_MOST_PROMPTS", 2)
        groups = build_prompt_groups(clip_l(), ("a dog", "a house", "a dog"))
        assert panel_payload(groups, FIXED) == {"too_many": 3}


class TestDendrogram:
    @given(seed=st.integers(0, 10**6), count=st.integers(2, 12), threshold=st.floats(-0.9, 0.9))
    def test_a_cut_through_it_is_the_grouping(self, seed: int, count: int, threshold: float) -> None:
        random = np.random.default_rng(seed)
        prompts = tuple(f"prompt {number}" for number in random.integers(0, 9, count))
        rows = normalize(random.standard_normal((9, 4)))
        embeddings = rows[[int(text[-1]) for text in prompts]]
        tree = dendrogram(prompts, embeddings)
        if tree is None:
            assert len(set(prompts)) == 1
            return
        assert sorted(tree["leaves"]) == sorted(prompts.index(text) for text in set(prompts))
        spans = [set(tree["leaves"][first : last + 1]) for first, last, _ in tree["merges"]]
        tight = [span for span, (_, _, loosest) in zip(spans, tree["merges"], strict=True) if loosest >= threshold]
        largest = {frozenset(one) for one in tight if not any(one < other for other in tight)}
        alone = {frozenset([leaf]) for leaf in tree["leaves"] if not any(leaf in one for one in tight)}
        leaves = set(tree["leaves"])
        partition = cluster_prompts(prompts, embeddings, threshold=threshold)
        assert largest | alone == {frozenset(leaves.intersection(members)) for members in partition}
        assert all(not spans[at] > spans[before] for at in range(len(spans)) for before in range(at))

    def test_what_belongs_together_is_side_by_side_from_the_first_prompt_on(self) -> None:
        prompts = ("moon", "red car", "star", "blue car", "moon", "sun")
        axes = {"moon": [1, 0], "sun": [0.9, 0.436], "star": [0.99, 0.141], "red car": [0, 1], "blue car": [-0.1, 1]}
        tree = dendrogram(prompts, normalize(np.array([axes[text] for text in prompts])))
        assert tree is not None and tree["leaves"] == [0, 2, 5, 1, 3]
        assert [(first, last) for first, last, _ in tree["merges"]] == [(0, 4), (0, 2), (0, 1), (3, 4)]
        assert [loosest for *_, loosest in tree["merges"]] == pytest.approx([-0.1, 0.9, 0.99, 0.995], abs=1e-3)
        assert tree["sizes"] == [1] * 5

    def test_nothing_to_join(self) -> None:
        assert dendrogram(("moon", "moon"), EMBEDDED.embeddings[[2, 2]]) is None

    def test_of_too_many_prompts_the_most_similar_are_one_leaf(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups_panel, "_MOST_LEAVES", 2)
        tree = dendrogram(PROMPTS, EMBEDDED.embeddings)
        assert tree == {"leaves": [0, 2], "sizes": [2, 1], "merges": [(0, 1, pytest.approx(0.0))]}


class TestMemory:
    def runs(self, count: int, width: int = 3) -> list[EmbeddedPrompts]:
        return [EmbeddedPrompts((str(number),), np.ones((1, width), np.float32), 0.5) for number in range(count)]

    def test_the_oldest_entry_is_dropped(self) -> None:
        memory = GroupingCache()
        keys = [memory.keep(run) for run in self.runs(8)]
        memory.recall(keys[0])
        memory.keep(EMBEDDED)
        assert memory.recall(keys[1]) is None
        assert memory.recall(keys[0]) is not None and memory.recall(EMBEDDED.key) is EMBEDDED

    def test_its_size_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups_panel, "_MOST_BYTES", 1000)
        memory = GroupingCache()
        keys = [memory.keep(run) for run in self.runs(3, width=100)]
        assert [memory.recall(key) is not None for key in keys] == [False, True, True]

    def test_equal_runs_take_one_place(self) -> None:
        memory = GroupingCache()
        first = memory.keep(self.runs(1)[0])
        for _ in range(20):
            memory.keep(EMBEDDED)
        assert memory.recall(first) is not None
