"""The wires that are ours."""

from comfy_api.latest import io

Groups = io.Custom("SAGE_GROUPS")
Prefix = io.Custom("SAGE_PREFIX")
CATEGORY = "SAGE"
