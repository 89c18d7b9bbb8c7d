"""Prompt List, Share Sampling and Split by Prompt around ComfyUI's own nodes, in a running ComfyUI."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from comfyui_sage.nodes.share import ShareSampling
from comfyui_server import Graph, Server, ServerError
from models import MODELS, conditioning
from PIL import Image
from reference import SETTINGS, assert_equal, comfy_ksampler, different, small

import nodes as comfy_nodes

TEXTS = ("a red car in the snow", "a blue car in the snow", "a small boat on the sea")
PROMPTS = "a {red|blue} car in the snow\na small boat on the sea"
KSAMPLER = {"seed": 1, "steps": 4, "cfg": 4.0, "sampler_name": "dpmpp_2m", "scheduler": "simple", "denoise": 1.0}


def shared_graph(text: str = PROMPTS, **share: Any) -> Graph:
    """Prompts through ComfyUI's text encoder and KSampler; one saved file per prompt."""
    return {
        "1": {"class_type": "SageDemoModel", "inputs": {}},
        "2": {"class_type": "SagePromptList", "inputs": {"prompts": text, "negative": "blurry"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ["2", 0]}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ["2", 1]}},
        "5": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 128, "height": 64, "batch_size": 2}},
        "6": {
            "class_type": "SageShare",
            "inputs": {"model": ["1", 0], "positive": ["3", 0], "latent_image": ["5", 0], "negative": ["4", 0],
                       "prompts": ["2", 0], "share": 0.5, **share},
        },
        "7": {
            "class_type": "KSampler",
            "inputs": {"model": ["6", 0], "positive": ["6", 1], "negative": ["6", 2], "latent_image": ["6", 3],
                       **KSAMPLER},
        },
        "8": {"class_type": "SageSplitByPrompt", "inputs": {"groups": ["6", 4], "latent": ["7", 0]}},
        "9": {"class_type": "VAEDecode", "inputs": {"samples": ["8", 0], "vae": ["1", 2]}},
        "10": {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": ["2", 2]}},
        "11": {"class_type": "PreviewAny", "inputs": {"source": ["6", 5]}},
    }  # fmt: skip


def alone_graph(prompt: str) -> Graph:
    """The same for one prompt, with ComfyUI's nodes only."""
    graph = shared_graph()
    graph["3"]["inputs"]["text"], graph["4"]["inputs"]["text"] = prompt, "blurry"
    graph["7"]["inputs"].update(model=["1", 0], positive=["3", 0], negative=["4", 0], latent_image=["5", 0])
    graph["9"]["inputs"]["samples"], graph["10"]["inputs"]["filename_prefix"] = ["7", 0], "alone"
    return {key: graph[key] for key in ("1", "3", "4", "5", "7", "9", "10")}


def pixels(server: Server, graph: Graph) -> np.ndarray:
    """All saved pictures, (number, height, width, 3)."""
    return np.stack([np.asarray(Image.open(path), float) for path in server.files(server.queue(graph)["10"])])


def test_the_pictures_of_a_plain_graph_at_share_0(server: Server) -> None:
    alone = [pixels(server, alone_graph(text)) for text in TEXTS]
    assert np.abs(pixels(server, shared_graph(share=0.0)) - np.concatenate(alone)).max() <= 1


def test_a_file_per_prompt_and_variation(server: Server) -> None:
    names = [path.name for path in server.files(server.queue(shared_graph())["10"])]
    slugs = [text.replace(" ", "-") for text in TEXTS for _ in range(2)]
    assert all(name.startswith(slug) for name, slug in zip(names, slugs, strict=True))


def test_one_run_of_the_sampler_for_all(server: Server) -> None:
    out = server.queue(shared_graph())
    assert len(out["10"]["images"]) == 6
    assert out["11"]["text"][0].startswith("3 prompts x 2 variations: every prompt begins from the same latent.")
    assert "a blue car in the snow" in out["11"]["text"][0]


@pytest.mark.parametrize(("inputs", "message"), [
    ({"share": 2.0}, "share"),
    ({"prompts": "only one"}, "prompts: expected one per positive, which are 3, got 1"),
    ({"encoder": "sentence"}, "encoder_model: expected one of"),
])  # fmt: skip
def test_bad_input(server: Server, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ServerError, match=message):
        server.queue(shared_graph(**inputs))


def test_the_number_of_negatives_and_latents() -> None:
    wires = {"model": [MODELS["sd15"]()], "positive": different("sd15", 3), "latent_image": [small("sd15")]}
    two = [conditioning("sd15", seed=seed) for seed in (1, 2)]
    for wrong, message in (
        ({"negative": two}, "negative: expected one, or one for each of the 3 prompts, got 2"),
        ({"latent_image": [small("sd15")] * 2}, "latent_image: expected one, or one for each of the 3 prompts, got 2"),
        ({"positive": []}, "positive: expected at least one value, got an empty list"),
        ({"groups": [object()]}, "groups: expected the output of Semantic Group Prompts, got object"),
    ):
        with pytest.raises(ValueError, match=message):
            ShareSampling.execute(**{**wires, **wrong}, share=[0.4])


def test_a_node_without_its_optional_inputs() -> None:
    """The negative is each prompt's own conditioning, zeroed."""
    prompts, image = different("sd15", 2), small("sd15")
    inputs = {"model": [MODELS["sd15"]()], "positive": prompts, "latent_image": [image], "share": [0.0]}
    model, positive, negative, latent, *_ = ShareSampling.execute(**inputs).args
    settings = [SETTINGS[key] for key in ("seed", "steps", "cfg", "sampler_name", "scheduler")]
    images = comfy_nodes.common_ksampler(model, *settings, positive, negative, latent)[0]["samples"]
    zeroed = [comfy_nodes.ConditioningZeroOut().zero_out(prompt)[0] for prompt in prompts]
    pairs = zip(prompts, zeroed, strict=True)
    assert_equal(images, torch.cat([comfy_ksampler("sd15", one, image, negative=zero) for one, zero in pairs]))
