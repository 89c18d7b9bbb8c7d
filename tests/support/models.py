"""Tiny models with random weights, built from ComfyUI's own classes: one of every kind the engine meets.

A test names a family and gets the real ComfyUI object: ComfyUI's own network class, `BaseModel`, model
sampling, latent format and `ModelPatcher`, only very narrow. ComfyUI's *loader* insists on full widths (an
SD1.5 UNet is 320 channels or nothing, Flux on some versions 3072), so the config classes of
`comfy.supported_models` are filled in here by hand, with what the loader would have read from a checkpoint;
`test_models.py` checks that against the loader's own detection.

Weights depend on the seed and on the parameter's name alone, so every ComfyUI version gets the same numbers.
Everything is fp32 on the CPU. The factories are cached and their objects shared: use `patcher.clone()`
before changing anything.

Use it so::

    patcher = MODELS["sd15"]()
    positive, negative = conditioning("sd15", seed=1), conditioning("sd15", seed=2)
    with count_evaluations(patcher) as evaluations:
        comfy.sample.sample(patcher, noise, ..., positive, negative, latent("sd15")["samples"], seed=0)
    assert evaluations.rows == 2 * steps  # cond and uncond
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.cldm.cldm
import comfy.controlnet
import comfy.ldm.audio.embedders
import comfy.ldm.flux.model
import comfy.model_patcher
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models as configs
import comfy.supported_models_base
import comfy.taesd.taesd
import comfy.text_encoders.flux
import open_clip
import safetensors.torch
import torch

CPU = torch.device("cpu")
SIDE = 8  # latent pixels


@dataclass(frozen=True)
class Inputs:
    """What a family eats: the latent's channels and layout, the text's width and length, the extras."""

    channels: int
    width: int  # of the text embedding
    tokens: int
    pooled: int | None = None  # width of the pooled embedding; None: the family's text encoder has none
    layout: str = "image"  # image (B, C, H, W), video (B, C, T, H, W) or audio (B, C, T)
    masked: bool = False  # text of any length, with an attention mask that tells it
    guidance: float | None = None  # guidance distilled into the model


LAST_LAYERS = ("final_layer.linear", "head.head", "transformer.project_out")

INPUTS: dict[str, Inputs] = {
    "sd15": Inputs(channels=4, width=768, tokens=77, pooled=768),
    "sd2_v": Inputs(channels=4, width=1024, tokens=77, pooled=1024),
    "sdxl": Inputs(channels=4, width=2048, tokens=77, pooled=1280),
    "sd3": Inputs(channels=16, width=4096, tokens=24, pooled=2048),  # 4096: what the text encoders pad to
    "flux": Inputs(channels=16, width=64, tokens=32, pooled=768, guidance=3.5),
    "lumina": Inputs(channels=16, width=64, tokens=24, masked=True),
    "video": Inputs(channels=16, width=64, tokens=32, layout="video"),
    "audio": Inputs(channels=64, width=768, tokens=32, layout="audio"),
}


# --- weights ---------------------------------------------------------------------------------------------


def fill(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Give every parameter small seeded values, the same ones on every version.

    ComfyUI leaves weights uninitialised (a checkpoint is about to overwrite them) and trained models start
    with zeros in the last layers; both would make the output ignore the input. Matrices get unit gain,
    norms scatter around one, biases around zero. Scalars (a VAE's scale and shift) keep their value.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim:
                parameter.copy_(_values(name, parameter.shape, seed))
            parameter.requires_grad_(False)
        for name, buffer in module.named_buffers():
            if name.endswith("inv_freq"):  # rotary frequencies, which Stable Audio reads from its checkpoint
                buffer.copy_(10000.0 ** -torch.linspace(0, 1, buffer.numel()))
    return module


def _values(name: str, shape: torch.Size, seed: int) -> torch.Tensor:
    """Values of one parameter: a function of its name, so that the order of construction does not matter."""
    name = name.replace("_norm.scale", "_norm.weight")  # one and the same parameter before and after a rename
    noise = randn(*shape, seed=zlib.crc32(f"{seed}/{name}".encode()))
    if len(shape) > 1:
        return noise / shape[1:].numel() ** 0.5
    return 0.1 * noise if name.endswith(("bias", "beta")) else 1 + 0.1 * noise


def randn(*shape: int, seed: int) -> torch.Tensor:
    """Normal noise from its own generator, usable in training even when made under inference_mode."""
    with torch.inference_mode(False):
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def patcher_of(
    config: comfy.supported_models_base.BASE, checkpoint: dict[str, torch.Tensor] | None = None,
    changed: Callable[[torch.nn.Module], None] = lambda network: None,
) -> comfy.model_patcher.ModelPatcher:  # fmt: skip
    """ComfyUI's model for a config, with weights. `checkpoint` holds the keys ComfyUI looks at to build it.

    `changed` makes a network smaller that has parts of one size only.

    A whole unit of random velocity is more than there is in a picture, CFG multiplies it, and the adaptive
    sampler takes it for a hard problem: half of it keeps latents near what they are in real models.
    """
    # Inference tensors could never take part in training, and the model is cached for whoever comes next.
    with torch.inference_mode(False), torch.no_grad():
        config.set_inference_dtype(torch.float32, None)
        model = config.get_model(checkpoint or {})
        changed(model.diffusion_model)
        fill(model.diffusion_model, seed=0)
        for name, parameter in model.diffusion_model.named_parameters():
            if name.startswith(LAST_LAYERS):
                parameter *= 0.5
    return comfy.model_patcher.ModelPatcher(model, load_device=CPU, offload_device=CPU)


# --- UNets -----------------------------------------------------------------------------------------------

UNET: dict[str, Any] = {
    # What ComfyUI's detection reads from a checkpoint: one level, one residual block, one transformer, no
    # middle block. 64 channels instead of 320: SD2's attention heads are that wide.
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 64,
    "channel_mult": [1],
    "num_res_blocks": [1],
    "transformer_depth": [1],
    "transformer_depth_output": [0, 0],
    "transformer_depth_middle": -2,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "use_spatial_transformer": True,
    "use_checkpoint": False,
    "legacy": False,
    "use_temporal_resblock": False,
    "use_temporal_attention": False,
}


@functools.lru_cache
def sd15() -> comfy.model_patcher.ModelPatcher:
    """Stable Diffusion 1.5: a UNet that predicts the noise."""
    patcher = patcher_of(configs.SD15(UNET | {"context_dim": 768}))
    _predict_the_noise(patcher.model.diffusion_model, context_dim=768)
    return patcher


@functools.lru_cache
def sd2_v() -> comfy.model_patcher.ModelPatcher:
    """Stable Diffusion 2: a UNet that predicts v.

    Nothing in an SD2 checkpoint says which it is, so ComfyUI looks at the spread of one bias of the
    full-size model: over 0.09, it is the v model. This UNet has no such block; the key alone decides.
    """
    config = configs.SD20(UNET | {"context_dim": 1024, "use_linear_in_transformer": True})
    spread = torch.tensor([-1.0, 1.0])
    return patcher_of(config, {"output_blocks.11.1.transformer_blocks.0.norm1.bias": spread})


@functools.lru_cache
def sdxl() -> comfy.model_patcher.ModelPatcher:
    """SDXL: a UNet that predicts the noise, with pooled text and picture size as a vector (`y`)."""
    size = {"context_dim": 2048, "adm_in_channels": 2816, "num_classes": "sequential"}
    patcher = patcher_of(configs.SDXL(UNET | size | {"use_linear_in_transformer": True}))
    _predict_the_noise(patcher.model.diffusion_model, context_dim=2048, adm_in_channels=2816)
    return patcher


@torch.inference_mode(False)
@torch.no_grad()
def _predict_the_noise(unet: torch.nn.Module, context_dim: int, adm_in_channels: int | None = None) -> None:
    """Make an eps model denoise: its output is the input (most of it is noise) plus a random part.

    Without this the output has nothing to do with the noise, which then stays in the picture, 15 times as
    strong as any image, and drowns what the condition does. The first layer gets to look mostly at the pixel
    itself, the last block to pass that on, and one least-squares fit of the last layer does the rest.
    """
    first, last = unet.input_blocks[0][0].weight, unet.out[2].weight
    pixel = 3 * first[:, :, 1, 1]
    first *= 0.1
    first[:, :, 1, 1] = pixel
    unet.output_blocks[-1][0].skip_connection.weight[:, unet.model_channels :] *= 3

    seen = []
    with unet.out[2].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
        x = randn(16, 4, 8, 8, seed=1)
        y = None if adm_in_channels is None else randn(16, adm_in_channels, seed=2)
        unet(x, torch.linspace(999, 0, 16), context=randn(16, 77, context_dim, seed=3), y=y)
    features, target = (t.movedim(1, -1).flatten(0, -2).double() for t in (seen[0], x))
    last *= 0.3
    last[:, :, 1, 1] += torch.linalg.lstsq(features, target).solution.T.float()


def unet(**changes: Any) -> comfy.model_patcher.ModelPatcher:
    """A UNet of Stable Diffusion 1.5 with other blocks or channels."""
    config = configs.SD15({**UNET, "context_dim": 768, "num_heads": -1, "num_head_channels": 64, **changes})
    return patcher_of(config)


def two_level_unet() -> comfy.model_patcher.ModelPatcher:
    """FreeU changes the up path of deeper levels only."""
    return unet(channel_mult=[1, 4], num_res_blocks=[1, 1], transformer_depth=[1, 0],
                transformer_depth_output=[0, 0, 0, 0])  # fmt: skip


def middle_block_unet() -> comfy.model_patcher.ModelPatcher:
    """Attention guidance works on the middle block."""
    return unet(transformer_depth_middle=1)


# --- transformers ----------------------------------------------------------------------------------------


@functools.lru_cache
def sd3() -> comfy.model_patcher.ModelPatcher:
    """Stable Diffusion 3: an MMDiT, rectified flow. Its width is 64 times its depth by definition."""
    depth = 2
    config = {
        "in_channels": 16,
        "out_channels": 16,
        "patch_size": 2,
        "depth": depth,
        "input_size": None,
        "adm_in_channels": 2048,
        "context_embedder_config": {
            "target": "torch.nn.Linear",
            "params": {"in_features": 4096, "out_features": 64 * depth},
        },
        "qk_norm": "rms",
        "pos_embed_scaling_factor": None,
        "x_block_self_attn_layers": [],
    }
    return patcher_of(configs.SD3(config))


@functools.lru_cache
def flux() -> comfy.model_patcher.ModelPatcher:
    """Flux dev: rectified flow with distilled guidance, one double and one single block."""
    config = {
        "image_model": "flux",
        "in_channels": 16,
        "out_channels": 16,
        "patch_size": 2,
        "hidden_size": 64,
        "num_heads": 2,
        "axes_dim": [8, 12, 12],
        "depth": 1,
        "depth_single_blocks": 1,
        "context_in_dim": INPUTS["flux"].width,
        "vec_in_dim": 768,
        "mlp_ratio": 4.0,
        "theta": 10000,
        "qkv_bias": True,
        "guidance_embed": True,
    }
    if "txt_ids_dims" in comfy.ldm.flux.model.FluxParams.__dataclass_fields__:  # required where it exists
        config["txt_ids_dims"] = []
    return patcher_of(configs.Flux(config))


@functools.lru_cache
def lumina() -> comfy.model_patcher.ModelPatcher:
    """Lumina 2 (Z-Image is one, too): flow, with text of any length under an attention mask."""
    config = {
        "image_model": "lumina2",
        "patch_size": 2,
        "in_channels": 16,
        "dim": 64,
        "cap_feat_dim": INPUTS["lumina"].width,
        "n_layers": 1,
        "n_refiner_layers": 1,
        "n_heads": 2,
        "n_kv_heads": 1,
        "qk_norm": True,
        "axes_dims": [8, 12, 12],
        "axes_lens": [300, 512, 512],
        "multiple_of": 32,
        "ffn_dim_multiplier": 1.0,
        "rope_theta": 10000.0,
    }
    return patcher_of(configs.Lumina2(config))


WAN: dict[str, Any] = {
    "image_model": "wan2.1",
    "model_type": "t2v",
    "in_dim": 16,
    "out_dim": 16,
    "dim": 64,
    "ffn_dim": 128,
    "freq_dim": 256,
    "text_dim": INPUTS["video"].width,
    "num_heads": 2,
    "num_layers": 1,
    "patch_size": (1, 2, 2),
    "window_size": (-1, -1),
    "qk_norm": True,
    "cross_attn_norm": True,
    "eps": 1e-6,
}


@functools.lru_cache
def video(**changes: Any) -> comfy.model_patcher.ModelPatcher:
    """Wan 2.1, text to video: flow on five-dimensional latents."""
    return patcher_of(configs.WAN21_T2V({**WAN, **changes}))


@functools.lru_cache
def audio() -> comfy.model_patcher.ModelPatcher:
    """Stable Audio: continuous v prediction on three-dimensional latents, sigmas up to 500."""
    config = {
        "audio_model": "dit1.0",
        "io_channels": 64,
        "embed_dim": 64,
        "cond_token_dim": INPUTS["audio"].width,
        "project_cond_tokens": True,
        "global_cond_dim": 2 * INPUTS["audio"].width,  # start and length in seconds
        "depth": 1,
        "num_heads": 1,
    }
    with torch.inference_mode(False):
        seconds = fill(comfy.ldm.audio.embedders.NumberConditioner(768, min_val=0, max_val=512), seed=1)
    conditioner = {
        f"conditioner.conditioners.seconds_{which}.{name}": value
        for which in ("start", "total")
        for name, value in seconds.state_dict().items()
    }
    return patcher_of(configs.StableAudio(config), conditioner)


MODELS: dict[str, Callable[[], comfy.model_patcher.ModelPatcher]] = {
    "sd15": sd15,
    "sd2_v": sd2_v,
    "sdxl": sdxl,
    "sd3": sd3,
    "flux": flux,
    "lumina": lumina,
    "video": video,
    "audio": audio,
}


# --- text encoder, VAE, ControlNet -----------------------------------------------------------------------


@functools.lru_cache
def clip_l() -> comfy.sd.CLIP:
    """SD1's CLIP, full width and vocabulary but 3 thin layers: enough for clip skip -2. Fits `sd15`.

    The embeddings mean nothing, but the tokenizer is the real one: equal words give equal embeddings, and a
    prompt of more than 75 tokens comes out 154 long.
    """
    thin = {"num_hidden_layers": 3, "intermediate_size": 256}
    options = {"clip_l_model_config": thin, "dtype": torch.float32, "load_device": CPU, "offload_device": CPU}
    target = comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel)
    with torch.inference_mode(False):
        clip = comfy.sd.CLIP(target, model_options=options)
        fill(clip.cond_stage_model.clip_l.transformer, seed=0)
    return clip


@functools.lru_cache
def flux_clip() -> comfy.sd.CLIP:
    """Flux's two text encoders, T5 one thin layer of width 64: at least 256 tokens, and any number above. Fits `flux`.

    So do other encoders that are language models; only CLIP comes in pieces of 77 tokens.
    """
    t5 = {"num_layers": 1, "d_model": INPUTS["flux"].width, "d_ff": 64, "d_kv": 16, "num_heads": 2}
    thin = {"num_hidden_layers": 1, "intermediate_size": 64}
    options = {"clip_l_model_config": thin, "t5xxl_model_config": t5, "dtype": torch.float32}
    target = comfy.supported_models_base.ClipTarget(
        comfy.text_encoders.flux.FluxTokenizer, comfy.text_encoders.flux.flux_clip()
    )
    with torch.inference_mode(False):
        clip = comfy.sd.CLIP(target, model_options={**options, "load_device": CPU, "offload_device": CPU})
        fill(clip.cond_stage_model.clip_l.transformer, seed=0)
        fill(clip.cond_stage_model.t5xxl.transformer, seed=0)
    return clip


@functools.lru_cache
def vae(latent_channels: int = 4) -> comfy.sd.VAE:
    """A TAESD with random weights: 8 pixels a latent pixel. 4 channels fit `sd15`, 16 `sd3` and `flux`."""
    with torch.inference_mode(False), torch.no_grad():
        net = fill(comfy.taesd.taesd.TAESD(latent_channels=latent_channels), seed=0)
        for block in net.modules():  # unit gain in ten residual blocks would leave only black and white
            if isinstance(block, comfy.taesd.taesd.Block):
                block.conv[4].weight *= 0.5
        net.taesd_decoder[-1].weight *= 0.5
        net.taesd_decoder[-1].bias += 0.5  # middle grey
        return comfy.sd.VAE(sd=net.state_dict(), device=CPU, dtype=torch.float32)


@functools.lru_cache
def controlnet() -> comfy.controlnet.ControlNet:
    """A ControlNet for `sd15`, through ComfyUI's loader; it wants a hint of 8 pixels a latent pixel."""
    shape = UNET | {"context_dim": 768, "hint_channels": 3, "num_heads": -1, "num_head_channels": 64}
    del shape["out_channels"]
    with torch.inference_mode(False), torch.no_grad():
        net = fill(comfy.cldm.cldm.ControlNet(**shape), seed=0)
        for name, parameter in net.named_parameters():
            if name.startswith(("zero_convs", "middle_block_out")):  # a hint, where training starts at zero
                parameter *= 0.3
        control = comfy.controlnet.load_controlnet_state_dict(net.state_dict(), None, {"dtype": torch.float32})
    # The loader knows no device option, and would take a GPU where there is one.
    control.load_device = control.control_model_wrapped.load_device = CPU
    return control


# --- inputs ----------------------------------------------------------------------------------------------


@torch.inference_mode(False)
def conditioning(model_name: str, seed: int, tokens: int | None = None) -> list:
    """A random CONDITIONING as a text node would give it for that family, `tokens` long."""
    needs = INPUTS[model_name]
    tokens = tokens or needs.tokens
    extras: dict[str, Any] = {"pooled_output": None}
    if needs.pooled:
        extras["pooled_output"] = randn(1, needs.pooled, seed=zlib.crc32(f"pooled/{seed}".encode()))
    if needs.guidance is not None:
        extras["guidance"] = needs.guidance
    if needs.masked:
        extras["attention_mask"] = torch.ones(1, tokens, dtype=torch.long)
    return [[randn(1, tokens, needs.width, seed=seed), extras]]


@torch.inference_mode(False)
def latent(
    model_name: str, batch: int = 1, h: int = SIDE, w: int = SIDE, seed: int | None = None
) -> dict[str, torch.Tensor]:
    """A LATENT for that family: empty, or random with a seed. Video has 2 frames, audio is h * w long."""
    needs = INPUTS[model_name]
    size = {"image": (h, w), "video": (2, h, w), "audio": (h * w,)}[needs.layout]
    shape = (batch, needs.channels, *size)
    return {"samples": torch.zeros(shape) if seed is None else randn(*shape, seed=seed)}


# --- open_clip -------------------------------------------------------------------------------------------

OPEN_CLIP: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {},
}


def write_open_clip(folder: Path) -> Path:
    """A tiny open_clip model with random weights, as a folder that open_clip loads."""
    (folder / "open_clip_config.json").write_text(json.dumps(OPEN_CLIP))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    weights = {name: weight.contiguous() for name, weight in model.state_dict().items()}
    safetensors.torch.save_file(weights, folder / "open_clip_model.safetensors")
    return folder
