"""The models that a benchmark can render with. Import it after `comfyui.load`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from comfyui_sage.sage_core.demo.judge import DemoJudge, load_demo_judge
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.demo.video import FRAMES, load_demo_video_model
from demo_model.variance_exploding import load_demo_model_ve
from few_step_model.model import load_few_step_model
from large_scenes.model import load_large_scenes_judge, load_large_scenes_model
from unet_model.model import load_unet_model


class RenderedModel(NamedTuple):
    """
    Attributes:
        load: MODEL, CLIP and VAE.
        latent_size: of one picture or clip.
        judge: that has learnt to look at its pictures.
    """

    load: Callable[[], tuple[Any, Any, Any]]
    latent_size: tuple[int, ...] = (16, 16, 16)
    judge: Callable[[], DemoJudge] = load_demo_judge


MODELS = {
    "demo": RenderedModel(load_demo_model), "demo_ve": RenderedModel(load_demo_model_ve),
    "few_steps": RenderedModel(load_few_step_model), "unet": RenderedModel(load_unet_model),
    "video": RenderedModel(load_demo_video_model, (16, FRAMES, 16, 16)),
    "large_scenes": RenderedModel(load_large_scenes_model, (16, 24, 24), load_large_scenes_judge),
}  # fmt: skip
"""The demo model; the same on Stable Diffusion 1.5's sigmas; the same with a LoRA for few steps at CFG 1; the UNet of
benchmarks/data; the demo model for clips; and the demo model with a LoRA for two rows of things.
"""
