"""The demo model with a LoRA for few steps at CFG 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
from comfyui_sage.sage_core.demo.model import load_demo_model

LORA = Path(__file__).resolve().parents[2] / "benchmarks" / "data" / "demo_few_steps_lora_f16.safetensors"


def load_few_step_model(lora: Path = LORA) -> tuple[Any, Any, Any]:
    """The MODEL with the LoRA, and the demo model's CLIP and VAE.

    Raises:
        ValueError: the LoRA is missing or damaged.
    """
    model, clip, vae = load_demo_model()
    try:
        state = comfy.utils.load_torch_file(str(lora), safe_load=True)
    except Exception as error:
        raise ValueError(f"few-step model: the LoRA at {lora} is missing or damaged ({error}).") from error
    return comfy.sd.load_lora_for_models(model, None, state, 1.0, 0.0)[0], clip, vae
