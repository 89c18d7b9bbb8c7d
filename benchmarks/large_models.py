"""SDXL's UNet and Flux's transformer from ComfyUI's own classes, with random weights instead of trained ones.

What they take of time and memory is that of the real models; their pictures are noise. Import it after `comfyui.load`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.ldm.flux.model
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models as configs
import torch


@dataclass(frozen=True)
class LargeModel:
    """A model, and what its samplers are given.

    Attributes:
        config: ComfyUI's, of the network.
        tokens, width, pooled: of a text: tokens, their width, and the width of the pooled embedding.
        channels: of a latent.
        cfg: how the model is usually guided.
    """

    config: Any
    tokens: int
    width: int
    pooled: int
    channels: int
    cfg: float

    def network(self, device: torch.device, dtype: torch.dtype) -> Any:
        """ComfyUI's model without weights that mean anything."""
        self.config.set_inference_dtype(dtype, None)
        return self.config.get_model({}, device=device).eval()

    def patcher(self) -> comfy.model_patcher.ModelPatcher:
        """The model as a loader gives it, in bfloat16, where ComfyUI computes."""
        device = comfy.model_management.get_torch_device()
        model = self.network(device, torch.bfloat16)
        generator = torch.Generator(device).manual_seed(0)
        for parameter in model.diffusion_model.parameters():
            parameter.requires_grad_(False).normal_(0, 0.02, generator=generator)
        return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=torch.device("cpu"))

    def texts(self, count: int) -> list[list]:
        """So many different conditionings."""
        made = torch.Generator().manual_seed(1)
        return [
            [[
                torch.randn(1, self.tokens, self.width, generator=made),
                {"pooled_output": torch.randn(1, self.pooled, generator=made)},
            ]]
            for _ in range(count)
        ]  # fmt: skip

    def latent(self, side: int, rows: int = 1) -> dict[str, torch.Tensor]:
        """Empty latents of so many pictures of so many pixels in each direction."""
        return {"samples": torch.zeros(rows, self.channels, side // 8, side // 8)}


def sdxl(width: int = 320) -> LargeModel:
    """SDXL: 2.6 billion parameters at its own width, a multiple of 32."""
    config = configs.SDXL({
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": width, "channel_mult": [1, 2, 4],
        "num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10], "transformer_depth_middle": 10,
        "context_dim": 2048, "adm_in_channels": 2816, "num_classes": "sequential", "use_linear_in_transformer": True,
        "num_head_channels": 64, "num_heads": -1, "use_spatial_transformer": True, "use_checkpoint": False,
        "legacy": False, "use_temporal_resblock": False, "use_temporal_attention": False,
    })  # fmt: skip
    return LargeModel(config, tokens=77, width=2048, pooled=1280, channels=4, cfg=4.0)


def flux(width: int = 3072, depth: int = 19) -> LargeModel:
    """Flux dev: 12 billion parameters at its own width, a multiple of 128, and depth."""
    config = {
        "image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "hidden_size": width,
        "num_heads": width // 128, "axes_dim": [16, 56, 56], "depth": depth, "depth_single_blocks": 2 * depth,
        "context_in_dim": 4096, "vec_in_dim": 768, "mlp_ratio": 4.0, "theta": 10000, "qkv_bias": True,
        "guidance_embed": True,
    }  # fmt: skip
    if "txt_ids_dims" in comfy.ldm.flux.model.FluxParams.__dataclass_fields__:  # required where it exists
        config["txt_ids_dims"] = []
    return LargeModel(configs.Flux(config), tokens=256, width=4096, pooled=768, channels=16, cfg=1.0)
