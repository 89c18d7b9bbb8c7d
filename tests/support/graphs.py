"""Graphs of the demo model in the API's format, for tests with a live server."""

from __future__ import annotations

from typing import Any

from comfyui_server import Graph

PROMPTS = "a {red|blue} car in the snow\na small boat on the sea"


def sage_graph(**sampler: Any) -> Graph:
    """Three prompts through the demo model to saved images and a shown report, as the API takes it."""
    settings = {"seed": 1, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "simple",
                "denoise": 1.0, "share": 0.5}  # fmt: skip
    wires = {"model": ["1", 0], "groups": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]}
    grouping = {"encoder": "clip", "threshold_mode": "auto", "threshold": 0.8, "max_group_size": 0,
                "group_condition": "mean"}  # fmt: skip
    return {
        "1": {"class_type": "SageDemoModel", "inputs": {}},
        "2": {
            "class_type": "SageSemanticGroupPrompts",
            "inputs": {"clip": ["1", 1], "prompts": PROMPTS, **grouping},
        },
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
        "4": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 128, "height": 64, "batch_size": 2}},
        "5": {"class_type": "SageKSampler", "inputs": {**wires, **settings, **sampler}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "sage"}},
        "8": {"class_type": "PreviewAny", "inputs": {"source": ["5", 1]}},
    }


def split_graph() -> Graph:
    """The same through a prefix (node 5) and its branch (node 21)."""
    graph = sage_graph()
    graph["5"]["class_type"] = "SageSharedKSamplerPrefix"
    graph["21"] = {"class_type": "SageBranchKSampler", "inputs": {"model": ["1", 0], "prefix": ["5", 0]}}
    graph["6"]["inputs"]["samples"] = ["21", 0]
    graph["8"]["inputs"]["source"] = ["21", 1]
    return graph
