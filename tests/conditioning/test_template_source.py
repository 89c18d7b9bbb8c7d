"""What the graph tells of a template's text."""

from __future__ import annotations

from typing import Any

import pytest
from comfy_extras.nodes_qwen import TextEncodeQwenImageEdit, TextEncodeQwenImageEditPlus
from comfyui_sage.nodes.graph import output_type
from comfyui_sage.sage_core.conditioning.template_source import check_template_source

import nodes as comfy_nodes


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


BASE = {
    "clip": node("CLIPLoader"),
    "vae": node("VAELoader"),
    "picture": node("LoadImage"),
    "vision": node("CLIPVisionEncode", image=["picture", 0]),
    "text": node("CLIPTextEncode", clip=["clip", 0], text=""),
    "style": node(
        "StyleModelApply", conditioning=["text", 0], style_model=["loader", 0], clip_vision_output=["vision", 0]
    ),
    "edit": node("TextEncodeQwenImageEdit", clip=["clip", 0], vae=["vae", 0], prompt="", image=["picture", 0]),
}


@pytest.fixture(autouse=True)
def qwen_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server knows them."""
    for each in (TextEncodeQwenImageEdit, TextEncodeQwenImageEditPlus):
        monkeypatch.setitem(comfy_nodes.NODE_CLASS_MAPPINGS, each.define_schema().node_id, each)


def check(template: list[Any], **more: dict[str, Any]) -> None:
    graph = {**BASE, **more, "groups": node("SageSemanticGroupPrompts", clip=["clip", 0], template=template)}
    check_template_source(graph, "groups", output_type)


def test_style_tokens() -> None:
    guided = node("ConditioningSetTimestepRange", conditioning=["style", 0])
    with pytest.raises(ValueError, match="template: .* style tokens, from StyleModelApply .node style.*Share Sampling"):
        check(["guided", 0], guided=guided)


def test_the_title_that_the_user_gave_the_node() -> None:
    titled = {**BASE["style"], "_meta": {"title": "My style"}}
    with pytest.raises(ValueError, match="from My style .node style."):
        check(["style", 0], style=titled)


@pytest.mark.parametrize("kind, pictures", [
    ("TextEncodeQwenImageEdit", ["image"]), ("TextEncodeQwenImageEditPlus", ["image1"]),
    ("TextEncodeQwenImageEditPlus", ["image3"]),
])  # fmt: skip
def test_pictures_in_the_text(kind: str, pictures: list[str]) -> None:
    links = {name: ["picture", 0] for name in pictures}
    with pytest.raises(ValueError, match=f"template: .* pictures, from {kind} .node edit.*Share Sampling"):
        check(["edit", 0], edit=node(kind, clip=["clip", 0], prompt="", **links))


def test_one_of_several_entries() -> None:
    both = node("ConditioningCombine", conditioning_1=["text", 0], conditioning_2=["edit", 0])
    with pytest.raises(ValueError, match="from TextEncodeQwenImageEdit"):
        check(["both", 0], both=both)


@pytest.mark.parametrize("template, more", [
    (["text", 0], {}),
    (["edit", 0], {"edit": node("TextEncodeQwenImageEdit", clip=["clip", 0], vae=["vae", 0], prompt="")}),
    # A picture made with style tokens or from an edit is a picture.
    (["control", 0], {
        "made": node("VAEDecode", samples=["sampler", 0]), "sampler": node("KSampler", positive=["style", 0]),
        "control": node("ControlNetApply", conditioning=["text", 0], image=["made", 0]),
    }),
    (["control", 0], {
        "control": node("ControlNetApplyAdvanced", positive=["text", 0], negative=["edit", 0], image=["picture", 0]),
    }),
    (["unknown", 0], {"unknown": node("AnUnknownNode", clip=["clip", 0], image=["picture", 0])}),
])  # fmt: skip
def test_what_is_fine(template: list[Any], more: dict[str, Any]) -> None:
    check(template, **more)


def test_without_a_graph_or_a_template() -> None:
    check_template_source(None, None, output_type)
    check_template_source(BASE, "groups", output_type)
    check_template_source({"groups": node("SageSemanticGroupPrompts")}, "groups", output_type)
