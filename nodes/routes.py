"""The pack's own routes."""

from __future__ import annotations

from .regroup import groups, regroup
from .requests import server
from .running import progress, stop


def add_routes() -> None:
    """Registers them where there is a server."""
    if (running := server()) is not None:
        running.routes.post("/sage/regroup")(regroup)
        running.routes.get("/sage/groups")(groups)
        running.routes.get("/sage/progress")(progress)
        running.routes.post("/sage/stop")(stop)
