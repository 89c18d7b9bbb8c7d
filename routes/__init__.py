"""The pack's own routes on ComfyUI's server."""

from __future__ import annotations

from .group_preview import groups, regroup
from .json_body import server
from .node_progress import progress, stop


def add_routes() -> None:
    """Registers them where there is a server."""
    if (running := server()) is not None:
        running.routes.post("/sage/regroup")(regroup)
        running.routes.get("/sage/groups")(groups)
        running.routes.get("/sage/progress")(progress)
        running.routes.post("/sage/stop")(stop)
