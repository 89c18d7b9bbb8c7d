"""A graph of the demo model that the farm can render, in the API format."""

from __future__ import annotations

from typing import Any


def farm_graph(**sampler: Any) -> dict[str, dict[str, Any]]:
    """Groups, prefix, and Branch and Save, with a preview that is no part of what is saved."""
    grouping = {"prompts": "of the page", "encoder": "clip", "threshold_mode": "auto", "threshold": 0.8,
                "max_group_size": 0, "group_condition": "auto"}  # fmt: skip
    settings = {"seed": 1, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0,
                "share": 0.5, "share_mode": "auto", "correction": "on", **sampler}  # fmt: skip
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
