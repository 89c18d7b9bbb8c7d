"""POST /sage/regroup: the groups of an earlier run under other settings, for the panel of Semantic Group Prompts."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..sage_core.regrouping import MEMORY
from .requests import Fields, Refused, read_fields

_FIELDS: Fields = {
    "key": str, "threshold_mode": str, "threshold": (int, float), "max_group_size": int, "pinned": str,
}  # fmt: skip


async def regroup(request: web.Request) -> web.Response:
    try:
        settings = await read_fields(request, _FIELDS)
        measured = MEMORY.recall(settings.pop("key"))
        if measured is None:
            raise Refused(404, "key: these prompts are no longer remembered. Run the workflow once more.")
        return web.json_response(await asyncio.to_thread(measured.regrouped, **settings))
    except ValueError as error:
        return Refused(400, str(error)).answer
    except Refused as refused:
        return refused.answer
