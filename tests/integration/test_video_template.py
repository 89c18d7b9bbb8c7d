"""The template for video clips in a running ComfyUI, with small random networks in the files that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from comfyui_server import Graph, Server
from install_comfyui import REPO
from models import video
from safetensors.torch import save_file
from workflow_models import wan_vae
from workflow_to_api import to_api

TEMPLATE = REPO / "example_workflows" / "10 Share Sampling, video clips (your model).json"
SMALL = {"width": 64, "height": 48, "length": 9}
WAN = {"dim": 128, "num_heads": 1, "text_dim": 4096}
"""A width that ComfyUI finds out from the weights."""
CLIPS = ["red-fox", "grey-wolf", "white-horse", "at-sunset", "at-night", "in-thick-fog"]


def inputs_of(graph: Graph, kind: str) -> dict[str, Any]:
    (node,) = [node for node in graph.values() if node["class_type"] == kind]
    return node["inputs"]


def template_graph(server: Server) -> Graph:
    """The template's graph for small clips. The demo model's text encoder is as wide as Wan's, which has one size."""
    graph = to_api(json.loads(TEMPLATE.read_text("utf-8")), server.get("/object_info"))
    inputs_of(graph, "EmptyHunyuanLatentVideo").update(SMALL)
    (loader,) = [key for key, node in graph.items() if node["class_type"] == "CLIPLoader"]
    del graph[loader]
    graph["demo"] = {"class_type": "SageDemoModel", "inputs": {}}
    for node in graph.values():
        if node["class_type"] == "CLIPTextEncode":
            node["inputs"]["clip"] = ["demo", 1]
    return graph


def save_weights(network: torch.nn.Module, server: Server, folder: str, name: str) -> None:
    """Where ComfyUI looks for models besides its own folders."""
    path = server.images / folder / name
    path.parent.mkdir(exist_ok=True)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)


def frames(path: Path) -> np.ndarray:
    """(frames, height, width, 3)."""
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def test_a_clip_per_prompt(server: Server) -> None:
    graph = template_graph(server)
    network = video(**WAN).model.diffusion_model
    save_weights(network, server, "diffusion_models", inputs_of(graph, "UNETLoader")["unet_name"])
    save_weights(wan_vae().first_stage_model, server, "vae", inputs_of(graph, "VAELoader")["vae_name"])
    outputs = server.queue(graph)
    (saved,) = [output for output in outputs.values() if "images" in output]
    (report,) = [output["text"][0] for output in outputs.values() if "text" in output]
    assert report.startswith("6 prompts")
    files = server.files(saved)
    assert all(clip in path.name for clip, path in zip(CLIPS, files, strict=True)), files
    clips = [frames(path) for path in files]
    assert {clip.shape for clip in clips} == {(9, 48, 64, 3)}
    assert len({clip.tobytes() for clip in clips}) == len(clips)
