"""Finds in a graph what a template's text holds besides words: the text itself does not tell."""

from __future__ import annotations

from ..graph import Graph, OutputType, link_type, links, upstream
from .template import LOST

# ComfyUI's nodes that put something into the text, where it is connected.
INTO_TEXT = {
    "StyleModelApply": "style tokens",
    **dict.fromkeys((
        "TextEncodeQwenImageEdit", "TextEncodeQwenImageEditPlus", "TextEncodeHunyuanVideo_ImageToVideo",
        "TextEncodeBooguEdit", "TextEncodeJoyImageEdit", "TextEncodeMageFlowEdit", "MiniMaxH3ImageToVideo",
        "MiniMaxH3ReferenceToVideo", "PhotoMakerEncode",
    ), "pictures"),
}  # fmt: skip
_SEEN = {"IMAGE", "CLIP_VISION_OUTPUT"}


def check_template_source(graph: Graph | None, node_id: str | None, output_type: OutputType) -> None:
    """Check that a template's text is one of words only, as far as the graph knows.

    Args:
        graph: None where it is not known.
        node_id: the node with the input template; None where it is not known.

    Raises:
        ValueError: names the node that put something else into the text.
    """
    link = links(graph or {}, node_id or "").get("template")
    if graph is None or link is None:
        return

    def is_positive(name: str, link: list) -> bool:
        return name != "negative" and link_type(graph, link, output_type) == "CONDITIONING"

    for node in upstream(graph, str(link[0]), is_positive):
        holds = INTO_TEXT.get(graph[node]["class_type"])
        if holds and any(link_type(graph, each, output_type) in _SEEN for each in links(graph, node).values()):
            name = graph[node].get("_meta", {}).get("title", graph[node]["class_type"])
            raise ValueError(
                f"template: expected a text of words only, got one with {holds}, from {name} (node {node}). {LOST}"
            )
