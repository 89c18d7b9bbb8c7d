"""Progress of running nodes.

The server's message sage.progress, GET /sage/progress for a page that was opened later, and POST /sage/stop, which
ends a training early as if its steps were done.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any

from aiohttp import web
from comfy_api.latest import io

from ..sage_core.panels.throttle import SendUpdate
from .json_body import Fields, Refused, asked_workflow, read_fields, server

# What a node has to know for `progress_sender`.
PROGRESS_HIDDEN = [io.Hidden.unique_id, io.Hidden.extra_pnginfo]
_EVENT = "sage.progress"
_MOST_NODES = 64
_PLACE: Fields = {"workflow": str, "node": str}

# Ids of a workflow and of a node in it.
NodeAddress = tuple[str, str]


class NodeStateStore:
    """What was told of the nodes that ran last; runs and pages use it from different threads."""

    def __init__(self) -> None:
        self._told: OrderedDict[NodeAddress, dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def keep(self, place: NodeAddress, news: dict[str, Any]) -> None:
        with self._lock:
            self._told[place] = {**self._told.get(place, {}), **news}
            self._told.move_to_end(place)
            while len(self._told) > _MOST_NODES:
                self._told.popitem(last=False)

    def of(self, workflow: str) -> list[dict[str, Any]]:
        """The nodes of a workflow, as messages that tell all."""
        with self._lock:
            return [message(place, told) for place, told in self._told.items() if place[0] == workflow]


class StopRequests:
    """Nodes that run now and can be asked to leave it at that."""

    def __init__(self) -> None:
        self._asked: dict[NodeAddress, Event] = {}

    @contextmanager
    def accepting(self, place: NodeAddress | None) -> Iterator[Callable[[], bool]]:
        """While it lasts the node can be asked; gives what tells the node whether it was."""
        event = Event()
        if place is not None:
            self._asked[place] = event
        try:
            yield event.is_set
        finally:
            if place is not None:
                del self._asked[place]

    def request(self, place: NodeAddress) -> bool:
        """Whether there is such a node."""
        event = self._asked.get(place)
        if event is not None:
            event.set()
        return event is not None


PROGRESS, STOP_REQUESTS = NodeStateStore(), StopRequests()


def message(place: NodeAddress, told: dict[str, Any]) -> dict[str, Any]:
    return {"workflow": place[0], "node": place[1], **told}


def address_of(hidden: Any) -> NodeAddress | None:
    """Where a node is; None where no page has it: a workflow in the API format, or no server at all."""
    extra = getattr(hidden, "extra_pnginfo", None)
    workflow = extra.get("workflow") if isinstance(extra, dict) else None
    found = workflow.get("id") if isinstance(workflow, dict) else None
    return (found, str(hidden.unique_id)) if isinstance(found, str) else None


def progress_sender(hidden: Any) -> SendUpdate | None:
    """Tells the page that has queued a node of its run. None where nobody listens."""
    host, place = server(), address_of(hidden)
    if host is None or place is None:
        return None

    def tell(news: dict[str, Any]) -> None:
        PROGRESS.keep(place, news)
        if host.client_id is not None:
            host.send_sync(_EVENT, message(place, news), host.client_id)

    return tell


async def progress(request: web.Request) -> web.Response:
    """All that is remembered of a workflow's nodes."""
    try:
        return web.json_response(PROGRESS.of(asked_workflow(request)))
    except Refused as refused:
        return refused.answer


async def stop(request: web.Request) -> web.Response:
    try:
        asked = await read_fields(request, _PLACE)
        if not STOP_REQUESTS.request((asked["workflow"], asked["node"])):
            raise Refused(404, "node: nothing runs there that could be ended early.")
        return web.json_response({})
    except Refused as refused:
        return refused.answer
