"""POST /sage/regroup: the groups of an earlier run under other settings, for the panel of Semantic Group Prompts."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

from ..sage_core.regrouping import MEMORY

_LARGEST_BODY = 2**20
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "key": str, "threshold_mode": str, "threshold": (int, float), "max_group_size": int, "pinned": str,
}  # fmt: skip


def add_route() -> None:
    """Registers the route where there is a server.

    The pack is also loaded without one, and then the host's module is better not imported: it wants to be the first.
    """
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is not None:
        server.routes.post("/sage/regroup")(regroup)


async def regroup(request: web.Request) -> web.Response:
    body = await _read(request)
    if body is None:
        return _error(413, f"expected at most {_LARGEST_BODY} bytes.")
    try:
        settings = _settings(body)
        measured = MEMORY.recall(settings.pop("key"))
        if measured is None:
            return _error(404, "key: these prompts are no longer remembered. Run the workflow once more.")
        return web.json_response(await asyncio.to_thread(measured.regrouped, **settings))
    except ValueError as error:
        return _error(400, str(error))


async def _read(request: web.Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    body = b""
    async for part in request.content.iter_any():
        body += part
        if len(body) > _LARGEST_BODY:
            return None
    return body


def _settings(body: bytes) -> dict[str, Any]:
    """
    Raises:
        ValueError: the body is no JSON object of these fields and types.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("body: expected JSON.") from None
    if not isinstance(found, dict) or found.keys() != _FIELDS.keys():
        raise ValueError(f"body: expected a JSON object with {', '.join(_FIELDS)}.")
    for name, kind in _FIELDS.items():
        if not isinstance(found[name], kind) or isinstance(found[name], bool):
            raise ValueError(f"{name}: got a value of the wrong type ({type(found[name]).__name__}).")
    return found


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
