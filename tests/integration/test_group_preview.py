"""The routes of the groups panel."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from comfyui_sage.routes import add_routes
from comfyui_sage.routes.group_preview import keep_grouping, last_groupings
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
    def told(self, server: Server) -> dict[str, Any]:
        """What a run shows on the panel."""
        return server.queue(grouping_graph())["2"]["sage_groups"][0]

    def post(self, server: Server, body: Any) -> tuple[int, Any]:
        """Status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, text = server.ask("/sage/regroup", data)
        return status, json.loads(text)

    def test_a_run_tells_its_groups(self, told: dict[str, Any]) -> None:
        assert told["prompts"] == ["a red car in the snow", "a blue car in the snow", "a small boat on the sea"]
        assert member_lists(told["grouping"]) == [[0, 1], [2]]
        assert told["settings"] == FIXED | {"threshold_mode": "auto", "threshold": 0.8}
        assert told["tree"]["leaves"] == [0, 1, 2]
        (*root, loosest), (*cars, tightest) = told["tree"]["merges"]
        assert (root, cars) == ([0, 2], [0, 1]) and loosest < told["grouping"]["threshold"] < tightest

    def test_other_settings(self, server: Server, told: dict[str, Any]) -> None:
        body = {**told["settings"], "key": told["key"]}
        assert self.post(server, body) == (200, told["grouping"]), "as the run"
        status, answer = self.post(server, body | {"threshold_mode": "fixed", "threshold": -1})
        assert (status, member_lists(answer)) == (200, [[0, 1, 2]])
        pinned = json.dumps({told["prompts"][0]: told["prompts"][2]})
        status, answer = self.post(server, body | {"pinned": pinned})
        assert (status, member_lists(answer)) == (200, [[0, 2], [1]])

    def test_the_node_groups_as_the_route_told(self, server: Server, told: dict[str, Any]) -> None:
        pinned = json.dumps({told["prompts"][0]: told["prompts"][2]})
        outputs = server.queue(grouping_graph(pinned=pinned))
        assert member_lists(outputs["2"]["sage_groups"][0]["grouping"]) == [[0, 2], [1]]
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
        status, text = server.ask(f"/sage/groups{query}")
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
