"""Checked JSON bodies and JSON errors, which all routes share."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from aiohttp import web

LARGEST_BODY = 2**20
Fields = Mapping[str, type | tuple[type, ...]]


def server() -> Any:
    """ComfyUI's server, or None without one.

    The pack is also loaded without a server. Then ComfyUI's module must not be imported here: it has to be the first.
    """
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)


class Refused(Exception):
    """A request that is not answered as it wishes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def answer(self) -> web.Response:
        """The refusal as an HTTP answer."""
        return web.json_response({"error": str(self)}, status=self.status)


def asked_client(request: web.Request) -> str:
    """The id of the page that asks.

    Raises:
        Refused: there is none.
    """
    client = request.query.get("client")
    if not client:
        raise Refused(400, "client: expected the id of a client.")
    return client


async def read_fields(request: web.Request, fields: Fields) -> dict[str, Any]:
    """The body's values.

    Raises:
        Refused: it is too large, or no JSON object of these fields and types.
    """
    body = b""
    async for part in request.content.iter_any():
        body += part
        if len(body) > LARGEST_BODY:
            raise Refused(413, f"expected at most {LARGEST_BODY} bytes.")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "body: expected JSON.") from None
    if not isinstance(found, dict) or found.keys() != fields.keys():
        raise Refused(400, f"body: expected a JSON object with {', '.join(fields)}.")
    for name, kind in fields.items():
        if not isinstance(found[name], kind) or isinstance(found[name], bool):
            raise Refused(400, f"{name}: got a value of the wrong type ({type(found[name]).__name__}).")
    return found
