"""The sampling panel while workers render."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_sage.sage_core.panels.workers import WorkersMonitor

FILES = {"finished": {"pictures": ["some"]}}


@pytest.fixture
def sent() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def monitor(sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> WorkersMonitor:
    """One whose updates are all due."""
    monkeypatch.setattr("comfyui_sage.sage_core.panels.throttle.Throttle.due", lambda throttle: True)
    monkeypatch.setattr("comfyui_sage.sage_core.panels.throttle.Throttle.sent", lambda throttle: None)
    return WorkersMonitor(sent.append, 4, lambda: FILES)


def test_a_run_from_its_start_to_its_end(monitor: WorkersMonitor, sent: list[dict[str, Any]]) -> None:
    """Before the first picture there is nothing to look for on the disk."""
    for event in (
        {"event": "ready", "worker": "worker 1: here"}, {"event": "start", "done": 0},
        {"event": "saved", "done": 1, "worker": "worker 1: here"}, {"event": "ready", "worker": "worker 2: there"},
        {"event": "saved", "done": 2, "worker": "worker 2: there"},
    ):  # fmt: skip
        monitor.tell(event)
    monitor.end(stopped=False)
    first, *told, last = sent
    assert first["running"] and first["finished"] is None and (first["done"], first["total"]) == (0, 4)
    assert [each["done"] for each in told] == [0, 0, 1, 1, 2]
    assert ["finished" in each for each in told] == [False, False, True, True, True]
    one, two = {"worker": "worker 1: here", "done": 1}, {"worker": "worker 2: there", "done": 1}
    assert [each["workers"] for each in told[:2]] == [[{**one, "done": 0}]] * 2
    assert last["workers"] == [one, two] and not last["running"] and not last["stopped"]


def test_a_run_that_goes_on(monitor: WorkersMonitor, sent: list[dict[str, Any]]) -> None:
    """What was done before is no worker's, and says nothing of the speed."""
    monitor.tell({"event": "ready", "worker": "worker 1: here"})
    monitor.tell({"event": "start", "done": 3})
    assert sent[-1]["done"] == 3 and sent[-1]["left"] is None and sent[-1]["finished"] == FILES["finished"]
    monitor.tell({"event": "saved", "done": 4, "worker": "worker 1: here"})
    assert sent[-1]["workers"] == [{"worker": "worker 1: here", "done": 1}] and sent[-1]["left"] == 0
    monitor.end(stopped=True)
    assert sent[-1]["stopped"]
