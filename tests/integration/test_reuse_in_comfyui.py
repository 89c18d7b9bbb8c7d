"""Trying out prompts in a real ComfyUI: a changed word costs a part of a render, until memory is freed."""

from __future__ import annotations

import re
from typing import Any

from comfyui_server import Graph, Server
from graphs import sage_graph
from test_share_sampling import shared_graph

PROMPTS = "a red car in the snow\na blue car in the snow\na small boat on the sea"


def render(server: Server, prompts: str) -> tuple[str, int]:
    """The report of a render with reuse, and its evaluations."""
    graph = sage_graph(correction="on", share_mode="fixed", reuse=True)
    graph["2"]["inputs"] |= {"prompts": prompts, "group_condition": "auto"}
    report = server.queue(graph)["8"]["text"][0]
    return report, int(re.search(r"- evaluations: (\d+) done", report)[1])


def render_below(server: Server, prompts: str) -> dict[str, Any]:
    """What the page knows of a render of ComfyUI's KSampler after Share Sampling with reuse."""
    page: dict[str, Any] = {}

    def hear(kind: str, data: dict[str, Any]) -> None:
        if kind == "sage.progress":
            page.update(data)

    server.queue(shared_graph(prompts, share_mode="fixed", reuse=True), hear, workflow={"id": "reuse"})
    return page


def something_else() -> Graph:
    return {"1": {"class_type": "PreviewAny", "inputs": {"source": "nothing"}}}


def test_a_changed_word(server: Server) -> None:
    _, first = render(server, PROMPTS)
    report, edited = render(server, PROMPTS.replace("blue", "green"))
    assert "- rendered earlier: prompts 1, 3, no evaluations" in report
    assert "- prompt 2: following the earlier render of 'a blue car in the snow'" in report
    assert 0 < edited < first / 4
    server.ask("/free", b'{"unload_models": true, "free_memory": true}')
    server.queue(something_else())  # memory is freed after it, before the next
    report, again = render(server, PROMPTS.replace("blue", "yellow"))
    assert "- earlier renders: none" in report and again == first


def test_a_changed_word_under_comfyui_s_sampler(server: Server) -> None:
    """Share Sampling patches the model anew for every list; the model and what is remembered of it are the same."""
    first = render_below(server, PROMPTS)
    assert first["earlier"] == {"taken": 0, "followed": []}
    edited = render_below(server, PROMPTS.replace("blue", "green"))
    assert edited["earlier"] == {"taken": 2, "followed": [{"text": "a blue car in the snow", "prompts": 1}]}
    assert 0 < edited["done"] < first["done"] / 4
