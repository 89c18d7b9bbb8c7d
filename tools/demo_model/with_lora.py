"""The demo model with a LoRA of its own kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
from comfyui_sage.sage_core.demo.model import load_demo_model


def load_with_lora(lora: Path) -> tuple[Any, Any, Any]:
    """The MODEL with the LoRA, and the demo model's CLIP and VAE.

    Raises:
        ValueError: the LoRA is missing or damaged.
    """
    model, clip, vae = load_demo_model()
    try:
        state = comfy.utils.load_torch_file(str(lora), safe_load=True)
    except Exception as error:
        raise ValueError(f"demo model: the LoRA at {lora} is missing or damaged ({error}).") from error
    return comfy.sd.load_lora_for_models(model, None, state, 1.0, 0.0)[0], clip, vae
