"""Progress of running nodes: messages to the page that queued them, and the routes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from comfy_execution.utils import CurrentNodeContext
from comfyui_sage.routes.node_progress import (
    SHOWN_AGAIN,
    NodeAddress,
    NodeStateStore,
    StopRequests,
    address_of,
    progress_sender,
    workflow_of,
)
from comfyui_server import Graph, Server
from graphs import sage_graph, split_graph

WORKFLOW = "5a1f0d8e-0000-4c64-9d0b-3c7a1e5b2f02"


def hidden(extra: Any, node: str = "3") -> Any:
    return SimpleNamespace(extra_pnginfo=extra, unique_id=node)


class TestMemory:
    def test_updates_are_merged(self) -> None:
        memory = NodeStateStore()
        memory.keep(NodeAddress("c", "r", "1"), {"done": 1, "sheet": "old"})
        memory.keep(NodeAddress("c", "r", "2"), {"done": 5})
        memory.keep(NodeAddress("other", "r", "1"), {"done": 9})
        memory.keep(NodeAddress("c", "later", "1"), {"done": 7})
        memory.keep(NodeAddress("c", "r", "1"), {"done": 2})
        assert memory.of("c") == [
            {"run": "r", "node": "2", "done": 5},
            {"run": "later", "node": "1", "done": 7},
            {"run": "r", "node": "1", "done": 2, "sheet": "old"},
        ]

    def test_the_oldest_entry_is_dropped(self) -> None:
        memory = NodeStateStore()
        for number in range(100):
            memory.keep(NodeAddress("c", "r", str(number)), {})
            memory.keep(NodeAddress("c", "r", "0"), {})
        assert [run["node"] for run in memory.of("c")] == [*map(str, range(37, 100)), "0"]


class TestStops:
    def test_only_a_running_node_can_be_stopped(self) -> None:
        stops, place = StopRequests(), NodeAddress("c", "r", "1")
        assert not stops.request(place)
        with stops.accepting(place) as enough, stops.accepting(place._replace(run="other")) as other:
            assert not enough()
            assert not stops.request(place._replace(client="another page"))
            assert stops.request(place)
            assert enough() and not other()
        assert not stops.request(place)

    def test_a_node_without_a_page_cannot_be_stopped(self) -> None:
        with StopRequests().accepting(None) as enough:
            assert not enough()


@pytest.mark.parametrize(
    "extra", [None, "", {}, {"workflow": None}, {"workflow": "text"}, {"workflow": {}}, {"workflow": {"id": [1]}}]
)
def test_a_graph_without_a_workflow_id(extra: Any) -> None:
    assert workflow_of(hidden(extra)) is None


def test_a_node_of_a_workflow() -> None:
    assert workflow_of(hidden({"workflow": {"id": WORKFLOW}})) == WORKFLOW


def test_without_a_server_there_is_no_sender() -> None:
    with CurrentNodeContext("run", "3"):
        assert address_of(hidden({"workflow": {"id": WORKFLOW}})) is None
        assert progress_sender(hidden({"workflow": {"id": WORKFLOW}})) is None


def request(server: Server, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Status and answer."""
    status, text = server.ask(path, body)
    return status, json.loads(text)


class TestProgress:
    def get(self, server: Server, query: str) -> tuple[int, Any]:
        return request(server, f"/sage/progress{query}")

    def test_the_last_run_is_returned(self, server: Server) -> None:
        heard: list[dict[str, Any]] = []

        def hear(kind: str, data: dict[str, Any]) -> None:
            if kind == "sage.progress":
                heard.append(data)

        server.queue(sage_graph(seed=7), hear, workflow={"id": WORKFLOW}, client="me")
        assert {news["node"] for news in heard} == {"5"} and len({news["run"] for news in heard}) == 1
        assert (heard[0]["running"], heard[-1]["running"]) == (True, False)
        status, (run,) = self.get(server, "?client=me")
        assert (status, run["run"]) == (200, heard[0]["run"])
        assert (run["running"], run["done"] == run["total"]) == (False, True)
        assert run["sheet"]["picture"].startswith("data:image/jpeg;base64,")
        assert [cluster["texts"] for cluster in run["sheet"]["clusters"]][0] == ["1. a red car in the snow"]

    def test_saved_files_go_to_the_sampler_that_they_are_of(self, server: Server) -> None:
        """Also where the sampler does not run again."""
        for prefix in ("one", "two"):
            graph = sage_graph(seed=11)
            inputs = {"images": ["6", 0], "groups": ["2", 0], "filename_prefix": prefix}
            graph["7"] = {"class_type": "SageSaveImages", "inputs": inputs}
            files = server.files(server.queue(graph, workflow={"id": WORKFLOW}, client="saver")["7"])
            _, runs = self.get(server, "?client=saver")
            assert runs[-1]["node"] == "5" and ("total" in runs[-1]) == (prefix == "one")
            shown = [name for picture in runs[-1]["finished"]["pictures"] for name in picture["files"]]
            assert shown == [path.name for path in files] and runs[-1]["finished"]["aspect"] == 2

    @pytest.mark.skipif(not SHOWN_AGAIN, reason="this ComfyUI says nothing of a node that it does not run again")
    def test_a_page_that_has_not_seen_the_run_is_told_its_address(self, server: Server) -> None:
        told: list[dict[str, Any]] = []

        def hear(kind: str, data: dict[str, Any]) -> None:
            if kind == "executed" and data["node"] == "5":
                told.append(data["output"]["sage_run"][0])

        for client in ("first page", "second page"):
            server.queue(sage_graph(seed=12), hear, workflow={"id": WORKFLOW}, client=client)
        assert told[0] == told[1] and (told[1]["client"], told[1]["node"]) == ("first page", "5")
        _, (run,) = self.get(server, "?client=first%20page")
        assert run["run"] == told[1]["run"] and run["sheet"]
        assert self.get(server, "?client=second%20page") == (200, [])

    def test_branch_and_save_has_its_own_files(self, server: Server) -> None:
        graph = split_graph()
        inputs = {"model": ["1", 0], "prefix": ["5", 0], "vae": ["1", 2], "filename_prefix": "branch"}
        graph = {key: graph[key] for key in ("1", "2", "3", "4", "5")}
        graph["21"] = {"class_type": "SageBranchSave", "inputs": inputs}
        files = server.files(server.queue(graph, workflow={"id": WORKFLOW}, client="branch")["21"])
        run = next(run for run in self.get(server, "?client=branch")[1] if run["node"] == "21")
        shown = {picture["prompt"]: picture["files"] for picture in run["finished"]["pictures"]}
        assert [name for names in shown.values() for name in names] == [path.name for path in files]
        assert list(shown)[2] == "a small boat on the sea" and len(files) == 6

    @pytest.mark.parametrize("query", ["?client=another", f"?client={WORKFLOW}"])
    def test_another_client(self, server: Server, query: str) -> None:
        assert self.get(server, query) == (200, [])

    @pytest.mark.parametrize("query", ["", f"?workflow={WORKFLOW}"])
    def test_no_client(self, server: Server, query: str) -> None:
        assert self.get(server, query) == (400, {"error": "client: expected the id of a client."})


class TestStop:
    def training(self) -> Graph:
        """The demo pictures, for longer than anybody waits; and its report."""
        dataset = {"images": ["2", 0], "vae": ["1", 2], "clip": ["1", 1], "texts": ["2", 1]}
        settings = {"steps": 100_000, "learning_rate": 1e-3, "rank": 4, "seed": 1, "run_name": "stopped",
                    "sample_every": 50_000, "sample_steps": 1, "batch_size": 1}  # fmt: skip
        wires = {"model": ["1", 0], "latents": ["4", 0], "positive": ["4", 1], "negative": ["3", 0], "vae": ["1", 2]}
        return {
            "1": {"class_type": "SageDemoModel", "inputs": {}},
            "2": {"class_type": "SageDemoImages", "inputs": {}},
            "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
            "4": {"class_type": "MakeTrainingDataset", "inputs": dataset},
            "5": {"class_type": "SageTrainLora", "inputs": {**wires, **settings}},
            "6": {"class_type": "PreviewAny", "inputs": {"source": ["5", 5]}},
            "7": {"class_type": "PreviewAny", "inputs": {"source": ["5", 2]}},
        }

    def test_a_training_ends_and_its_lora_goes_on(self, server: Server) -> None:
        answers: list[int] = []

        def hear(kind: str, data: dict[str, Any]) -> None:
            if kind == "sage.progress" and data["done"] > 0 and not answers:
                for client in ("another", "trainer"):
                    place = {"client": client, "run": data["run"], "node": data["node"]}
                    answers.append(request(server, "/sage/stop", json.dumps(place).encode())[0])

        shown = server.queue(self.training(), hear, workflow={"id": "training"}, client="trainer")
        steps = int(shown["7"]["text"][0])
        assert answers == [404, 200]
        assert 0 < steps < 100_000
        assert f"you ended it after step {steps} of 100000" in shown["6"]["text"][0]
        _, (run,) = request(server, "/sage/progress?client=trainer")
        assert (run["running"], run["stopped"], run["done"]) == (False, True, steps)
        assert run["samples"].startswith("data:image/jpeg;base64,"), "the last step has samples"
        assert [line["name"] for line in run["lines"]][0] == "loss"
        assert (server.images / "sage_training" / "stopped.safetensors").is_file()

        graph = self.training()
        graph["5"]["inputs"]["steps"] = steps
        assert (
            f"continued from step {steps}"
            in server.queue(graph, workflow={"id": "training"}, client="again")["6"]["text"][0]
        )
        _, (again,) = request(server, "/sage/progress?client=again")
        assert (again["running"], again["stopped"], again["done"]) == (False, False, steps)
        assert (again["samples"], again["lines"]) == (run["samples"], run["lines"])

    @pytest.mark.parametrize(
        "body, status, message",
        [
            (b'{"client": "c", "run": "r", "node": "1"}', 404, "Nothing runs there"),
            (b'{"client": "c", "run": "r", "node": 1}', 400, "node: got a value of the wrong type (int)"),
            (b'{"client": "c"}', 400, "body: expected a JSON object with client, run, node"),
            (b"[" * 100_000, 400, "body: expected JSON"),
            (b" " * (2**20 + 1), 413, "expected at most 1048576 bytes"),
        ],
    )
    def test_what_is_refused(self, server: Server, body: bytes, status: int, message: str) -> None:
        code, answer = request(server, "/sage/stop", body)
        assert (code, answer["error"].startswith(message)) == (status, True)
