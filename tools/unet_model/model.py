"""The model of Stable Diffusion 1.5's family, as ComfyUI runs it: a UNet that predicts the noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import comfy.utils
import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from demo_model.encoded_texts import GIVEN_WIDTH, TEXT_WIDTH

WEIGHTS = Path(__file__).resolve().parents[2] / "benchmarks" / "data" / "unet_model_f16.safetensors"
CHANNELS = 16
"""Of the demo model's latents, 16 x 16 of them."""
UNET: dict[str, Any] = {
    "image_size": 16, "in_channels": CHANNELS, "out_channels": CHANNELS, "model_channels": 64, "channel_mult": [1, 2],
    "num_res_blocks": [0, 1], "transformer_depth": [1], "transformer_depth_output": [0, 1, 1],
    "transformer_depth_middle": 1, "use_spatial_transformer": True, "use_linear_in_transformer": False,
    "adm_in_channels": None, "use_checkpoint": False, "legacy": False, "use_temporal_attention": False,
}  # fmt: skip
"""As ComfyUI would read it from a checkpoint, which its loader takes at full width only."""


def load_unet_model(weights: Path = WEIGHTS) -> tuple[Any, Any, Any]:
    """The MODEL (a UNet, noise prediction, discrete schedule), and the demo model's CLIP and VAE.

    Raises:
        ValueError: the weights are missing or damaged.
    """
    try:
        model = unet_model(comfy.utils.load_torch_file(str(weights), safe_load=True))
    except Exception as error:
        raise ValueError(f"unet model: the weights at {weights} are missing or damaged ({error}).") from error
    _, clip, vae = load_demo_model()
    return model, clip, vae


def unet_model(state: dict[str, torch.Tensor]) -> Any:
    """The MODEL of the UNet's stored weights; the columns for text that are zero are not stored."""
    config = family(GIVEN_WIDTH)
    config.latent_format = comfy.latent_formats.SD3()
    model = comfy.model_base.BaseModel(config, comfy.model_base.ModelType.EPS)
    padded = {
        key: torch.nn.functional.pad(value, (0, GIVEN_WIDTH - TEXT_WIDTH))
        if key.endswith(("attn2.to_k.weight", "attn2.to_v.weight")) else value
        for key, value in state.items()
    }  # fmt: skip
    model.diffusion_model.load_state_dict(padded)
    return comfy.model_patcher.ModelPatcher(
        model, comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    )


def family(text_width: int) -> Any:
    """ComfyUI's description of the family, for a UNet of this size in full precision."""
    config = comfy.supported_models.SD15({**UNET, "context_dim": text_width})
    config.set_inference_dtype(torch.float32, None)
    return config
