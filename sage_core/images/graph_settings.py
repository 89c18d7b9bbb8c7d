"""Reads the settings an image was sampled with from the graph that made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

# ComfyUI's PROMPT: node id to class_type and inputs; an input is a value or [node id, output].
Graph = dict[str, dict[str, Any]]
# Classes of nodes that sample.
_SAMPLERS = {"SageKSampler", "SageSharedKSamplerPrefix", "KSampler", "KSamplerAdvanced", "SamplerCustomAdvanced"}
# Inputs whose name is not that in `SamplerSettings`.
_OTHER_NAMES = {"noise_seed": "seed", "ckpt_name": "model", "unet_name": "model"}
# Nodes that are looked at, at most.
_MOST_NODES = 200


@dataclass(frozen=True)
class SamplerSettings:
    """How an image was sampled: settings by the names of their inputs; None where the graph does not say."""

    seed: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler_name: str | None = None
    scheduler: str | None = None
    denoise: float | None = None
    share: float | None = None
    model: str | None = None
    negative: str | None = None


# The settings that are values of inputs; the negative prompt is a link.
_NAMES = {each.name for each in fields(SamplerSettings)} - {"negative"}


def read_sampler_settings(graph: Graph | None, node_id: str | None, socket: str = "images") -> SamplerSettings:
    """Settings of the nearest sampler above a node's input; empty ones if there is none.

    A value that comes over a link counts where the node at its other end has only one plain value.

    Args:
        graph: None where it is not known.
        node_id: the node that has the image; None where it is not known.
        socket: the name of its input.
    """
    link = (graph or {}).get(node_id or "", {}).get("inputs", {}).get(socket)
    if graph is None or not _is_link(link):
        return SamplerSettings()
    above = _upstream(graph, str(link[0]))
    sampler = next((node for node in above if graph[node]["class_type"] in _SAMPLERS), None)
    if sampler is None:
        return SamplerSettings()
    found: dict[str, Any] = {}
    for node in _upstream(graph, sampler):
        for name, given in graph[node].get("inputs", {}).items():
            name = _OTHER_NAMES.get(name, name)
            if name in _NAMES and name not in found and (value := _value(graph, given)) is not None:
                found[name] = value
    negative = graph[sampler].get("inputs", {}).get("negative")
    return replace(SamplerSettings(**found), negative=_text(graph, negative))


def _upstream(graph: Graph, start: str) -> Iterator[str]:
    """A node and all that it depends on, nearest first, each once."""
    seen, waiting = {start}, [start]
    while waiting:
        node = waiting.pop(0)
        if node not in graph:
            continue
        yield node
        for value in graph[node].get("inputs", {}).values():
            if _is_link(value) and str(value[0]) not in seen and len(seen) < _MOST_NODES:
                seen.add(str(value[0]))
                waiting.append(str(value[0]))


def _is_link(value: Any) -> bool:
    """Whether an input comes from another node."""
    return isinstance(value, list) and len(value) == 2


def _value(graph: Graph, value: Any) -> Any:
    """A plain value, or the only plain one of the node that it comes from; None where there is no such one."""
    if not _is_link(value):
        return value if isinstance(value, int | float | str) else None
    inputs = graph.get(str(value[0]), {}).get("inputs", {})
    plain = [each for each in inputs.values() if isinstance(each, int | float | str)]
    return plain[0] if len(plain) == 1 else None


def _text(graph: Graph, link: Any) -> str | None:
    """The text of the nearest text encoder above a conditioning; None where there is none, or its text is empty."""
    if not _is_link(link):
        return None
    for node in _upstream(graph, str(link[0])):
        given = graph[node].get("inputs", {}).get("text")
        if given is not None:
            text = _value(graph, given)
            return str(text) or None if text is not None else None
    return None
