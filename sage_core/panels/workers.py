"""What the sampling panel shows while workers render: prompts done, each worker's, and the finished pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from .throttle import SendUpdate, Throttle

# What `SamplingMonitor` sends and workers do not tell.
_UNKNOWN = {"saving": None, "at_most": False, "corrected": False, "shared": None, "sheet": None}


class WorkersMonitor:
    """Sends progress updates of the farm's command; they count prompts."""

    def __init__(self, send: SendUpdate, total: int, finished: Callable[[], dict[str, Any]]) -> None:
        """The command begins.

        Args:
            total: prompts.
            finished: gives what `finished_pictures` gives for the files that are there.
        """
        self._send, self._total, self._finished = send, total, finished
        self._done, self._made = 0, Counter[str]()
        self._throttle = Throttle()
        send({**self._numbers(), **_UNKNOWN, "finished": None, "running": True, "stopped": False})

    def tell(self, event: dict[str, Any]) -> None:
        """Take an event of the command."""
        if event["event"] == "ready":
            self._made[event["worker"]] += 0
            self._throttle.force()
        elif event["event"] == "start":
            self._done = event["done"]
            self._throttle.count(self._done)
            self._throttle.force()
        elif event["event"] == "saved":
            self._done = event["done"]
            self._made[event["worker"]] += 1
        if self._throttle.due():
            self._send({**self._numbers(), **(self._finished() if self._done else {})})
            self._throttle.sent()

    def end(self, *, stopped: bool) -> None:
        """The command has ended."""
        self._send({**self._numbers(), **self._finished(), "running": False, "stopped": stopped})

    def _numbers(self) -> dict[str, Any]:
        workers = [{"worker": worker, "done": done} for worker, done in self._made.items()]
        return {**self._throttle.timing(self._done, self._total), "workers": workers}
