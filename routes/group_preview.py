"""What the groups panel asks for.

POST /sage/regroup groups the prompts of an earlier run under other settings; GET /sage/groups gives the last runs of a
workflow's nodes, for when its page is loaded again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from ..sage_core.panels.groups import GROUPING_CACHE, cached_payload
from .json_body import Fields, Refused, asked_client, read_fields
from .node_progress import NodeStateStore, address_of, message, workflow_of

_FIELDS: Fields = {
    "key": str, "threshold_mode": str, "threshold": (int, float), "max_group_size": int, "pinned": str,
}  # fmt: skip
# The last run of each node: the key of its groups, and the settings that it ran with.
LAST_GROUPINGS = NodeStateStore()


def keep_grouping(hidden: Any, run: dict[str, Any], made_of: dict[str, Any]) -> None:
    """Keep what a node has sent to its panel.

    Args:
        made_of: the node's inputs that decide which prompts these are. The same workflow may be open twice; a node with
            other inputs there has not run like this.
    """
    address = address_of(hidden)
    if address is not None:
        shown = {"key": run.get("key", ""), "settings": run.get("settings")}
        LAST_GROUPINGS.keep(address, {"workflow": workflow_of(hidden), "made_of": made_of, **shown})


async def groups(request: web.Request) -> web.Response:
    """Answer GET /sage/groups: the last groupings of a workflow's nodes."""
    try:
        client, workflow = asked_client(request), request.query.get("workflow", "")
        return web.json_response(await asyncio.to_thread(last_groupings, client, workflow))
    except Refused as refused:
        return refused.answer


def last_groupings(client: str, workflow: str) -> list[dict[str, Any]]:
    """What the panels of a workflow showed last, as far as it is still in the cache; the latest is last.

    Of several runs of a node with the same prompts, only the latest. Each says whether it is the client's `own`. Those
    of others count too: a node that ComfyUI has in its cache does not run for this client.
    """
    latest: dict[tuple[bool, str, str], dict[str, Any]] = {}
    for address, run in reversed(LAST_GROUPINGS.all()):
        if run["workflow"] != workflow:
            continue
        own = address.client == client
        shown = own, address.node, json.dumps(run["made_of"], sort_keys=True)
        if shown not in latest and (payload := cached_payload(run["key"], run["settings"])) is not None:
            latest[shown] = {**message(address, run), "own": own, **payload}
    return list(reversed(latest.values()))


async def regroup(request: web.Request) -> web.Response:
    """Answer POST /sage/regroup: the groups under other settings."""
    try:
        settings = await read_fields(request, _FIELDS)
        embedded = GROUPING_CACHE.recall(settings.pop("key"))
        if embedded is None:
            raise Refused(404, "These prompts are no longer remembered. Run the workflow once more.")
        return web.json_response(await asyncio.to_thread(embedded.preview, **settings))
    except ValueError as error:
        return Refused(400, str(error)).answer
    except Refused as refused:
        return refused.answer
