"""Reads and checks the workflow that the farm is to render."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ..graph import Graph, is_link, links, upstream
from .graphs import BRANCH, GROUPS, IMAGES, LIST, PREFIX, SAVE_IMAGE, SHARE, JobGraph

_TITLES = {
    GROUPS: "Semantic Group Prompts", LIST: "Prompt List", SHARE: "Share Sampling", PREFIX: "Shared KSampler Prefix",
    BRANCH: "SAGE Branch and Save", IMAGES: "SAGE Save Images", SAVE_IMAGE: "Save Image",
}  # fmt: skip
_SAVERS = (BRANCH, IMAGES, SAVE_IMAGE)
EXPORT = "In ComfyUI, open the workflow, choose Workflow > Export (API) in the menu, and give that file."
_ONE_BY_ONE = "The farm renders a list in parts, and"
# Inputs that the farm gives.
_OF_THE_LIST = ("prompts", "prompt_file", "chosen")
# Inputs that may come from other nodes.
_LINKED = {
    GROUPS: ("clip", "template", *_OF_THE_LIST),
    SHARE: ("model", "positive", "latent_image", "negative", "prompts", "share", "share_mode", "correction",
            "latent_rows"),
}  # fmt: skip


def read_workflow(path: Path) -> dict[str, Any]:
    """What is in a file: a workflow as the page saves it, ComfyUI's API export, or a PNG with one of them.

    Raises:
        ValueError: it is no such file, or an API export that the farm cannot render; says what was expected.
    """
    try:
        text = _text_in(path)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"workflow: {path.name}: expected a file that can be read, got {error}.") from None
    if text is None:
        raise ValueError(f"workflow: {path.name}: expected a PNG with its workflow in it, got one without. {EXPORT}")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"workflow: {path.name}: expected JSON, got an error: {error}. {EXPORT}") from None
    if not is_saved(data):
        checked_graph(data)
    return data


def is_saved(data: Any) -> bool:
    """Whether something is a workflow as the page saves it; only ComfyUI's nodes tell what its values mean."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list)


def checked_graph(data: Any) -> JobGraph:
    """A graph in the API format, checked.

    Raises:
        ValueError: names what was expected and what came.
    """
    if not isinstance(data, dict) or not data or not all(map(_is_node, data.values())):
        raise ValueError(f"workflow: expected an API export, got {json.dumps(data)[:80]}. {EXPORT}")
    save = _saving_node(data)
    above = _above(data, save)
    prefix = list_node = None
    if data[save]["class_type"] == BRANCH:
        prefix = _source(data, save, "prefix", PREFIX)
        groups = _source(data, prefix, "groups", GROUPS)
    else:
        groups, list_node = _grouping_nodes(data, above)
    _check_saving(data, save, groups)
    _check_sampling(data, above)
    for name, value in data[groups]["inputs"].items():
        if is_link(value) and name not in _LINKED[data[groups]["class_type"]]:
            raise ValueError(f"workflow: {name} of node {groups}: expected a value, got a link from another node.")
    return JobGraph(data, groups, save, list_node, prefix)


def _text_in(path: Path) -> str | None:
    if path.suffix.lower() != ".png":
        return path.read_text("utf-8-sig")
    with Image.open(path) as picture:
        return picture.info.get("prompt") or picture.info.get("workflow")


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def _saving_node(graph: Graph) -> str:
    """The node that saves: Branch and Save, or else SAGE Save Images, or else ComfyUI's Save Image."""
    for kind in _SAVERS:
        if found := _of_class(graph, graph, kind):
            break
    if len(found) != 1:
        raise ValueError(f"workflow: expected one node {_titles(*_SAVERS)}, got {len(found)}.")
    return found[0]


def _above(graph: Graph, node: str) -> list[str]:
    """A node and those that it needs, without what makes the list of prompts: that comes from the farm."""
    return list(upstream(graph, node, lambda name, link: name not in _OF_THE_LIST, most=len(graph)))


def _grouping_nodes(graph: Graph, above: Sequence[str]) -> tuple[str, str | None]:
    """The node that groups the prompts, and the Prompt List before it, if it needs one."""
    given = _of_class(graph, above, GROUPS)
    sharing = [key for key in _of_class(graph, above, SHARE) if "groups" not in links(graph, key)]
    lists = _of_class(graph, above, LIST)
    if (len(given), len(sharing), len(lists)) == (1, 0, 0):
        return given[0], None
    if (len(given), len(sharing), len(lists)) == (0, 1, 1):
        inputs = links(graph, sharing[0])
        if lists[0] not in _above(graph, str(inputs.get("positive", [""])[0])):
            raise ValueError(f"workflow: expected Prompt List before the input positive of node {sharing[0]}.")
        if inputs.get("prompts") != [lists[0], 0]:
            raise ValueError(f"workflow: prompts of node {sharing[0]}: expected the prompts of Prompt List.")
        return sharing[0], lists[0]
    raise ValueError(
        "workflow: expected what is saved to come from one node Semantic Group Prompts, or from one Prompt List and "
        "one Share Sampling (another Share Sampling gets its groups), got "
        f"{len(given)}, {len(lists)} and {len(sharing)} of them."
    )


def _source(graph: Graph, node: str, name: str, *kinds: str) -> str:
    """The node that an input comes from; it must be of one of these classes."""
    link = links(graph, node).get(name)
    source = None if link is None else graph.get(str(link[0]))
    if link is None or source is None or source["class_type"] not in kinds:
        got = "nothing" if source is None else source["class_type"]
        where = f"the input {name} of {graph[node]['class_type']} (node {node})"
        raise ValueError(f"workflow: expected {_titles(*kinds)} at {where}, got {got}.")
    return str(link[0])


def _check_saving(graph: Graph, save: str, groups: str) -> None:
    kind, inputs = graph[save]["class_type"], graph[save]["inputs"]
    if kind == IMAGES:
        source = _source(graph, save, "groups", GROUPS, SHARE)
        if groups not in upstream(graph, source, lambda name, link: name == "groups"):
            raise ValueError(f"workflow: expected the groups of node {groups} at node {save}, got those of {source}.")
    if kind != SAVE_IMAGE and is_link(inputs.get("filename_prefix")):
        raise ValueError(f"workflow: filename_prefix of node {save}: expected a value, got a link.")
    for node in _above(graph, save)[1:]:
        if (kind := graph[node]["class_type"]) in (*_SAVERS, "SageComparisonGrid", "SageAddPrompts"):
            raise ValueError(f"workflow: expected the images of the prompts at node {save}, got {kind} on their way.")


def _check_sampling(graph: Graph, above: Sequence[str]) -> None:
    """Refuse what would make the parts of a list depend on each other, or on what they were cut from."""
    for node in above:
        inputs = graph[node]["inputs"]
        if not graph[node]["class_type"].startswith("Sage"):
            if "latent_image" in links(graph, node) and _encodes_again(graph, node):
                raise ValueError(
                    f"workflow: latent_image of node {node}: expected Share Sampling, with latent_rows on prompts, "
                    f"between VAE Encode and a second sampler. {_ONE_BY_ONE} the noise would depend on the part."
                )
            continue
        if inputs.get("reuse", False) is not False:
            _refuse(node, "reuse", "False", inputs["reuse"], "this would make them depend on each other")
        if inputs.get("shared_prompts", ""):
            _refuse(node, "shared_prompts", "''", inputs["shared_prompts"], "this would make them depend on each other")
        if inputs.get("latent_rows") == "prompts" and not _has_sampler_above(graph, node):
            _refuse(node, "latent_rows", "auto or variations", "prompts",
                    "a latent for every prompt of the whole list fits none of them")  # fmt: skip


def _encodes_again(graph: Graph, sampler: str) -> bool:
    """Whether pictures of an earlier sampler are encoded for this one: their rows do not know their noise any more."""

    def goes_on(name: str, link: list[Any]) -> bool:
        return graph.get(str(link[0]), {}).get("class_type") not in (SHARE, "SageSplitByPrompt")

    latent = links(graph, sampler)["latent_image"]
    above = list(upstream(graph, str(latent[0]), goes_on, most=len(graph))) if goes_on("latent_image", latent) else []
    encodes = any(graph[node]["class_type"].startswith("VAEEncode") for node in above)
    return encodes and any("latent_image" in links(graph, node) for node in above)


def _has_sampler_above(graph: Graph, node: str) -> bool:
    """Whether the rows of a sampler's latent come from another sampler, which has made them of the part's prompts."""
    guided = [key for key in graph if links(graph, key).get("guider", [""])[0] == node]
    starts = [str(link[0]) for key in (node, *guided) if (link := links(graph, key).get("latent_image"))]
    above = [other for start in starts for other in _above(graph, start)]
    return any("latent_image" in links(graph, other) and graph[other]["class_type"] != SHARE for other in above)


def _refuse(node: str, name: str, expected: str, got: Any, why: str) -> None:
    raise ValueError(
        f"workflow: {name} of node {node}: expected {expected}, got {str(got)[:80]!r}. {_ONE_BY_ONE} {why}."
    )


def _of_class(graph: Graph, nodes: Sequence[str] | Graph, kind: str) -> list[str]:
    return [key for key in nodes if graph[key]["class_type"] == kind]


def _titles(*kinds: str) -> str:
    return " or ".join(_TITLES[kind] for kind in kinds)
