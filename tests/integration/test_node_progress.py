"""What the server tells of running nodes: messages to the page that queued them, and the route for later."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from comfyui_sage.routes.node_progress import NodeStateStore, StopRequests, address_of, progress_sender
from comfyui_server import Graph, Server
from graphs import sage_graph

WORKFLOW = "5a1f0d8e-0000-4c64-9d0b-3c7a1e5b2f02"


def hidden(extra: Any, node: str = "3") -> Any:
    return SimpleNamespace(extra_pnginfo=extra, unique_id=node)


class TestMemory:
    def test_news_are_added_to_what_is_known(self) -> None:
        memory = NodeStateStore()
        memory.keep(("w", "1"), {"done": 1, "sheet": "old"})
        memory.keep(("w", "2"), {"done": 5})
        memory.keep(("other", "1"), {"done": 9})
        memory.keep(("w", "1"), {"done": 2})
        told = {run["node"]: run for run in memory.of("w")}
        assert told == {
            "1": {"workflow": "w", "node": "1", "done": 2, "sheet": "old"},
            "2": {"workflow": "w", "node": "2", "done": 5},
        }

    def test_the_oldest_is_forgotten(self) -> None:
        memory = NodeStateStore()
        for number in range(100):
            memory.keep(("w", str(number)), {})
            memory.keep(("w", "0"), {})
        assert [run["node"] for run in memory.of("w")] == [*map(str, range(37, 100)), "0"]


class TestStops:
    def test_only_who_runs_can_be_asked(self) -> None:
        stops, place = StopRequests(), ("w", "1")
        assert not stops.request(place)
        with stops.accepting(place) as enough, stops.accepting(("w", "2")) as other:
            assert not enough()
            assert stops.request(place)
            assert enough() and not other()
        assert not stops.request(place)

    def test_nobody_can_ask_a_node_without_a_page(self) -> None:
        with StopRequests().accepting(None) as enough:
            assert not enough()


@pytest.mark.parametrize(
    "extra", [None, "", {}, {"workflow": None}, {"workflow": "text"}, {"workflow": {}}, {"workflow": {"id": [1]}}]
)
def test_a_graph_that_is_no_pages(extra: Any) -> None:
    assert address_of(hidden(extra)) is None


def test_a_node_of_a_page() -> None:
    assert address_of(hidden({"workflow": {"id": WORKFLOW}}, "4:7")) == (WORKFLOW, "4:7")


def test_without_a_server_nobody_is_told() -> None:
    assert progress_sender(hidden({"workflow": {"id": WORKFLOW}})) is None


def request(server: Server, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Status and answer."""
    status, text = server.ask(path, body)
    return status, json.loads(text)


class TestProgress:
    def get(self, server: Server, query: str) -> tuple[int, Any]:
        return request(server, f"/sage/progress{query}")

    def test_a_run_is_remembered(self, server: Server) -> None:
        heard: list[dict[str, Any]] = []

        def hear(kind: str, data: dict[str, Any]) -> None:
            if kind == "sage.progress":
                heard.append(data)

        server.queue(sage_graph(seed=7), hear, workflow={"id": WORKFLOW})
        assert {(news["workflow"], news["node"]) for news in heard} == {(WORKFLOW, "5")}
        assert (heard[0]["running"], heard[-1]["running"]) == (True, False)
        status, (run,) = self.get(server, f"?workflow={WORKFLOW}")
        assert status == 200
        assert (run["running"], run["done"] == run["total"]) == (False, True)
        assert run["sheet"]["picture"].startswith("data:image/jpeg;base64,")
        assert [cluster["texts"] for cluster in run["sheet"]["clusters"]][0] == ["1. a red car in the snow"]

    def test_another_workflow(self, server: Server) -> None:
        assert self.get(server, "?workflow=unheard") == (200, [])

    def test_no_workflow(self, server: Server) -> None:
        assert self.get(server, "") == (400, {"error": "workflow: expected the id of a workflow."})


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
        place = {"workflow": "training", "node": "5"}
        answers: list[tuple[int, Any]] = []

        def hear(kind: str, data: dict[str, Any]) -> None:
            if kind == "sage.progress" and data["done"] > 0 and not answers:
                answers.append(request(server, "/sage/stop", json.dumps(place).encode()))

        shown = server.queue(self.training(), hear, workflow={"id": "training"})
        steps = int(shown["7"]["text"][0])
        assert answers == [(200, {})]
        assert 0 < steps < 100_000
        assert f"you ended it after step {steps} of 100000" in shown["6"]["text"][0]
        _, (run,) = request(server, "/sage/progress?workflow=training")
        assert (run["running"], run["stopped"], run["done"]) == (False, True, steps)
        assert run["samples"].startswith("data:image/jpeg;base64,"), "the last step has samples"
        assert [line["name"] for line in run["lines"]][0] == "loss"
        assert (server.images / "sage_training" / "stopped.safetensors").is_file()

        graph = self.training()
        graph["5"]["inputs"]["steps"] = steps
        assert f"continued from step {steps}" in server.queue(graph, workflow={"id": "training"})["6"]["text"][0]
        _, (again,) = request(server, "/sage/progress?workflow=training")
        assert (again["running"], again["stopped"], again["done"]) == (False, False, steps)
        assert (again["samples"], again["lines"]) == (run["samples"], run["lines"])

    @pytest.mark.parametrize(
        "body, status, message",
        [
            (b'{"workflow": "w", "node": "1"}', 404, "node: nothing runs there"),
            (b'{"workflow": "w", "node": 1}', 400, "node: got a value of the wrong type (int)"),
            (b'{"workflow": "w"}', 400, "body: expected a JSON object with workflow, node"),
            (b"[" * 100_000, 400, "body: expected JSON"),
            (b" " * (2**20 + 1), 413, "expected at most 1048576 bytes"),
        ],
    )
    def test_what_is_refused(self, server: Server, body: bytes, status: int, message: str) -> None:
        code, answer = request(server, "/sage/stop", body)
        assert (code, answer["error"].startswith(message)) == (status, True)
