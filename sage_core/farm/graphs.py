"""The graph of a farm job, and the graphs of its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..graph import Graph, links, upstream
from ..prompts.escaping import as_line

GROUPS, LIST, SHARE = "SageSemanticGroupPrompts", "SagePromptList", "SageShare"
PREFIX, SAMPLER = "SageSharedKSamplerPrefix", "SageKSampler"
BRANCH, IMAGES, SAVE_IMAGE = "SageBranchSave", "SageSaveImages", "SaveImage"
# Inputs that a job has in place of the graph's: its own list and folder.
_OF_THE_JOB = {
    GROUPS: ("prompts", "prompt_file"), LIST: ("prompts", "prompt_file", "chosen"), BRANCH: ("render_all", "run_on"),
}  # fmt: skip
# What groups a list, by the names of `group_encoded`, and what is compared.
_GROUPING = ("encoder", "encoder_model", "threshold_mode", "threshold", "max_group_size", "group_condition", "compare")
# The id of a node that no artist's graph has.
_ADDED = "sage farm groups"
# The output of Share Sampling that has its groups.
_GROUPS_OF_SHARE = 4
# How files are called where the artist's node gets the names from other nodes.
_NAMED = "SAGE/image"


@dataclass(frozen=True)
class JobGraph:
    """An artist's graph in ComfyUI's API format, checked.

    Attributes:
        groups_node: the id of the node that groups: Semantic Group Prompts, or Share Sampling.
        save_node: of SAGE Branch and Save, SAGE Save Images, or ComfyUI's Save Image.
        list_node: of the Prompt List before Share Sampling; None for Semantic Group Prompts, which has the list itself.
        prefix_node: of the Shared KSampler Prefix before Branch and Save; None for the other two.
    """

    graph: Graph
    groups_node: str
    save_node: str
    list_node: str | None = None
    prefix_node: str | None = None

    def inputs(self, node: str) -> dict[str, Any]:
        """The inputs of a node of the graph."""
        return self.graph[node]["inputs"]

    @property
    def filename_prefix(self) -> str:
        """How file names start, with tokens."""
        given = self.inputs(self.save_node).get("filename_prefix")
        return given if isinstance(given, str) else _NAMED

    def grouping(self) -> dict[str, Any]:
        """The settings of the groups; what an older graph does not have is left out."""
        own = self.inputs(self.groups_node)
        found = {name: own[name] for name in _GROUPING if name in own}
        if own.get("encoder", "own") == "own":  # what Share Sampling calls it
            found["encoder"] = "clip"
        return found

    @property
    def compares_texts(self) -> bool:
        """Whether texts are compared; else what the artist's encoders make of them."""
        return self.list_node is None or self.grouping()["encoder"] != "clip"

    @property
    def planned(self) -> str | None:
        """The sampler whose evaluations can be told before; None where others sample."""
        samplers = [key for key in upstream(self.graph, self.save_node, most=len(self.graph)) if self._samples(key)]
        only = samplers[0] if len(samplers) == 1 else None
        return only if only and self.graph[only]["class_type"] in (PREFIX, SAMPLER) else None

    def recipe(self) -> dict[str, Any]:
        """The nodes that the pictures are made by, without what a job has of its own: the prompts, say."""
        nodes = ((key, self.graph[key]) for key in upstream(self.graph, self.save_node, most=len(self.graph)))
        return {
            key: [kind := node["class_type"], {
                name: value for name, value in node["inputs"].items() if name not in _OF_THE_JOB.get(kind, ())
            }]
            for key, node in nodes
        }  # fmt: skip

    def with_prompt(self, text: str, negative: str = "") -> Graph:
        """The graph with one prompt, as it is.

        Args:
            negative: for a Prompt List, the prompt's own; empty for that of the node.
        """
        node = self.list_node or self.groups_node
        own = {name: value for name, value in self.inputs(node).items() if name not in ("prompt_file", "chosen")}
        own["prompts"] = as_line(text)
        if negative:
            own["negative"] = negative
        return {**self.graph, node: {**self.graph[node], "inputs": own}}

    def given(self) -> Graph:
        """The artist's nodes as they are, for a check: only those that are needed, and with some prompt."""
        graph = self.with_prompt("a prompt")
        return {key: graph[key] for key in upstream(graph, self.save_node, most=len(graph))}

    def embedding(self, prompts: str) -> Graph:
        """What embeds some prompts; the result is that of `groups_node`.

        Args:
            prompts: a JSON list, each with the values of a `Prompt`.
        """
        own = self.inputs(self.groups_node)
        if self.compares_texts:
            encoder = {name: value for name, value in self.grouping().items() if name in ("encoder", "encoder_model")}
            clip = {"clip": own["clip"]} if "clip" in own else {}
            return self._replaced(
                self.groups_node, {self.groups_node: ("SageFarmEmbed", {**clip, **encoder, "prompts": prompts})}
            )
        assert self.list_node is not None
        return self._replaced(self.groups_node, {
            self.list_node: ("SageFarmList", {**self._negative(), "prompts": prompts}),
            self.groups_node: ("SageFarmEmbedConditionings", {"positive": own["positive"], "prompts": prompts}),
        })  # fmt: skip

    def task(self, job: str, prompts: str, done: str) -> Graph:
        """What renders some prompts of a job.

        Args:
            job: the folder of the job's files.
            prompts: their numbers in the whole list, a JSON list; whole groups.
            done: those of them whose files are there already, a JSON list.
        """
        return self._replaced(
            self.save_node, {**self._given(job, prompts), self.save_node: self._saving(job, prompts, done)}
        )

    def shared(self, job: str, prompts: str, file: str) -> Graph:
        """What runs the shared steps of a group, and writes them to a file if others can go on from them."""
        written = {"prefix": links(self.graph, self.save_node)["prefix"], "file": file}
        return self._replaced(
            self.save_node, {**self._given(job, prompts), self.save_node: ("SageFarmShared", written)}
        )

    def part(self, job: str, prompts: str, done: str, file: str) -> Graph:
        """As `task`, for a part of a group: its shared steps are in a file of `shared`."""
        assert self.prefix_node is not None
        given = {"groups": links(self.graph, self.prefix_node)["groups"], "file": file}
        return self._replaced(self.save_node, {
            **self._given(job, prompts), self.prefix_node: ("SageFarmPart", given),
            self.save_node: self._saving(job, prompts, done),
        })  # fmt: skip

    def plan(self, job: str, prompts: str) -> Graph:
        """What plans the rendering of some prompts; arguments as `task`. The result is that of the node `planned`."""
        assert self.planned is not None
        plan = ("SageFarmPlan", self.inputs(self.planned))
        return self._replaced(self.planned, {**self._given(job, prompts), self.planned: plan})

    def _samples(self, node: str) -> bool:
        return "latent_image" in links(self.graph, node)

    def _given(self, job: str, prompts: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """The nodes that give the prompts of a task in their groups."""
        own, numbers = self.inputs(self.groups_node), {"job": job, "prompts": prompts}
        if self.list_node is None:
            kept: dict[str, Any] = {name: own[name] for name in ("clip", "template") if name in own}
            return {self.groups_node: ("SageFarmGroups", {**kept, **numbers})}
        return {
            self.list_node: ("SageFarmPrompts", {**self._negative(), **numbers}),
            _ADDED: ("SageFarmPartition", numbers), self.groups_node: (SHARE, {**own, "groups": [_ADDED, 0]}),
        }  # fmt: skip

    def _negative(self) -> dict[str, Any]:
        """The negative prompt of a Prompt List for prompts without their own, as an input."""
        own = {} if self.list_node is None else self.inputs(self.list_node)
        return {name: value for name, value in own.items() if name == "negative"}

    def _saving(self, job: str, prompts: str, done: str) -> tuple[str, dict[str, Any]]:
        """What saves in place of the artist's node. Groups are for a check of the number of images."""
        own, numbers = links(self.graph, self.save_node), {"job": job, "prompts": prompts, "done": done}
        if self.prefix_node is not None:
            return "SageFarmSave", {**{name: own[name] for name in ("model", "prefix", "vae")}, **numbers}
        groups = own.get("groups", [self.groups_node, 0 if self.list_node is None else _GROUPS_OF_SHARE])
        return "SageFarmSaveImages", {"images": own["images"], "groups": groups, **numbers}

    def _replaced(self, end: str, nodes: Mapping[str, tuple[str, dict[str, Any]]]) -> Graph:
        """A node and all above it, with other classes and inputs of some nodes."""
        graph = dict(self.graph)
        for key, (kind, inputs) in nodes.items():
            graph[key] = {**graph.get(key, {}), "class_type": kind, "inputs": inputs}
        return {key: graph[key] for key in upstream(graph, end, most=len(graph))}
