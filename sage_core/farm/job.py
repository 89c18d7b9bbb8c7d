"""A job on the disk: the list, its groups, and what they were made of. A run that goes on never groups again."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_file import replacing
from ..grouping.build import COMPARED_BEFORE, check_embeddings, group_encoded, phrases_to_set_aside
from ..grouping.pins import parse_pins
from ..grouping.prompt_groups import PromptGroups
from ..prompts.differences import without_phrases
from ..prompts.names import named
from ..prompts.prompt_list import Prompt, PromptList
from ..prompts.text_encoders import UNRELATED_PROMPTS
from .graphs import JobGraph
from .workflow_file import checked_graph

_JOB, _EMBEDDINGS = "job.json", "embeddings.npy"
# Prompts that are embedded at once.
_SHARD = 64
# Embeds at most _SHARD prompts: (N, D), unit rows.
EmbedShard = Callable[[Sequence[Prompt]], np.ndarray]


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        folder: where its files are, in its output folder.
        graph: the artist's.
        filename_prefix: how file names start; without tokens for a date.
        made_of: digests and versions, by what they are of.
        listed: the prompts with all that a Prompt List gives; empty for Semantic Group Prompts.
    """

    folder: Path
    graph: JobGraph
    groups: PromptGroups
    filename_prefix: str
    made_of: Mapping[str, str]
    listed: tuple[Prompt, ...] = ()


def made_of(graph: JobGraph, listed: PromptList, machine: Mapping[str, str]) -> dict[str, str]:
    """What decides the pictures of a job, by its name for the user.

    Args:
        machine: what a machine adds: versions, and digests of files.
    """
    prompts: list[Any] = [[prompt.text, prompt.seed_offset] for prompt in listed.prompts]
    if graph.list_node is not None:
        prompts = list(map(astuple, listed.prompts))
    return {"workflow": _digest(graph.recipe()), "prompts": _digest(prompts), **machine}


def check_same(job: Mapping[str, str], asked: Mapping[str, str], out: Path) -> None:
    """Refuse to go on with another job in the same folder: its numbers would be those of other prompts.

    What a job of an earlier version does not tell is not compared.

    Raises:
        ValueError: names what differs.
    """
    differs = [name for name in asked if name in job and job[name] != asked[name]]
    if differs:
        raise ValueError(
            f"out: expected a folder without another job, got {out}, whose job has other {' and '.join(differs)}. "
            "Choose another folder, or give what the job was begun with."
        )


def make_job(
    folder: Path, graph: JobGraph, listed: PromptList, embed: EmbedShard, filename_prefix: str, key: Mapping[str, str]
) -> None:
    """Group a list as Semantic Group Prompts or Share Sampling does, and write the job.

    Args:
        folder: exists.
        embed: embeds prompts with the encoder of the graph.
        key: see `made_of`.

    Raises:
        ValueError: a setting of the graph is out of range.
    """
    settings = graph.grouping()
    if graph.list_node is not None:
        listed = named(listed)
    compare, compares_texts = settings.pop("compare", COMPARED_BEFORE), graph.compares_texts
    set_aside = phrases_to_set_aside(listed.texts, compare) if compares_texts else ()
    prompts = [Prompt(text) for text in listed.texts] if compares_texts else listed.prompts
    different = list(dict.fromkeys(prompts))
    compared = without_phrases([each.text for each in different], set_aside)
    vectors = _embedded([replace(each, text=text) for each, text in zip(different, compared, strict=True)], embed)
    check_embeddings([each.text for each in different], vectors)
    row = {each: at for at, each in enumerate(different)}
    groups = group_encoded(
        listed.texts, (), vectors[[row[each] for each in prompts]],
        _embedded([Prompt(text) for text in UNRELATED_PROMPTS], embed) if compares_texts else None,
        pins=parse_pins(graph.inputs(graph.groups_node).get("pinned", "")), set_aside=set_aside, **settings,
    )  # fmt: skip
    _write(folder, graph, groups, listed, filename_prefix, key)


@functools.lru_cache(1)
def read_job(folder: Path) -> Job:
    """The job in a folder; embeddings stay on the disk.

    Raises:
        OSError: there is none.
        ValueError: its files are damaged.
    """
    try:
        return _job_in(folder)
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise ValueError(
            f"out: expected the files of a job in {folder}, got damaged ones ({error!r}). Choose another folder."
        ) from error


def _job_in(folder: Path) -> Job:
    data = json.loads((folder / _JOB).read_text("utf-8"))
    prompts = tuple(data["prompts"])
    groups = PromptGroups(
        prompts=prompts, conditionings=([],) * len(prompts), embeddings=np.load(folder / _EMBEDDINGS, mmap_mode="r"),
        partition=tuple(map(tuple, data["partition"])), seed_offsets=tuple(data["seed_offsets"]),
        set_aside=tuple(data["set_aside"]), **data["grouping"],
    )  # fmt: skip
    listed = tuple(Prompt(*each) for each in data.get("listed", ()))
    return Job(folder, checked_graph(data["graph"]), groups, data["filename_prefix"], data["made_of"], listed)


def has_job(folder: Path) -> bool:
    return (folder / _JOB).exists()


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a job, by their names, for another machine."""
    return {name: (folder / name).read_bytes() for name in (_EMBEDDINGS, _JOB)}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write what `read_files` has given; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_EMBEDDINGS, _JOB):
        with replacing(folder / name) as part:
            part.write_bytes(files[name])


def _write(
    folder: Path, graph: JobGraph, groups: PromptGroups, listed: PromptList, filename_prefix: str,
    key: Mapping[str, str],
) -> None:  # fmt: skip
    has_list = graph.list_node is not None  # seed offsets are for the artist's own nodes then
    names = ("threshold", "threshold_mode", "encoder", "group_condition", "auto_threshold", "encoder_model")
    data = {
        "made_of": dict(key), "graph": graph.graph, "filename_prefix": filename_prefix, "prompts": groups.prompts,
        "seed_offsets": [] if has_list else listed.seed_offsets,
        "listed": list(map(astuple, listed.prompts)) if has_list else [],
        "partition": groups.partition, "set_aside": groups.set_aside,
        "grouping": {name: getattr(groups, name) for name in names},
    }  # fmt: skip
    with replacing(folder / _EMBEDDINGS) as part, part.open("wb") as file:
        np.save(file, groups.embeddings)
    with replacing(folder / _JOB) as part:  # last: with it the job is there
        part.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def _embedded(prompts: Sequence[Prompt], embed: EmbedShard) -> np.ndarray:
    """(N, D): embeddings of prompts, some at a time."""
    shards = range(0, len(prompts), _SHARD)
    return np.concatenate([embed(prompts[start : start + _SHARD]) for start in shards])


def _digest(data: Any) -> str:
    return sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
