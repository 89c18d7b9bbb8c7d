"""The models that a benchmark can render with. Import it after `comfyui.load`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.demo.video import load_demo_video_model
from demo_model.variance_exploding import load_demo_model_ve
from few_step_model.model import load_few_step_model
from unet_model.model import load_unet_model

MODELS: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "demo": load_demo_model, "demo_ve": load_demo_model_ve, "few_steps": load_few_step_model,
    "unet": load_unet_model, "video": load_demo_video_model,
}  # fmt: skip
"""MODEL, CLIP and VAE: the demo model; the same on Stable Diffusion 1.5's sigmas; the same with a LoRA for few steps at
CFG 1; the UNet of benchmarks/data; and the demo model for clips.
"""
