"""Reads the settings an image was sampled with from the graph that made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

# The host's PROMPT: node id to class_type and inputs; an input is a value or [node id, output].
Graph = dict[str, dict[str, Any]]
_SAMPLERS = {"SageKSampler", "SageSharedKSamplerPrefix", "KSampler", "KSamplerAdvanced", "SamplerCustomAdvanced"}
_OTHER_NAMES = {"noise_seed": "seed", "ckpt_name": "model", "unet_name": "model"}
_DEEPEST = 200


@dataclass(frozen=True)
class SamplerSettings:
    """Settings by the names of their inputs; None where the graph does not say."""

    seed: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler_name: str | None = None
    scheduler: str | None = None
    denoise: float | None = None
    share: float | None = None
    model: str | None = None
    negative: str | None = None


def read_sampler_settings(graph: Graph | None, node_id: str | None, socket: str = "images") -> SamplerSettings:
    """Settings of the nearest sampler above a node's socket; empty ones if there is none.

    A value that comes over a wire counts if the node at its other end has just one value of that kind.
    """
    link = (graph or {}).get(node_id or "", {}).get("inputs", {}).get(socket)
    if graph is None or not _is_link(link):
        return SamplerSettings()
    sampler = next((each for each in _above(graph, str(link[0])) if graph[each]["class_type"] in _SAMPLERS), None)
    if sampler is None:
        return SamplerSettings()
    found: dict[str, Any] = {}
    for node in _above(graph, sampler):
        for name, value in graph[node].get("inputs", {}).items():
            name = _OTHER_NAMES.get(name, name)
            if name in _NAMES and name not in found and (told := _value(graph, value)) is not None:
                found[name] = told
    negative = graph[sampler].get("inputs", {}).get("negative")
    return replace(SamplerSettings(**found), negative=_text(graph, negative))


_NAMES = {each.name for each in fields(SamplerSettings)} - {"negative"}


def _above(graph: Graph, start: str) -> Iterator[str]:
    """Nodes from one on upwards, nearest first, each once."""
    seen, line = {start}, [start]
    while line:
        node = line.pop(0)
        if node not in graph:
            continue
        yield node
        for value in graph[node].get("inputs", {}).values():
            if _is_link(value) and str(value[0]) not in seen and len(seen) < _DEEPEST:
                seen.add(str(value[0]))
                line.append(str(value[0]))


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _value(graph: Graph, value: Any) -> Any:
    """A plain value, or the only plain one of the node that it comes from."""
    if not _is_link(value):
        return value if isinstance(value, int | float | str) else None
    inputs = graph.get(str(value[0]), {}).get("inputs", {})
    plain = [each for each in inputs.values() if isinstance(each, int | float | str)]
    return plain[0] if len(plain) == 1 else None


def _text(graph: Graph, link: Any) -> str | None:
    """The text of the first text encoder above a conditioning."""
    if not _is_link(link):
        return None
    for node in _above(graph, str(link[0])):
        text = graph[node].get("inputs", {}).get("text")
        if text is not None:
            told = _value(graph, text)
            return str(told) or None if told is not None else None
    return None
