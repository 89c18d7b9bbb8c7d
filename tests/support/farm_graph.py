"""Graphs of the demo model that the farm can render, in the API format."""

from __future__ import annotations

from typing import Any

Graph = dict[str, dict[str, Any]]
_GROUPING = {"threshold_mode": "auto", "threshold": 0.8, "max_group_size": 0, "group_condition": "auto"}
_SAMPLER = {"seed": 1, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
_SHARING = {"share": 0.5, "share_mode": "auto", "correction": "on"}


def farm_graph(**sampler: Any) -> Graph:
    """Groups, prefix, and Branch and Save, with a preview that is no part of what is saved."""
    grouping = {"prompts": "of the page", "encoder": "clip", **_GROUPING}
    settings = {**_SAMPLER, **_SHARING, **sampler}
    wires = {"model": ["1", 0], "groups": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]}
    saved = {"model": ["1", 0], "prefix": ["5", 0], "vae": ["1", 2], "filename_prefix": "SAGE/image"}
    return {
        "1": {"class_type": "SageDemoModel", "inputs": {}},
        "2": {"class_type": "SageSemanticGroupPrompts", "inputs": {"clip": ["1", 1], **grouping}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
        "4": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 2}},
        "5": {"class_type": "SageSharedKSamplerPrefix", "inputs": {**wires, **settings}},
        "6": {"class_type": "SageBranchSave", "inputs": saved},
        "7": {"class_type": "PreviewAny", "inputs": {"source": ["5", 1]}},
    }


def one_node_graph() -> Graph:
    """SAGE KSampler, and ComfyUI's Save Image."""
    graph = farm_graph()
    graph["5"]["class_type"] = "SageKSampler"
    graph["6"] = {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}}
    graph["7"] = {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "SAGE/image"}}
    return graph


def share_graph() -> Graph:
    """A Prompt List with a negative for each, and two passes of Share Sampling and KSampler, with pixels between."""
    first = {"model": ["1", 0], "positive": ["3", 0], "negative": ["4", 0], "latent_image": ["5", 0]}
    second = {**first, "positive": ["6", 1], "negative": ["6", 2], "latent_image": ["13", 0], "groups": ["6", 4]}
    sharing = {**_SHARING, **_GROUPING, "encoder": "own"}

    def sampler(shared: str, **settings: Any) -> dict[str, Any]:
        names = ("model", "positive", "negative", "latent_image")
        wires = {name: [shared, output] for output, name in enumerate(names)}
        return {"class_type": "KSampler", "inputs": {**wires, **_SAMPLER, **settings}}

    return {
        "1": {"class_type": "SageDemoModel", "inputs": {}},
        "2": {"class_type": "SagePromptList", "inputs": {"prompts": "of the page", "negative": "a tree"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ["2", 0]}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ["2", 1]}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 2}},
        "6": {"class_type": "SageShare", "inputs": {**first, "prompts": ["2", 0], **sharing}},
        "7": sampler("6"),
        "12": {"class_type": "VAEDecode", "inputs": {"samples": ["7", 0], "vae": ["1", 2]}},
        "13": {"class_type": "VAEEncode", "inputs": {"pixels": ["12", 0], "vae": ["1", 2]}},
        "8": {"class_type": "SageShare", "inputs": {**second, **sharing, "latent_rows": "prompts"}},
        "9": sampler("8", denoise=0.5),
        "10": {"class_type": "VAEDecode", "inputs": {"samples": ["9", 0], "vae": ["1", 2]}},
        "11": {"class_type": "SageSaveImages", "inputs": {
            "images": ["10", 0], "groups": ["8", 4], "filename_prefix": "SAGE/image",
        }},
    }  # fmt: skip


def split_graph() -> Graph:
    """As `share_graph`, with one pass, and with Split by Prompt and ComfyUI's Save Image, named after the prompts."""
    graph = share_graph()
    graph["8"] = {"class_type": "SageSplitByPrompt", "inputs": {"groups": ["6", 4], "latent": ["7", 0]}}
    graph["10"]["inputs"]["samples"] = ["8", 0]
    graph["11"] = {"class_type": "SaveImage", "inputs": {"images": ["10", 0], "filename_prefix": ["2", 2]}}
    for other in ("9", "12", "13"):
        del graph[other]
    return graph
