"""The demo model with a LoRA for few steps at CFG 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo_model.with_lora import load_with_lora

LORA = Path(__file__).resolve().parents[2] / "benchmarks" / "data" / "demo_few_steps_lora_f16.safetensors"


def load_few_step_model(lora: Path = LORA) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE, see `load_with_lora`."""
    return load_with_lora(lora)
