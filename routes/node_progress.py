"""Progress of running nodes.

The server's message sage.progress, GET /sage/progress for a page that was opened later, and POST /sage/stop, which
ends a training early as if its steps were done.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any, NamedTuple

from aiohttp import web
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context

from ..sage_core.panels.throttle import SendUpdate
from .json_body import Fields, Refused, asked_client, read_fields, server

# The hidden inputs that a node needs for `progress_sender`.
PROGRESS_HIDDEN = [io.Hidden.unique_id, io.Hidden.extra_pnginfo]
# For the schema of a node that gives `run_shown`: ComfyUI then sends it also for a node that does not run again because
# nothing has changed. ComfyUI 0.3.75 cannot do that.
SHOWN_AGAIN = {"has_intermediate_output": True} if "has_intermediate_output" in io.Schema.__dataclass_fields__ else {}
_EVENT = "sage.progress"
_MOST_NODES = 64
_ADDRESS: Fields = {"client": str, "run": str, "node": str}


class NodeAddress(NamedTuple):
    """A node in a run of a client. Copies of a workflow all have its id, so that says too little.

    Attributes:
        client: id of the page that has queued the run; it knows no other page's.
        run: ComfyUI's prompt_id.
        node: id of the node, after those of the subgraphs around it.
    """

    client: str
    run: str
    node: str


class NodeStateStore:
    """The last state of the nodes that ran last, by address; runs and pages use it from different threads."""

    def __init__(self) -> None:
        self._states: OrderedDict[NodeAddress, dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def keep(self, address: NodeAddress, update: dict[str, Any]) -> None:
        """Merge an update into a node's state, and forget the nodes that ran longest ago."""
        with self._lock:
            self._states[address] = {**self._states.get(address, {}), **update}
            self._states.move_to_end(address)
            while len(self._states) > _MOST_NODES:
                self._states.popitem(last=False)

    def of(self, client: str) -> list[dict[str, Any]]:
        """The states of the nodes that a client ran, each as one message; the latest is last."""
        return [message(address, state) for address, state in self.all() if address.client == client]

    def all(self) -> list[tuple[NodeAddress, dict[str, Any]]]:
        """The states of all nodes with their addresses; the latest is last."""
        with self._lock:
            return list(self._states.items())


class StopRequests:
    """Which running nodes can be asked to end early, and which have been asked."""

    def __init__(self) -> None:
        self._events: dict[NodeAddress, Event] = {}

    @contextmanager
    def accepting(self, address: NodeAddress | None) -> Iterator[Callable[[], bool]]:
        """Context in which a stop request is accepted; yields a callable that says whether one came."""
        event = Event()
        if address is not None:
            self._events[address] = event
        try:
            yield event.is_set
        finally:
            if address is not None:
                del self._events[address]

    def request(self, address: NodeAddress) -> bool:
        """Ask a node to end early. Returns whether it runs and accepts that."""
        event = self._events.get(address)
        if event is not None:
            event.set()
        return event is not None


PROGRESS, STOP_REQUESTS = NodeStateStore(), StopRequests()


def message(address: NodeAddress, state: dict[str, Any]) -> dict[str, Any]:
    """A node's state, or an update of it, with the ids by which the client finds the node."""
    return {"run": address.run, "node": address.node, **state}


def workflow_of(hidden: Any) -> str | None:
    """The id of the workflow that a page has queued; None for one in the API format, which no page shows."""
    extra = getattr(hidden, "extra_pnginfo", None)
    workflow = extra.get("workflow") if isinstance(extra, dict) else None
    found = workflow.get("id") if isinstance(workflow, dict) else None
    return found if isinstance(found, str) else None


def address_of(hidden: Any, node: str | None = None) -> NodeAddress | None:
    """The address of the node that runs, or of another one in its run; None if no page shows it."""
    client, run = getattr(server(), "client_id", None), get_executing_context()
    if client is None or run is None or workflow_of(hidden) is None:
        return None
    return NodeAddress(client, run.prompt_id, str(hidden.unique_id) if node is None else node)


def progress_sender(hidden: Any, node: str | None = None) -> SendUpdate | None:
    """What sends updates of a node to the page that has queued it; None where there is no such page.

    Args:
        hidden: of the node that runs.
        node: the id of another one whose panel shows them; None for the one that runs.
    """
    running, address = server(), address_of(hidden, node)
    if running is None or address is None:
        return None

    def send(update: dict[str, Any]) -> None:
        PROGRESS.keep(address, update)
        running.send_sync(_EVENT, message(address, update), address.client)

    return send


def run_shown(hidden: Any) -> dict[str, Any]:
    """The address of a node's run, as output for the page, which may not have seen the run; empty without a page."""
    address = address_of(hidden)
    return {} if address is None else {"sage_run": [address._asdict()]}


async def progress(request: web.Request) -> web.Response:
    """Answer GET /sage/progress: the states of the nodes that a client ran."""
    try:
        return web.json_response(PROGRESS.of(asked_client(request)))
    except Refused as refused:
        return refused.answer


async def stop(request: web.Request) -> web.Response:
    """Answer POST /sage/stop: end a training early."""
    try:
        asked = await read_fields(request, _ADDRESS)
        if not STOP_REQUESTS.request(NodeAddress(**asked)):
            raise Refused(404, "Nothing runs there that could be ended early.")
        return web.json_response({})
    except Refused as refused:
        return refused.answer
