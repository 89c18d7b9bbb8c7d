"""The graph of a farm job: what has to be in it, and the graphs of its tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..graph import Graph, is_link, links, upstream

GROUPS, PREFIX, SAVE = "SageSemanticGroupPrompts", "SageSharedKSamplerPrefix", "SageBranchSave"
_TITLES = {GROUPS: "Semantic Group Prompts", SAVE: "SAGE Branch and Save"}
_EXPORT = "In ComfyUI, open the workflow, choose Workflow > Export (API) in the menu, and give that file."
# Inputs of the nodes that would make a task differ from the whole list, and the only value that does not.
_ONLY: dict[str, dict[str, Any]] = {GROUPS: {"shared_prompts": ""}, PREFIX: {"reuse": False}}
# Inputs that a job has in place of the graph's: its own list and folder.
_OF_THE_JOB = {GROUPS: ("prompts", "prompt_file"), SAVE: ("render_all", "run_on")}


@dataclass(frozen=True)
class JobGraph:
    """An artist's graph in ComfyUI's API format, checked.

    Attributes:
        groups, prefix, save: the ids of the three nodes.
    """

    graph: Graph
    groups: str
    prefix: str
    save: str

    def inputs(self, node: str) -> dict[str, Any]:
        """The inputs of a node of the graph."""
        return self.graph[node]["inputs"]

    def recipe(self) -> dict[str, Any]:
        """The nodes that the pictures are made by, without what a job has of its own: the prompts, say."""
        nodes = ((key, self.graph[key]) for key in upstream(self.graph, self.save, most=len(self.graph)))
        return {
            key: [kind := node["class_type"], {
                name: value for name, value in node["inputs"].items() if name not in _OF_THE_JOB.get(kind, ())
            }]
            for key, node in nodes
        }  # fmt: skip

    def with_prompt(self, text: str) -> Graph:
        """The graph with one prompt, as it is."""
        plain = re.sub(r"([{}|])", r"\\\1", text)  # no alternatives
        inputs = {**self.inputs(self.groups), "prompts": plain}
        inputs.pop("prompt_file", None)
        return {**self.graph, self.groups: {**self.graph[self.groups], "inputs": inputs}}

    def given(self) -> Graph:
        """The artist's nodes as they are, for a check: only those that are needed, and with some prompt."""
        graph = self.with_prompt("a prompt")
        return {key: graph[key] for key in upstream(graph, self.save, most=len(graph))}

    def embedding(self, texts: str) -> Graph:
        """What embeds some texts, a JSON list; the result is that of the node `groups`."""
        own = self.inputs(self.groups)
        inputs: dict[str, Any] = {name: own[name] for name in ("clip", "encoder", "encoder_model") if name in own}
        return self._replaced(self.groups, {self.groups: ("SageFarmEmbed", {**inputs, "texts": texts})})

    def task(self, job: str, prompts: str, done: str) -> Graph:
        """What renders some prompts of a job.

        Args:
            job: the folder of the job's files.
            prompts: their numbers in the whole list, a JSON list; whole groups.
            done: those of them whose files are there already, a JSON list.
        """
        return self._replaced(
            self.save, {self.groups: self._groups(job, prompts), self.save: self._saving(job, prompts, done)}
        )

    def shared(self, job: str, prompts: str, file: str) -> Graph:
        """What runs the shared steps of a group, and writes them to a file if others can go on from them."""
        written = {"prefix": links(self.graph, self.save)["prefix"], "file": file}
        return self._replaced(
            self.save, {self.groups: self._groups(job, prompts), self.save: ("SageFarmShared", written)}
        )

    def part(self, job: str, prompts: str, done: str, file: str) -> Graph:
        """As `task`, for a part of a group: its shared steps are in a file of `shared`."""
        given = {"groups": links(self.graph, self.prefix)["groups"], "file": file}
        return self._replaced(self.save, {
            self.groups: self._groups(job, prompts), self.prefix: ("SageFarmPart", given),
            self.save: self._saving(job, prompts, done),
        })  # fmt: skip

    def plan(self, job: str, prompts: str) -> Graph:
        """What plans the rendering of some prompts; arguments as `task`. The result is that of the node `prefix`."""
        planned = ("SageFarmPlan", self.inputs(self.prefix))
        return self._replaced(self.prefix, {self.groups: self._groups(job, prompts), self.prefix: planned})

    def _groups(self, job: str, prompts: str) -> tuple[str, dict[str, Any]]:
        own = self.inputs(self.groups)
        inputs: dict[str, Any] = {name: own[name] for name in ("clip", "template") if name in own}
        return "SageFarmGroups", {**inputs, "job": job, "prompts": prompts}

    def _saving(self, job: str, prompts: str, done: str) -> tuple[str, dict[str, Any]]:
        return "SageFarmSave", {**links(self.graph, self.save), "job": job, "prompts": prompts, "done": done}

    def _replaced(self, end: str, nodes: Mapping[str, tuple[str, dict[str, Any]]]) -> Graph:
        """A node and all above it, with other classes and inputs of some nodes."""
        graph = dict(self.graph)
        for key, (kind, inputs) in nodes.items():
            graph[key] = {**graph[key], "class_type": kind, "inputs": inputs}
        return {key: graph[key] for key in upstream(graph, end, most=len(graph))}


def read_graph(path: Path) -> JobGraph:
    """The graph of a file: ComfyUI's API export, or a PNG that a SAGE node or ComfyUI has saved.

    Raises:
        ValueError: it is no such file, or the graph is none that the farm can render; says what was expected.
    """
    try:
        text = _text_in(path)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"workflow: {path.name}: expected a file that can be read, got {error}.") from None
    if text is None:
        raise ValueError(f"workflow: {path.name}: expected a PNG with its workflow in it, got one without. {_EXPORT}")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"workflow: {path.name}: expected JSON, got an error: {error}. {_EXPORT}") from None
    return checked_graph(data)


def checked_graph(data: Any) -> JobGraph:
    """A graph in the API format, checked.

    Raises:
        ValueError: names what was expected and what came.
    """
    if isinstance(data, dict) and isinstance(data.get("nodes"), list):
        raise ValueError(f"workflow: expected an API export, got a workflow as the page saves it. {_EXPORT}")
    if not isinstance(data, dict) or not data or not all(map(_is_node, data.values())):
        raise ValueError(f"workflow: expected an API export, got {json.dumps(data)[:80]}. {_EXPORT}")
    groups, save = _only_node(data, GROUPS), _only_node(data, SAVE)
    prefix = _source(data, save, "prefix", PREFIX, "Shared KSampler Prefix")
    if _source(data, prefix, "groups", GROUPS, _TITLES[GROUPS]) != groups:
        raise ValueError("workflow: expected the groups of Semantic Group Prompts at Shared KSampler Prefix.")
    found = JobGraph(data, groups, prefix, save)
    _check_inputs(found)
    return found


def _text_in(path: Path) -> str | None:
    if path.suffix.lower() != ".png":
        return path.read_text("utf-8-sig")
    with Image.open(path) as picture:
        return picture.info.get("prompt")


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def _only_node(graph: Graph, kind: str) -> str:
    found = [key for key, node in graph.items() if node["class_type"] == kind]
    if len(found) != 1:
        raise ValueError(f"workflow: expected one node {_TITLES[kind]}, got {len(found)}.")
    return found[0]


def _source(graph: Graph, node: str, name: str, kind: str, title: str) -> str:
    """The node that an input comes from; it must be of one class."""
    link = links(graph, node).get(name)
    source = None if link is None else graph.get(str(link[0]))
    if link is None or source is None or source["class_type"] != kind:
        got = "nothing" if source is None else source["class_type"]
        raise ValueError(
            f"workflow: expected {title} at the input {name} of {graph[node]['class_type']} (node {node}), got {got}."
        )
    return str(link[0])


def _check_inputs(graph: JobGraph) -> None:
    for node, kind in ((graph.groups, GROUPS), (graph.prefix, PREFIX)):
        for name, only in _ONLY[kind].items():
            if (got := graph.inputs(node).get(name, only)) != only:
                raise ValueError(
                    f"workflow: {name} of node {node}: expected {only!r}, got {str(got)[:80]!r}. The farm renders a "
                    "list in parts, and this would make them depend on each other."
                )
    if graph.inputs(graph.prefix).get("latent_rows") == "prompts":
        raise ValueError(
            f"workflow: latent_rows of node {graph.prefix}: expected auto or variations, got 'prompts'. The farm "
            "renders a list in parts, and a latent for every prompt of the whole list fits none of them."
        )
    for name, value in graph.inputs(graph.groups).items():
        if is_link(value) and name not in ("clip", "template", "prompts"):
            raise ValueError(
                f"workflow: {name} of node {graph.groups}: expected a value, got a link from another node."
            )
    if is_link(graph.inputs(graph.save).get("filename_prefix")):
        raise ValueError(f"workflow: filename_prefix of node {graph.save}: expected a value, got a link.")
