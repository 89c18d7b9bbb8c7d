"""Which of ComfyUI's own templates the pack can share in, by rules: the graphs are read, none is run.

    python benchmarks/workflows.py [--list]

It reads the templates of the installed ComfyUI, with how often each is used, and takes those that sample on this
machine and from a text. Every sampler of a template has to be served; the hardest one names its row.

- Nodes swapped: one sampler, a KSampler or one with a BasicGuider or CFGGuider. The positive is a CLIP Text Encode,
  and one negative is for all prompts. It makes pictures.
- Swapped, extras through template: the same, with nodes between that add to the conditioning and leave its text.
- Share Sampling: a sampler and a guider that the tests run. Of its inputs, only conditionings and latent depend on the
  text, so that there is one of everything else. All nodes that depend on the text are ComfyUI's own, run once per
  prompt, and take no whole lists. A sampler after another one runs once per prompt, after Split by Prompt.
- By hand: the same, but another input of the sampler depends on the text, too (a model that a node changes with the
  conditioning, a schedule that looks at the latent), so that one has to find the right place.
- Not served: anything else. What the rules do not know counts here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, resources
from typing import Any, NamedTuple

import comfyui

comfyui.load()

from comfyui_sage.farm.flat_workflow import FlatNode, flat_nodes
from comfyui_sage.sage_core.conditioning.template_source import INTO_TEXT
from comfyui_sage.sage_core.graph import Graph, upstream

import nodes as comfy_nodes

PACKAGE = "comfyui_workflow_templates_json"
SAMPLERS = {"KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced"}
GUIDERS = {"BasicGuider", "CFGGuider", "DualCFGGuider", "DualModelGuider"}
# Of SamplerCustomAdvanced: what its other inputs may come from.
PARTS = {"NOISE": {"RandomNoise", "DisableNoise"}, "SAMPLER": {"KSamplerSelect", "SamplerEulerAncestral", "SamplerLCM"}}
# Where the saved values of a node have its CFG.
CFG = {"KSampler": 3, "KSamplerAdvanced": 4, "SamplerCustom": 3, "CFGGuider": 0}
CHANGES_TEXT = {
    *INTO_TEXT, "ConditioningZeroOut", "ConditioningCombine", "ConditioningConcat", "ConditioningAverage",
}  # fmt: skip
NO_PICTURES = {"VIDEO", "AUDIO"}
SAVES_VIDEO = {"SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveWEBM"}

SWAPPED, TEMPLATE, SHARE, BY_HAND, NOT = WAYS = (
    "nodes swapped", "swapped, extras through `template`", "Share Sampling", "Share Sampling, placed by hand",
    "not served",
)  # fmt: skip

# The nodes that the tests of Share Sampling run, by themselves or by what they do (KSampler: common_ksampler).
RUN = {
    *SAMPLERS, *GUIDERS, "BerniniConditioning", "CLIPTextEncode", "ConditioningSetArea", "ConditioningZeroOut",
    "ControlNetApply", "ControlNetApplyAdvanced", "FluxGuidance", "FluxKontextMultiReferenceLatentMethod",
    "InpaintModelConditioning", "LTXVAddGuide", "LTXVConcatAVLatent", "LTXVConditioning", "LTXVCropGuides",
    "LTXVImgToVideoInplace", "LTXVLatentUpsampler", "LTXVSeparateAVLatent", "LatentUpscaleBy", "MiniMaxH3ImageToVideo",
    "ReferenceLatent", "StyleModelApply", "TextEncodeQwenImageEditPlus", "WanFirstLastFrameToVideo", "WanImageToVideo",
    "WanSCAILToVideo", "WanVaceToVideo",
}  # fmt: skip
# Usage of this and above is not counted but set: three templates of one model have the same round number.
SET_USAGE = 80_000


class Template(NamedTuple):
    """A template, and how it is served.

    Attributes:
        usage: how often it is used, in a unit of the index's own.
        reason: what makes it that hard.
        is_run: whether the tests run all the nodes that its text goes through.
    """

    name: str
    usage: int
    way: str
    reason: str
    is_run: bool


@dataclass(frozen=True)
class Sampler:
    """A sampler of a workflow.

    Attributes:
        guide: the node that has the model and the conditionings: the sampler itself, or its guider.
        encoders: of its positive.
    """

    key: str
    guide: str
    encoders: frozenset[str]


class Workflow:
    """A template: its active nodes, and what feeds what."""

    def __init__(self, saved: dict[str, Any]) -> None:
        self.nodes: dict[str, FlatNode] = flat_nodes(saved)
        self.graph: Graph = {
            key: {"class_type": node["type"], "inputs": {name: list(origin) for name, origin in origins.items()}}
            for key, (node, origins) in self.nodes.items()
        }

    def kind(self, key: str) -> str:
        """The class of a node."""
        return str(self.graph[key]["class_type"])

    def inputs(self, key: str, *types: str) -> dict[str, list[Any]]:
        """The connected inputs of a node that are of these types, by name; of any type, if none is named."""
        sockets = {each["name"]: each["type"] for each in self.nodes[key].node.get("inputs", [])}
        inputs = self.graph[key]["inputs"]
        return {name: link for name, link in inputs.items() if not types or sockets[name] in types}

    def outputs(self, key: str) -> list[str]:
        """The types of a node's outputs."""
        return [each["type"] for each in self.nodes[key].node.get("outputs", [])]

    def before(self, links: Iterable[Any], *types: str) -> set[str]:
        """The nodes that some links come from, and all before them, by links of these types, or of any."""

        def follows(name: str, link: list[Any]) -> bool:
            return not types or self.outputs(str(link[0]))[link[1]] in {*types, "*"}

        starts = {str(link[0]) for link in links}
        return {key for start in starts for key in upstream(self.graph, start, follows, most=len(self.graph))}

    def encoding(self, guide: str, *, negative: bool = False) -> set[str]:
        """The nodes that make the positive or negative conditionings of a sampler.

        Where a node takes both, what goes in as the negative comes out as the negative.
        """
        found, waiting = set(), self._conditionings(guide, negative)
        while waiting:
            key = str(waiting.pop()[0])
            if key not in found:
                found.add(key)
                waiting += self._conditionings(key, negative) or self._conditionings(key, not negative)
        return found

    def _conditionings(self, key: str, negative: bool) -> list[list[Any]]:
        """What the positive or negative conditionings come from that a node takes."""
        inputs = self.inputs(key, "CONDITIONING", "*")
        return [link for name, link in inputs.items() if name.startswith("neg") == negative]

    def after(self, key: str) -> set[str]:
        """A node, and the nodes that depend on it."""
        return {each for each in self.nodes if key in self.before([[each, 0]])}

    @cached_property
    def guides(self) -> dict[str, str]:
        """The samplers, each with the node that has its model and conditionings."""
        found = {}
        for key in self.nodes:
            guide = next((str(link[0]) for link in self.inputs(key, "GUIDER").values()), key)
            if "LATENT" in self.outputs(key) and self.inputs(key, "LATENT") and self.inputs(guide, "MODEL"):
                found[key] = guide
        return {key: guide for key, guide in found.items() if self.encoding(guide)}

    @cached_property
    def samplers(self) -> list[Sampler]:
        """The samplers that are guided by a text."""
        found = [Sampler(key, guide, frozenset(self._encoders(guide))) for key, guide in self.guides.items()]
        return [sampler for sampler in found if sampler.encoders]

    def _encoders(self, guide: str) -> Iterator[str]:
        for key in self.encoding(guide):
            if has_text(self.kind(key)) and not self.inputs(key, "CONDITIONING"):
                yield key

    def of_text(self, sampler: Sampler) -> set[str]:
        """The nodes that have something else for every prompt."""
        return {key for key in self.nodes if sampler.encoders & self.before([[key, 0]])}

    def is_later(self, sampler: Sampler) -> bool:
        """Whether it goes on with what another sampler has made."""
        others = {each.key for each in self.samplers} - {sampler.key}
        return bool(others & self.before(self.inputs(sampler.key, "LATENT").values()))

    def makes_pictures(self, sampler: Sampler) -> bool:
        """Whether pictures come out, and no video or sound."""
        after = self.after(sampler.key)
        return not any(NO_PICTURES & set(self.outputs(key)) or self.kind(key) in SAVES_VIDEO for key in after)

    def cfg(self, guide: str) -> float | None:
        """The CFG that is set in a node; None where it comes from another place."""
        saved = self.nodes[guide].node
        if saved["type"] == "BasicGuider":
            return 1.0
        linked = any(each["name"] == "cfg" and each.get("link") is not None for each in saved.get("inputs", []))
        return None if linked or saved["type"] not in CFG else float(saved["widgets_values"][CFG[saved["type"]]])


def has_text(kind: str) -> bool:
    """Whether nodes of a class have a text box."""
    node = comfy_nodes.NODE_CLASS_MAPPINGS.get(kind)
    inputs = node.INPUT_TYPES() if node else {}
    specs = [spec for part in ("required", "optional") for spec in inputs.get(part, {}).values()]
    return any(spec[0] == "STRING" and len(spec) > 1 and spec[1].get("multiline") for spec in specs)


def takes_whole_lists(kind: str) -> bool:
    """Whether ComfyUI runs nodes of a class once for all prompts."""
    return bool(getattr(comfy_nodes.NODE_CLASS_MAPPINGS[kind], "INPUT_IS_LIST", False))


def way_of(workflow: Workflow, sampler: Sampler) -> tuple[str, str]:
    """How a sampler is served, and what makes it that hard."""
    if reason := not_shared(workflow, sampler):
        return NOT, reason
    if others := of_text_elsewhere(workflow, sampler):
        makers = ", ".join(sorted(set(others.values())))
        latents = {workflow.kind(str(link[0])) for link in workflow.inputs(sampler.key, "LATENT").values()}
        return (NOT if latents & set(others.values()) else BY_HAND), f"{makers} depends on the text"
    if reason := not_swapped(workflow, sampler):
        return SHARE, reason
    between = workflow.encoding(sampler.guide) - sampler.encoders
    return (TEMPLATE, ", ".join(sorted(set(map(workflow.kind, between))))) if between else (SWAPPED, "")


def not_shared(workflow: Workflow, sampler: Sampler) -> str:
    """What the rules of Share Sampling do not know of a sampler; empty if it is served."""
    of_text = workflow.of_text(sampler)
    model = workflow.before([[sampler.guide, 0]], "MODEL", "GUIDER")
    kinds = {workflow.kind(key) for key in of_text | model}
    if unknown := kinds - comfy_nodes.NODE_CLASS_MAPPINGS.keys():
        return f"nodes of others: {', '.join(sorted(unknown))}"
    if lists := {kind for kind in kinds if takes_whole_lists(kind)}:
        return f"nodes that take whole lists: {', '.join(sorted(lists))}"
    if workflow.is_later(sampler):
        return ""  # it runs once per prompt
    for kind, known in ((sampler.key, SAMPLERS), (sampler.guide, SAMPLERS | GUIDERS)):
        if workflow.kind(kind) not in known:
            return workflow.kind(kind)
    for part, known in PARTS.items():
        for link in workflow.inputs(sampler.key, part).values():
            if workflow.kind(str(link[0])) not in known:
                return workflow.kind(str(link[0]))
    return ""


def of_text_elsewhere(workflow: Workflow, sampler: Sampler) -> dict[str, str]:
    """What else differs by prompt than the conditionings and latent of a sampler: types, and the nodes that make it."""
    if workflow.is_later(sampler):
        return {}
    of_text = workflow.of_text(sampler)
    others = {}
    for key in {sampler.key, sampler.guide}:
        sockets = workflow.inputs(key, "CONDITIONING", "LATENT", "GUIDER")
        for name, link in workflow.inputs(key).items():
            if name not in sockets and str(link[0]) in of_text:
                others[workflow.outputs(str(link[0]))[link[1]]] = workflow.kind(str(link[0]))
    return others


def not_swapped(workflow: Workflow, sampler: Sampler) -> str:
    """Why the SAGE samplers cannot take the place of a sampler and its encoder; empty if they can."""
    guide, encoders = workflow.kind(sampler.guide), {workflow.kind(key) for key in sampler.encoders}
    if workflow.is_later(sampler) or any(workflow.is_later(each) for each in workflow.samplers):
        return "several samplers in a row"
    if guide not in {"KSampler", "BasicGuider", "CFGGuider"}:
        return guide
    if encoders != {"CLIPTextEncode"} or len(sampler.encoders) > 1:
        return ", ".join(sorted(encoders))
    if changed := CHANGES_TEXT & {workflow.kind(key) for key in workflow.encoding(sampler.guide)}:
        return ", ".join(sorted(changed))
    if sampler.encoders & workflow.encoding(sampler.guide, negative=True) and workflow.cfg(sampler.guide) != 1.0:
        return "a negative per prompt"
    return "" if workflow.makes_pictures(sampler) else "video or sound"


def nodes_of_text(workflow: Workflow) -> set[str]:
    """The classes of the nodes that a text goes through to a sampler, and of the samplers."""
    keys: set[str] = set()
    for sampler in workflow.samplers:
        keys |= workflow.of_text(sampler) & workflow.before([[sampler.key, 0]])
    return set(map(workflow.kind, keys))


def workflows() -> Iterator[tuple[dict[str, Any], Workflow]]:
    """All templates: what the index says of each, and the graph."""
    folder = resources.files(PACKAGE) / "templates"
    for category in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        for entry in category["templates"]:
            saved = json.loads((folder / f"{entry['name']}.json").read_text(encoding="utf-8"))
            yield entry, Workflow(saved)


def judged(entry: dict[str, Any], workflow: Workflow) -> Template:
    """A template with its hardest sampler."""
    ways = [way_of(workflow, sampler) for sampler in workflow.samplers]
    way, reason = max(ways, key=lambda way: WAYS.index(way[0]))
    return Template(entry["name"], entry["usage"], way, reason, way != NOT and nodes_of_text(workflow) <= RUN)


def table(found: list[Template]) -> str:
    """Templates and usage by way, as Markdown."""
    counted = [each for each in found if each.usage < SET_USAGE]
    lines = ["| | templates | by usage | by usage, with MiniMax H3 | all nodes run in a test, by usage |",
             "|---|---|---|---|---|"]  # fmt: skip
    for way in WAYS:
        of_way = [each for each in found if each.way == way]
        cells = [len(of_way) / len(found), usage(counted, way) / usage(counted), usage(found, way) / usage(found)]
        run = usage([each for each in counted if each.is_run], way) / usage(counted)
        lines.append(f"| {way} | {len(of_way)} ({cells[0]:.0%}) | {cells[1]:.1%} | {cells[2]:.1%} | {run:.1%} |")
    return "\n".join(lines)


def usage(found: list[Template], way: str | None = None) -> int:
    """How often templates are used, all of them or those of a way."""
    return sum(each.usage for each in found if way in (None, each.way))


def reasons(found: list[Template]) -> str:
    """What makes templates hard, the most used first, as Markdown."""
    of: dict[tuple[str, str], list[Template]] = defaultdict(list)
    for each in found:
        of[each.way, each.reason].append(each)
    lines = ["| | because of | templates | usage |", "|---|---|---|---|"]
    for (way, reason), each in sorted(of.items(), key=lambda item: (WAYS.index(item[0][0]), -usage(item[1]))):
        lines.append(f"| {way} | {reason} | {len(each)} | {usage(each):,} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="every template, with the reason")
    options = parser.parse_args()
    asyncio.run(comfy_nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=True))
    every = list(workflows())
    found = [judged(entry, workflow) for entry, workflow in every if workflow.samplers]
    found.sort(key=lambda each: (WAYS.index(each.way), -each.usage))
    unguided = sum(bool(workflow.guides) and not workflow.samplers for _, workflow in every)
    print(
        f"{PACKAGE} {metadata.version(PACKAGE)}: {len(every)} templates, {len(found)} of them sample from a text on "
        f"this machine, {unguided} sample without a text, {len(every) - len(found) - unguided} do not sample here.\n"
    )
    print(f"{table(found)}\n\n{reasons(found)}")
    if options.list:
        for each in found:
            print(each.usage, each.name, each.way, each.reason, "run" if each.is_run else "not run", sep=" | ")


if __name__ == "__main__":
    main()
