"""The routes of the groups panel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from comfyui_sage.routes import add_routes
from comfyui_sage.routes.group_preview import LAST_GROUPINGS, last_groupings
from comfyui_sage.routes.node_progress import NodeAddress
from comfyui_sage.sage_core.panels import groups as groups_panel
from comfyui_server import Server
from graphs import sage_graph
from previews import EMBEDDED, FIXED, member_lists


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
    def payload(self, server: Server) -> dict[str, Any]:
        """What a run shows on the panel."""
        return server.queue(grouping_graph())["2"]["sage_groups"][0]

    def post(self, server: Server, body: Any) -> tuple[int, Any]:
        """Status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, text = server.ask("/sage/regroup", data)
        return status, json.loads(text)

    def test_a_run_returns_its_groups(self, payload: dict[str, Any]) -> None:
        assert payload["prompts"] == ["a red car in the snow", "a blue car in the snow", "a small boat on the sea"]
        assert member_lists(payload["grouping"]) == [[0, 1], [2]]
        assert payload["settings"] == FIXED | {"threshold_mode": "auto", "threshold": 0.8}
        assert payload["tree"]["leaves"] == [0, 1, 2]
        (*root, loosest), (*cars, tightest) = payload["tree"]["merges"]
        assert (root, cars) == ([0, 2], [0, 1]) and loosest < payload["grouping"]["threshold"] < tightest

    def test_other_settings(self, server: Server, payload: dict[str, Any]) -> None:
        body = {**payload["settings"], "key": payload["key"]}
        assert self.post(server, body) == (200, payload["grouping"]), "as the run"
        status, answer = self.post(server, body | {"threshold_mode": "fixed", "threshold": -1})
        assert (status, member_lists(answer)) == (200, [[0, 1, 2]])
        pinned = json.dumps({payload["prompts"][0]: payload["prompts"][2]})
        status, answer = self.post(server, body | {"pinned": pinned})
        assert (status, member_lists(answer)) == (200, [[0, 2], [1]])

    def test_the_node_groups_as_the_route_answered(self, server: Server, payload: dict[str, Any]) -> None:
        pinned = json.dumps({payload["prompts"][0]: payload["prompts"][2]})
        outputs = server.queue(grouping_graph(pinned=pinned))
        assert member_lists(outputs["2"]["sage_groups"][0]["grouping"]) == [[0, 2], [1]]
        assert "1 of the prompts are in the groups where you put them" in outputs["8"]["text"][0]

    @pytest.mark.parametrize(
        "change, status, message",
        [
            ({"key": "unheard"}, 404, "These prompts are no longer remembered"),
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
        self, server: Server, payload: dict[str, Any], change: dict[str, Any], status: int, message: str
    ) -> None:
        code, answer = self.post(server, {**payload["settings"], "key": payload["key"], **change})
        assert code == status
        assert answer["error"].startswith(message)

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000])
    def test_a_damaged_body(self, server: Server, body: bytes) -> None:
        code, answer = self.post(server, body)
        assert (code, answer["error"].startswith("body: expected")) == (400, True)


class TestLastRuns:
    """The groups of a workflow's last run. Every test has new inputs, because a cached node does not run."""

    WORKFLOW = "8d1b7c52-0000-4b0e-8c35-7f6d2a9e4c11"

    def get(self, server: Server, query: str) -> tuple[int, Any]:
        status, text = server.ask(f"/sage/groups{query}")
        return status, json.loads(text)

    def test_the_payload_of_the_last_run(self, server: Server) -> None:
        prompts = "a {red|blue} tree in the snow\na small boat on a lake"
        pinned = json.dumps({"a red tree in the snow": "a small boat on a lake"})
        for settings in ({}, {"threshold_mode": "fixed", "threshold": 0.5, "max_group_size": 2, "pinned": pinned}):
            shown = server.queue(
                grouping_graph(prompts=prompts, **settings), workflow={"id": self.WORKFLOW}, client="me"
            )
            status, (*_, payload) = self.get(server, f"?client=me&workflow={self.WORKFLOW}")
            made_of = {"prompts": prompts, "prompt_file": "none", "encoder": "clip", "encoder_model": ""}
            about = {"workflow": self.WORKFLOW, "node": "2", "own": True, "made_of": made_of}
            assert status == 200
            assert payload == payload | about | shown["2"]["sage_groups"][0]

    def test_only_the_last_eight_are_kept(self, server: Server) -> None:
        lists = [f"{number} boats\na lake" for number in range(9)]
        for prompts in lists:
            server.queue(grouping_graph(prompts=prompts), workflow={"id": "boats"}, client="b")
        kept = [run["made_of"]["prompts"] for run in self.get(server, "?client=b&workflow=boats")[1]]
        assert kept == lists[1:]

    def test_a_list_too_long_for_the_panel_is_not_returned(self) -> None:
        short = {"key": groups_panel.GROUPING_CACHE.keep(EMBEDDED), "settings": FIXED}
        for run, count in ((short, 1), ({"key": "", "settings": None}, 0)):
            LAST_GROUPINGS.keep(NodeAddress("long", "run", "2"), {"workflow": "long", "made_of": {}, **run})
            assert len(last_groupings("long", "long")) == count

    def test_of_the_same_prompts_only_the_last_run(self) -> None:
        """Each is grouped again for the answer."""
        key = groups_panel.GROUPING_CACHE.keep(EMBEDDED)
        for run, prompts in enumerate(["a", "b", "a", "a"]):
            settings = {**FIXED, "max_group_size": run}
            kept = {"workflow": "often", "made_of": {"prompts": prompts}, "key": key, "settings": settings}
            LAST_GROUPINGS.keep(NodeAddress("often", f"run {run}", "2"), kept)
        assert [run["run"] for run in last_groupings("often", "often")] == ["run 1", "run 3"]
        assert [run["own"] for run in last_groupings("another", "often")] == [False, False]

    def test_groups_that_another_client_ran(self, server: Server) -> None:
        """For this one they are in ComfyUI's cache, and the node does not run."""
        graph = grouping_graph(prompts="a red lamp\na blue lamp")
        for client in ("first", "second"):
            shown = server.queue(graph, workflow={"id": "lamps"}, client=client)["2"]["sage_groups"][0]
        (found,) = self.get(server, "?client=second&workflow=lamps")[1]
        assert found == found | shown | {"own": False}

    def test_another_workflow(self, server: Server) -> None:
        assert self.get(server, "?client=me&workflow=none") == (200, [])
        assert self.get(server, "?client=me") == (200, [])

    def test_no_client(self, server: Server) -> None:
        assert self.get(server, "") == (400, {"error": "client: expected the id of a client."})
