"""Groups of an earlier run under other settings: what is remembered, what is told, and the server's route."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from comfyui_sage.routes import add_routes
from comfyui_sage.routes.group_preview import keep_grouping, last_groupings
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.grouping.linkage import cluster_prompts
from comfyui_sage.sage_core.grouping.report import grouping_report
from comfyui_sage.sage_core.images.palette import ALONE
from comfyui_sage.sage_core.panels import groups as groups_panel
from comfyui_sage.sage_core.panels.groups import EmbeddedPrompts, GroupingCache, dendrogram, panel_payload
from comfyui_sage.sage_core.vectors import normalize
from comfyui_server import Server
from graphs import sage_graph
from hypothesis import given
from hypothesis import strategies as st
from models import clip_l

PROMPTS = ("red car", "blue car", "moon")
EMBEDDED = EmbeddedPrompts(PROMPTS, normalize(np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]])), 0.7)
FIXED = {"threshold_mode": "fixed", "threshold": 0.9, "max_group_size": 0, "pinned": ""}


def members(told: dict[str, Any]) -> list[list[int]]:
    return [list(group["members"]) for group in told["groups"]]


class TestMeasured:
    def test_auto_uses_its_own_threshold(self) -> None:
        told = EMBEDDED.preview(**FIXED | {"threshold_mode": "auto"})
        assert (members(told), told["threshold"]) == ([[0, 1], [2]], 0.7)

    def test_fixed_size_and_pins(self) -> None:
        assert members(EMBEDDED.preview(**FIXED)) == [[0], [1], [2]]
        assert members(EMBEDDED.preview(**FIXED | {"threshold": 0.5, "max_group_size": 1})) == [[0], [1], [2]]
        assert members(EMBEDDED.preview(**FIXED | {"pinned": '{"moon": "red car"}'})) == [[0, 2], [1]]

    def test_what_is_told_of_a_group(self) -> None:
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
        told = json.loads(json.dumps(panel_payload(groups, FIXED)))
        assert told["prompts"] == list(groups.prompts)
        assert members(told["grouping"]) == [[0, 1, 2]]
        assert f"{told['grouping']['saved']:.1%} of the evaluations" in grouping_report(groups)
        assert groups_panel.GROUPING_CACHE.recall(told["key"]) is not None

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

    def test_nothing_to_join_or_too_much_to_draw(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert dendrogram(("moon", "moon"), EMBEDDED.embeddings[[2, 2]]) is None
        assert dendrogram(PROMPTS, EMBEDDED.embeddings) is not None
        monkeypatch.setattr(groups_panel, "_MOST_LEAVES", 2)
        assert dendrogram(PROMPTS, EMBEDDED.embeddings) is None


class TestMemory:
    def runs(self, count: int, width: int = 3) -> list[EmbeddedPrompts]:
        return [EmbeddedPrompts((str(number),), np.ones((1, width), np.float32), 0.5) for number in range(count)]

    def test_the_oldest_is_forgotten(self) -> None:
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


def test_without_a_server_nothing_is_registered() -> None:
    add_routes()


def grouping_graph(**settings: Any) -> dict[str, Any]:
    """The demo model's groups of three prompts, and the report."""
    graph = sage_graph()
    graph["2"]["inputs"] |= settings
    shown = {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}}
    return {"1": graph["1"], "2": graph["2"], "8": shown}


class TestRoute:
    @pytest.fixture(scope="class")
    def told(self, server: Server) -> dict[str, Any]:
        """What a run shows on the panel."""
        return server.queue(grouping_graph())["2"]["sage_groups"][0]

    def post(self, server: Server, body: Any) -> tuple[int, Any]:
        """Status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, text = server.request("/sage/regroup", data)
        return status, json.loads(text)

    def test_a_run_tells_its_groups(self, told: dict[str, Any]) -> None:
        assert told["prompts"] == ["a red car in the snow", "a blue car in the snow", "a small boat on the sea"]
        assert members(told["grouping"]) == [[0, 1], [2]]
        assert told["settings"] == FIXED | {"threshold_mode": "auto", "threshold": 0.8}
        assert told["tree"]["leaves"] == [0, 1, 2]
        (*root, loosest), (*cars, tightest) = told["tree"]["merges"]
        assert (root, cars) == ([0, 2], [0, 1]) and loosest < told["grouping"]["threshold"] < tightest

    def test_other_settings(self, server: Server, told: dict[str, Any]) -> None:
        body = {**told["settings"], "key": told["key"]}
        assert self.post(server, body) == (200, told["grouping"]), "as the run"
        status, answer = self.post(server, body | {"threshold_mode": "fixed", "threshold": -1})
        assert (status, members(answer)) == (200, [[0, 1, 2]])
        pinned = json.dumps({told["prompts"][0]: told["prompts"][2]})
        status, answer = self.post(server, body | {"pinned": pinned})
        assert (status, members(answer)) == (200, [[0, 2], [1]])

    def test_the_node_groups_as_the_route_told(self, server: Server, told: dict[str, Any]) -> None:
        pinned = json.dumps({told["prompts"][0]: told["prompts"][2]})
        outputs = server.queue(grouping_graph(pinned=pinned))
        assert members(outputs["2"]["sage_groups"][0]["grouping"]) == [[0, 2], [1]]
        assert "1 of the prompts are in the groups where you put them" in outputs["8"]["text"][0]

    @pytest.mark.parametrize(
        "change, status, message",
        [
            ({"key": "unheard"}, 404, "key: these prompts are no longer remembered"),
            ({"key": ["a"]}, 400, "key: got a value of the wrong type"),
            ({"threshold_mode": "never"}, 400, "threshold_mode: expected one of auto, fixed"),
            ({"threshold_mode": "fixed", "threshold": 1.01}, 400, "threshold: expected a cosine"),
            ({"threshold_mode": "fixed", "threshold": float("nan")}, 400, "threshold: expected a cosine"),
            ({"threshold": "0.5"}, 400, "threshold: got a value of the wrong type"),
            ({"threshold": True}, 400, "threshold: got a value of the wrong type"),
            ({"max_group_size": -1}, 400, "max_group_size: expected 0"),
            ({"max_group_size": 1.5}, 400, "max_group_size: got a value of the wrong type"),
            ({"pinned": "{"}, 400, "pinned: expected a JSON object"),
            ({"pinned": "x" * 2**20}, 413, "expected at most 1048576 bytes"),
            ({"more": 1}, 400, "body: expected a JSON object with key, threshold_mode"),
        ],
    )
    def test_a_refused_value(
        self, server: Server, told: dict[str, Any], change: dict[str, Any], status: int, message: str
    ) -> None:
        code, answer = self.post(server, {**told["settings"], "key": told["key"], **change})
        assert code == status
        assert answer["error"].startswith(message)

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000])
    def test_a_damaged_body(self, server: Server, body: bytes) -> None:
        code, answer = self.post(server, body)
        assert (code, answer["error"].startswith("body: expected")) == (400, True)


class TestLastRuns:
    """What a page that was opened since is told of a workflow's nodes. Inputs are new: a cached node does not run."""

    WORKFLOW = "8d1b7c52-0000-4b0e-8c35-7f6d2a9e4c11"

    def get(self, server: Server, query: str) -> tuple[int, Any]:
        status, text = server.request(f"/sage/groups{query}")
        return status, json.loads(text)

    def test_as_the_run_told_its_panel(self, server: Server) -> None:
        prompts = "a {red|blue} tree in the snow\na small boat on a lake"
        pinned = json.dumps({"a red tree in the snow": "a small boat on a lake"})
        for settings in ({}, {"threshold_mode": "fixed", "threshold": 0.5, "max_group_size": 2, "pinned": pinned}):
            shown = server.queue(grouping_graph(prompts=prompts, **settings), workflow={"id": self.WORKFLOW})
            status, (told,) = self.get(server, f"?workflow={self.WORKFLOW}")
            made_of = {"prompts": prompts, "prompt_file": "none", "encoder": "clip", "encoder_model": ""}
            about = {"workflow": self.WORKFLOW, "node": "2", "made_of": made_of}
            assert status == 200
            assert told == told | about | shown["2"]["sage_groups"][0]

    def test_what_is_forgotten_is_not_told(self, server: Server) -> None:
        for number in range(9):
            server.queue(grouping_graph(prompts=f"{number} boats\na lake"), workflow={"id": f"boats {number}"})
        told = [len(self.get(server, f"?workflow=boats%20{number}")[1]) for number in range(9)]
        assert told == [0, *[1] * 8]

    def test_what_was_too_much_to_show_is_not_told(self) -> None:
        hidden = SimpleNamespace(extra_pnginfo={"workflow": {"id": "long"}}, unique_id="2")
        short = {"key": groups_panel.GROUPING_CACHE.keep(EMBEDDED), "settings": FIXED}
        for run, count in ((short, 1), ({"too_many": 3000}, 0)):
            keep_grouping(hidden, run, {})
            assert len(last_groupings("long")) == count

    def test_another_workflow(self, server: Server) -> None:
        assert self.get(server, "?workflow=unheard") == (200, [])

    def test_no_workflow(self, server: Server) -> None:
        assert self.get(server, "") == (400, {"error": "workflow: expected the id of a workflow."})
