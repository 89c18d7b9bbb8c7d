"""Words that users look for nodes by."""

from __future__ import annotations

import pytest
from comfy_api.latest import io
from comfyui_sage.nodes import NODES

pytestmark = pytest.mark.skipif(
    "search_aliases" not in io.Schema.__dataclass_fields__, reason="this ComfyUI has no aliases"
)


@pytest.mark.parametrize("words, node_id", [
    ("prompt list", "SagePromptList"), ("wildcard", "SagePromptList"), ("multiple prompts", "SagePromptList"),
    ("batch prompts", "SagePromptList"), ("prompt list", "SageSemanticGroupPrompts"),
    ("similar prompts", "SageSemanticGroupPrompts"), ("sage", "SageSemanticGroupPrompts"),
    ("multiple prompts", "SageKSampler"), ("sage", "SageShare"), ("similar prompts", "SageShare"),
    ("xy plot", "SageComparisonGrid"),
])  # fmt: skip
def test_found_by_other_words(words: str, node_id: str) -> None:
    schema = next(schema for node in NODES if (schema := node.define_schema()).node_id == node_id)
    assert words in schema.search_aliases
