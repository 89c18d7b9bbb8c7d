"""The pack's own socket types."""

from __future__ import annotations

from comfy_api.latest import io

Groups = io.Custom("SAGE_GROUPS")
Prefix = io.Custom("SAGE_PREFIX")
CATEGORY = "SAGE"
