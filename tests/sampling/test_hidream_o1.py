"""HiDream O1: the network reads the text and the reference pictures itself, and of those the first row for all rows."""

from __future__ import annotations

from typing import Any

import comfy.sd
import comfy.supported_models
import comfy.supported_models_base
import pytest
import torch
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.grouping.conditionings import own_embeddings
from comfyui_sage.sage_core.sampling import ksampler
from models import CPU, patcher_of
from reference import SETTINGS, assert_equal, comfy_ksampler, difference, grouped

encoders = pytest.importorskip("comfy.text_encoders.hidream_o1")
nodes_hidream_o1 = pytest.importorskip("comfy_extras.nodes_hidream_o1")

TEXTS = ("a red car", "a blue car", "a green car")
IMAGE = {"samples": torch.zeros(1, 3, 64, 64)}


def model() -> Any:
    text = {
        "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 32, "rope_dims": [8, 4, 4],
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "num_heads": 2, "intermediate_size": 32, "depth": 1, "num_position_embeddings": 16,
        "deepstack_visual_indexes": (),
    }  # fmt: skip
    config = {"image_model": "hidream_o1", "text_config_overrides": text, "vision_config_overrides": vision}
    return patcher_of(comfy.supported_models.HiDreamO1(config))


def clip() -> comfy.sd.CLIP:
    target = comfy.supported_models_base.ClipTarget(encoders.HiDreamO1Tokenizer, encoders.HiDreamO1TE)
    options = {"dtype": torch.float32, "load_device": CPU, "offload_device": CPU}
    return comfy.sd.CLIP(target, model_options=options)


def test_every_prompt_sees_its_own_picture() -> None:
    encoder, network = clip(), model()
    plain = encoder.encode_from_tokens_scheduled(encoder.tokenize("blurry"))
    prompts = []
    for seed in range(3):
        positive = encoder.encode_from_tokens_scheduled(encoder.tokenize(TEXTS[0]))
        picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(seed))
        pictures = {"image_1": picture}
        made = nodes_hidream_o1.HiDreamO1ReferenceImages.execute(positive=positive, negative=plain, images=pictures)
        prompts.append(made.args[0])
        negative = made.args[1]
    settings = {**SETTINGS, "cfg": 1.0, "steps": 4}
    alone = []
    for prompt in prompts:
        # The network remembers a picture by the address of its tensor, which the next one may get.
        network.model.diffusion_model.clear_kv_cache()
        alone.append(comfy_ksampler("", prompt, IMAGE, network, negative=negative, **settings))
    network.model.diffusion_model.clear_kv_cache()
    assert difference(alone[0], alone[1]) > 1e-3
    groups = grouped(prompts, [(0, 1, 2)], group_condition="medoid")
    for share, correction in ((0.0, "off"), (1e-9, "on")):
        out, _ = ksampler.sample(network, groups, negative, IMAGE, share=share, correction=correction, **settings)
        assert_equal(out["samples"], torch.cat(alone))


def test_an_encoder_without_embeddings_is_refused() -> None:
    """It would make one group of all prompts: all tokens look alike."""
    encoder = clip()
    with pytest.raises(ValueError, match="encoder: expected a text encoder that gives embeddings"):
        build_prompt_groups(encoder, TEXTS, threshold_mode="auto", threshold=0.8, group_condition="auto")
    conditionings = [encoder.encode_from_tokens_scheduled(encoder.tokenize(text)) for text in TEXTS]
    with pytest.raises(ValueError, match="positive: expected conditionings with a text embedding"):
        own_embeddings(conditionings)
