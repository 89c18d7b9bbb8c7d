"""The trainable tensors of a LoRA, made by ComfyUI's own weight adapters and applied by its model patcher."""

from __future__ import annotations

import re
from typing import Any

import torch
from comfy.weight_adapter import adapter_maps

from ..validation import check_choice

ADAPTERS = tuple(adapter_maps)
# Names of layers, in the words that the host's models use (Flux's linear1 and linear2 are both in one).
LAYERS = {
    "attention": r"attn|attention|to_[qkv]|qkv|linear1|linear2",
    "attention and feed-forward": r"attn|attention|to_[qkv]|qkv|linear1|linear2|mlp|\bff|ffn|feed_forward",
    "all": r"",
}


def add_adapters(
    patcher: Any, *, kind: str, rank: int, alpha: float, layers: str, seed: int, dtype: torch.dtype = torch.float32
) -> dict[str, torch.nn.Parameter]:
    """Gives every chosen layer an adapter that changes nothing yet.

    Args:
        patcher: a ModelPatcher of its own; its layers' weights pass through the adapters from the next load on.
        seed: of the initial values.

    Returns:
        The trainable tensors by the names that the host's LORA_MODEL has (``diffusion_model.x.lora_up.weight``);
        alphas among them, which do not learn.

    Raises:
        ValueError: no layer of the model has such a name.
    """
    check_choice("adapter", kind, ADAPTERS)
    check_choice("layers", layers, tuple(LAYERS))
    found: dict[str, torch.nn.Parameter] = {}
    modules = adaptable(patcher.model, layers)
    if not modules:
        raise ValueError(f"layers: the model has none that are called {layers}. Choose all.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in modules.items():
            weight = torch.empty(module.weight.shape, device="cpu", dtype=torch.float32)
            adapter = adapter_maps[kind].create_train(weight, rank=rank, alpha=alpha).to(dtype).train()
            patcher.add_weight_wrapper(f"{name}.weight", adapter)
            found.update({f"{name}.{part}": tensor for part, tensor in adapter.named_parameters()})
    return found


def adaptable(model: torch.nn.Module, layers: str) -> dict[str, Any]:
    """Layers with a weight matrix that the host can change while it runs."""
    pattern = re.compile(LAYERS[layers])
    return {
        name: module
        for name, module in model.named_modules()
        if hasattr(module, "weight_function") and getattr(module.weight, "ndim", 0) > 1
        and name.startswith("diffusion_model.") and pattern.search(name)
    }  # fmt: skip
