"""Tiny models of the kinds that ComfyUI's templates use besides those of `models`: editing, video, sound, songs.

Made as there: ComfyUI's own classes, very narrow, with seeded weights. Older versions of ComfyUI lack some of them.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable

import comfy.ldm.flux.redux
import comfy.ldm.lightricks.vae.causal_video_autoencoder
import comfy.ldm.wan.vae
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.supported_models as configs
import comfy.supported_models_base
import comfy.text_encoders.qwen_image
import torch
from models import CPU, INPUTS, WAN, fill, patcher_of, video

WIDTH = 48
"""Of the text embeddings."""


@functools.lru_cache
def wan_picture() -> comfy.model_patcher.ModelPatcher:
    """Wan 2.2's experts: besides the video, the first picture and a mask go in."""
    return video(in_dim=36)


@functools.lru_cache
def wan_vace() -> comfy.model_patcher.ModelPatcher:
    """Wan VACE: a video to follow goes through blocks of its own."""
    config = {**WAN, "model_type": "vace", "vace_layers": 1, "vace_in_dim": 96}
    return patcher_of(configs.WAN21_Vace(config))


@functools.lru_cache
def wan_scail() -> comfy.model_patcher.ModelPatcher:
    """SCAIL 2: a reference picture, and a video of poses."""
    return patcher_of(configs.WAN21_SCAIL2({**WAN, "model_type": "scail2", "in_dim": 20}))


@functools.lru_cache
def wan_blocks() -> comfy.model_patcher.ModelPatcher:
    """Causal Forcing: a video is made block by block, and the network remembers the blocks before."""
    return patcher_of(configs.WAN21_CausalAR_T2V({**WAN, "causal_ar": True}))


@functools.lru_cache
def qwen_image() -> comfy.model_patcher.ModelPatcher:
    """Qwen Image (Edit): the tokens of pictures after those of the latent, text of any length."""
    return patcher_of(configs.QwenImage({
        "image_model": "qwen_image", "in_channels": 64, "out_channels": 16, "num_layers": 1, "attention_head_dim": 32,
        "num_attention_heads": 2, "joint_attention_dim": WIDTH, "axes_dims_rope": (8, 12, 12),
    }))  # fmt: skip


@functools.lru_cache
def songs() -> comfy.model_patcher.ModelPatcher:
    """ACE-Step: tags as the text, lyrics as an extra. Its encoder of lyrics has one width only; one block is enough."""
    config = configs.ACEStep({
        "audio_model": "ace", "num_layers": 1, "attention_head_dim": 32, "num_attention_heads": 2,
        "text_embedding_dim": WIDTH, "lyric_hidden_size": 1024, "ssl_encoder_depths": [], "ssl_names": [],
        "ssl_latent_dims": [],
    })  # fmt: skip

    def one_block(network: torch.nn.Module) -> None:
        network.lyric_encoder.encoders = network.lyric_encoder.encoders[:1]

    return patcher_of(config, changed=one_block)


@functools.lru_cache
def video_with_sound() -> comfy.model_patcher.ModelPatcher:
    """LTX-2: nested latents of video and sound."""
    return patcher_of(configs.LTXAV({
        "image_model": "ltxav", "cross_attention_dim": 64, "audio_cross_attention_dim": 32, "attention_head_dim": 32,
        "audio_attention_head_dim": 16, "num_attention_heads": 2, "audio_num_attention_heads": 2,
        "caption_channels": WIDTH, "num_layers": 1, "connector_num_layers": 1, "connector_num_attention_heads": 2,
        "connector_attention_head_dim": WIDTH // 2,
    }))  # fmt: skip


@functools.lru_cache
def minimax() -> comfy.model_patcher.ModelPatcher:
    """MiniMax H3: nested latents of video and sound, one row at a time."""
    return patcher_of(configs.MiniMaxH3({
        "image_model": "minimax_h3", "hidden_size": 64, "num_layers": 1, "token_refiner_num_layers": 1,
        "num_attention_heads": 2, "attention_head_dim": 32, "ffn_hidden_size": 64, "text_dim": WIDTH,
        "timestep_input_dim": 64, "time_embed_hidden_size": 64, "time_embed_dim": 32, "rope_inv_freq_len": 4,
    }))  # fmt: skip


WORKFLOW_MODELS: dict[str, Callable[[], comfy.model_patcher.ModelPatcher]] = {
    "wan_picture": wan_picture,
    "wan_vace": wan_vace,
    "qwen_image": qwen_image,
    "songs": songs,
    **({"wan_blocks": wan_blocks} if hasattr(configs, "WAN21_CausalAR_T2V") else {}),
    **({"wan_scail": wan_scail} if hasattr(configs, "WAN21_SCAIL2") else {}),
    **({"video_with_sound": video_with_sound} if hasattr(configs, "LTXAV") else {}),
    **({"minimax": minimax} if hasattr(configs, "MiniMaxH3") else {}),
}


# --- encoders and VAEs -----------------------------------------------------------------------------------


@functools.lru_cache
def wan_vae() -> comfy.sd.VAE:
    """The VAE of Wan and Qwen Image: 8 pixels a latent pixel, the first frame and then 4 frames a latent frame."""
    with torch.inference_mode(False):
        shape = {"dim": 8, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "temperal_downsample": [False, True, True]}
        return comfy.sd.VAE(
            sd=fill(comfy.ldm.wan.vae.WanVAE(**shape), seed=0).state_dict(), device=CPU, dtype=torch.float32
        )


def qwen_clip() -> comfy.sd.CLIP:
    """The encoder of Qwen Image Edit, one thin layer for texts and one for pictures."""
    target = comfy.text_encoders.qwen_image
    return _language_model(target.QwenImageTokenizer, target.te(), "qwen25_7b")


def minimax_clip() -> comfy.sd.CLIP:
    """The encoder of MiniMax H3."""
    target = importlib.import_module("comfy.text_encoders.minimax")  # older versions of ComfyUI have none
    return _language_model(target.MiniMaxH3Tokenizer, target.te(), "qwen3vl_32b")


@functools.lru_cache
def _language_model(tokenizer: type, model: type, name: str) -> comfy.sd.CLIP:
    thin = {
        "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1,
        "num_key_value_heads": 1,
    }  # fmt: skip
    options = {f"{name}_model_config": thin, "dtype": torch.float32, "load_device": CPU, "offload_device": CPU}
    with torch.inference_mode(False):
        clip = comfy.sd.CLIP(comfy.supported_models_base.ClipTarget(tokenizer, model), model_options=options)
        network = getattr(clip.cond_stage_model, name).transformer
        network.visual.blocks = network.visual.blocks[:1]
        fill(network, seed=0)
    return clip


@functools.lru_cache
def redux() -> comfy.sd.StyleModel:
    """Flux Redux: tokens of a picture, as wide as the text of `flux`."""
    with torch.inference_mode(False):
        network = comfy.ldm.flux.redux.ReduxImageEncoder(redux_dim=16, txt_in_features=INPUTS["flux"].width)
        return comfy.sd.StyleModel(fill(network, seed=0))


@functools.lru_cache
def video_vae() -> comfy.sd.VAE:
    """The VAE of LTX-2: 32 pixels a latent pixel, the first frame and then 8 frames a latent frame."""
    down = ["compress_all", 1]
    config = {
        "dims": 3, "latent_channels": 128, "blocks": [["res_x", 1], down, ["res_x_y", 1], down, down, ["res_x", 1]],
        "patch_size": 4, "latent_log_var": "uniform", "norm_layer": "pixel_norm", "encoder_base_channels": 8,
        "decoder_base_channels": 8,
    }  # fmt: skip
    with torch.inference_mode(False):
        network = comfy.ldm.lightricks.vae.causal_video_autoencoder.VideoVAE(config=config)
        weights = fill(network, seed=0).state_dict()
        weights |= {name: torch.ones_like(value) for name, value in weights.items() if name.endswith("std-of-means")}
        weights |= {name: torch.zeros_like(value) for name, value in weights.items() if name.endswith("mean-of-means")}
        return comfy.sd.VAE(weights, CPU, dtype=torch.float32, metadata={"config": json.dumps({"vae": config})})


@functools.lru_cache
def video_upscaler() -> comfy.model_patcher.ModelPatcher:
    """LTX-2's upscaler: videos twice as wide and high."""
    upsampler = importlib.import_module("comfy.ldm.lightricks.latent_upsampler")
    shape = {"in_channels": 128, "mid_channels": 32, "num_blocks_per_stage": 1, "dims": 3}
    with torch.inference_mode(False):
        network = fill(upsampler.LatentUpsampler.from_config(shape, operations=comfy.ops.disable_weight_init), seed=0)
        return comfy.model_patcher.CoreModelPatcher(network, load_device=CPU, offload_device=CPU)
