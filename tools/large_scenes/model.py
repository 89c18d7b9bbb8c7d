"""The demo model with a LoRA for large scenes, and the judge that has learnt to look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfyui_sage.sage_core.demo.judge import DemoJudge, load_demo_judge
from demo_model.with_lora import load_with_lora

DATA = Path(__file__).resolve().parents[2] / "benchmarks" / "data"
LORA, JUDGE = DATA / "large_scenes_lora_f16.safetensors", DATA / "large_scenes_judge_f16.safetensors"


def load_large_scenes_model(lora: Path = LORA) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE, see `load_with_lora`; latents are 24 x 24."""
    return load_with_lora(lora)


def load_large_scenes_judge(weights: Path = JUDGE) -> DemoJudge:
    """The judge for pictures of 192 x 192 pixels, see `load_demo_judge`."""
    return load_demo_judge(weights)
