"""SAGE for ComfyUI: prompts that mean nearly the same share their first denoising steps."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .nodes import NODES
from .routes import add_routes

WEB_DIRECTORY = "./web"
__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


class SageExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> SageExtension:
    add_routes()
    return SageExtension()
