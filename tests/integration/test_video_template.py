"""The templates for video clips in a running ComfyUI: with the demo model, and with small random networks in the files
that the other one names.
"""

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

EXAMPLES = REPO / "example_workflows"
YOUR_MODEL, DEMO = "10 Share Sampling, video clips (your model)", "11 Video clips (no download)"
SMALL = {"width": 64, "height": 48, "length": 9}
WAN = {"dim": 128, "num_heads": 1, "text_dim": 4096}
"""A width that ComfyUI finds out from the weights."""
CLIPS = ["red-fox", "grey-wolf", "white-horse", "at-sunset", "at-night", "in-thick-fog"]


def inputs_of(graph: Graph, kind: str) -> dict[str, Any]:
    (node,) = [node for node in graph.values() if node["class_type"] == kind]
    return node["inputs"]


def graph_of(server: Server, template: str) -> Graph:
    return to_api(json.loads((EXAMPLES / f"{template}.json").read_text("utf-8")), server.get("/object_info"))


def your_model_graph(server: Server) -> Graph:
    """The template's graph for small clips. The demo model's text encoder is as wide as Wan's, which has one size."""
    graph = graph_of(server, YOUR_MODEL)
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


def clips_of(server: Server, graph: Graph) -> tuple[str, list[str], list[np.ndarray]]:
    """The report, and the names and the frames of the saved clips."""
    outputs = server.queue(graph)
    (saved,) = [output for output in outputs.values() if "images" in output]
    (report,) = [output["text"][0] for output in outputs.values() if "text" in output]
    files = server.files(saved)
    return report, [path.name for path in files], [frames(path) for path in files]


def test_a_clip_per_prompt_of_your_model(server: Server) -> None:
    graph = your_model_graph(server)
    network = video(**WAN).model.diffusion_model
    save_weights(network, server, "diffusion_models", inputs_of(graph, "UNETLoader")["unet_name"])
    save_weights(wan_vae().first_stage_model, server, "vae", inputs_of(graph, "VAELoader")["vae_name"])
    report, names, clips = clips_of(server, graph)
    assert report.startswith("6 prompts")
    assert all(clip in name for clip, name in zip(CLIPS, names, strict=True)), names
    assert {clip.shape for clip in clips} == {(9, 48, 64, 3)}
    assert len({clip.tobytes() for clip in clips}) == len(clips)


def test_a_clip_per_prompt_of_the_demo_model(server: Server) -> None:
    graph = graph_of(server, DEMO)
    inputs_of(graph, "KSampler")["steps"] = 8
    report, names, clips = clips_of(server, graph)
    assert report.startswith("12 prompts")
    assert {clip.shape for clip in clips} == {(6, 128, 128, 3)}
    (car,) = [at for at, name in enumerate(names) if "red-car" in name]
    assert darkest(clips[car][-1]) - darkest(clips[car][0]) > 20, "the wheels go to the right"


def darkest(frame: np.ndarray) -> float:
    """Where the darkest pixels of a frame are, in pixels from the left."""
    grey = frame.mean(-1)
    return float(np.where(grey <= np.quantile(grey, 0.02))[1].mean())
