"""Reads the settings an image was sampled with from the graph that made it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ..graph import Graph, OutputType, follows_types, is_link, links, plain_value, upstream

# Classes of nodes that sample.
_SAMPLERS = {"SageKSampler", "SageSharedKSamplerPrefix", "KSampler", "KSamplerAdvanced", "SamplerCustomAdvanced"}
# Those that add a prompt's seed offset to their seed.
_OWN_SEEDS = {"SageKSampler", "SageSharedKSamplerPrefix"}
# Inputs whose name is not that in `SamplerSettings`.
_OTHER_NAMES = {"noise_seed": "seed", "ckpt_name": "model", "unet_name": "model"}
# What carries the rows of a sampler on their way to a node that saves them.
_ROWS = ("IMAGE", "LATENT", "SAGE_PREFIX")


@dataclass(frozen=True)
class SamplerSettings:
    """How an image was sampled: settings by the names of their inputs; None where the graph does not say.

    Attributes:
        has_own_seeds: whether the seed offset of a prompt is added to the seed.
    """

    seed: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler_name: str | None = None
    scheduler: str | None = None
    denoise: float | None = None
    share: float | None = None
    model: str | None = None
    negative: str | None = None
    has_own_seeds: bool = False


# The settings that are values of inputs; the negative prompt is a link.
_NAMES = {each.name for each in fields(SamplerSettings)} - {"negative", "has_own_seeds"}


def read_sampler_settings(graph: Graph | None, node_id: str | None, socket: str = "images") -> SamplerSettings:
    """Settings of the nearest sampler above a node's input; empty ones if there is none.

    A value that comes over a link counts where the node at its other end has only one plain value.

    Args:
        graph: None where it is not known.
        node_id: the node that has the image; None where it is not known.
        socket: the name of its input.
    """
    link = (graph or {}).get(node_id or "", {}).get("inputs", {}).get(socket)
    if graph is None or not is_link(link):
        return SamplerSettings()
    above = upstream(graph, str(link[0]))
    sampler = next((node for node in above if graph[node]["class_type"] in _SAMPLERS), None)
    if sampler is None:
        return SamplerSettings()
    found: dict[str, Any] = {}
    for node in upstream(graph, sampler):
        for name, given in graph[node].get("inputs", {}).items():
            if name == "model":  # a link; the file of the model is in its loader
                continue
            name = _OTHER_NAMES.get(name, name)
            if name in _NAMES and name not in found and (value := plain_value(graph, given)) is not None:
                found[name] = value
    negative = graph[sampler].get("inputs", {}).get("negative")
    has_own_seeds = graph[sampler]["class_type"] in _OWN_SEEDS
    return SamplerSettings(**found, negative=_text(graph, negative), has_own_seeds=has_own_seeds)


def _text(graph: Graph, link: Any) -> str | None:
    """The text of the nearest text encoder above a negative conditioning.

    None where there is none, or its text is empty or zeroed out.
    """
    if not is_link(link):
        return None
    for node in upstream(graph, str(link[0]), lambda name, link: name != "positive"):  # of a node with both
        if graph[node]["class_type"] == "ConditioningZeroOut":
            return None
        given = graph[node].get("inputs", {}).get("text")
        if given is not None:
            text = plain_value(graph, given)
            return str(text) or None if text is not None else None
    return None


def stated_variations(graph: Graph | None, node_id: str | None, output_type: OutputType) -> int | None:
    """How many images of every prompt a graph promises to a node: the batch_size of the latent that was sampled.

    Args:
        graph: None where it is not known.
        node_id: a node with the inputs images and groups; None where it is not known.

    Returns:
        None where the graph does not say: it is read only from the sampler that ran these groups, and only where the
        latent comes straight from a node with a batch_size.
    """
    groups = links(graph or {}, node_id or "").get("groups")
    if graph is None or node_id is None or groups is None:
        return None
    rows = upstream(graph, node_id, follows_types(graph, output_type, *_ROWS))
    sampler = next((node for node in rows if "latent_image" in links(graph, node)), None)
    if sampler is None or str(groups[0]) not in upstream(graph, sampler):
        return None
    *_, latent = upstream(graph, sampler, lambda name, link: name == "latent_image")
    size = plain_value(graph, graph[latent]["inputs"].get("batch_size"))
    return size if isinstance(size, int) else None
