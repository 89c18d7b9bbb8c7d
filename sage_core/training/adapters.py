"""The trainable tensors of a LoRA, made by ComfyUI's own weight adapters and applied by its model patcher."""

from __future__ import annotations

import re
from typing import Any

import torch
from comfy.weight_adapter import adapter_maps

from ..validation import check_choice

ADAPTERS = tuple(adapter_maps)
# Patterns of layers' names in ComfyUI's models (Flux's linear1 and linear2 are both attention and feed-forward).
LAYERS = {
    "attention": r"attn|attention|to_[qkv]|qkv|linear1|linear2",
    "attention and feed-forward": r"attn|attention|to_[qkv]|qkv|linear1|linear2|mlp|\bff|ffn|feed_forward",
    "all": r"",
}


def add_adapters(
    patcher: Any, *, kind: str, rank: int, alpha: float, layers: str, seed: int, dtype: torch.dtype = torch.float32
) -> dict[str, torch.nn.Parameter]:
    """Gives every chosen layer of a model an adapter that changes nothing yet.

    Args:
        patcher: the ModelPatcher of a copy of the model; its layers' weights pass through the adapters from the next
            load on.
        kind: one of `ADAPTERS`.
        layers: one of `LAYERS`.
        seed: of the initial values.

    Returns:
        The adapters' tensors by the names that ComfyUI's LORA_MODEL has (``diffusion_model.x.lora_up.weight``). The
        alphas among them are not trained.

    Raises:
        ValueError: an unknown kind or choice of layers, or the model has no such layers.
    """
    check_choice("adapter", kind, ADAPTERS)
    check_choice("layers", layers, tuple(LAYERS))
    found: dict[str, torch.nn.Parameter] = {}
    modules = adaptable_layers(patcher.model, layers, kind)
    if not modules:
        raise ValueError(f"layers: this model has no layers of the kind {layers!r}. Choose 'all'.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in modules.items():
            weight = torch.empty(module.weight.shape, device="cpu", dtype=torch.float32)
            adapter = adapter_maps[kind].create_train(weight, rank=rank, alpha=alpha).to(dtype).train()
            patcher.add_weight_wrapper(f"{name}.weight", adapter)
            found.update({f"{name}.{part}": tensor for part, tensor in adapter.named_parameters()})
    return found


def adaptable_layers(model: torch.nn.Module, layers: str, kind: str) -> dict[str, Any]:
    """The chosen layers, by name, that have a weight matrix which ComfyUI can change at every call."""
    return {
        name: module
        for name, module in model.named_modules()
        if hasattr(module, "weight_function") and _takes(kind, getattr(module.weight, "ndim", 0))
        and name.startswith("diffusion_model.") and re.search(LAYERS[layers], name)
    }  # fmt: skip


def _takes(kind: str, dimensions: int) -> bool:
    """Whether an adapter does to a weight of so many dimensions in training what it does when it is loaded."""
    if kind == "LoKr":  # ComfyUI's loader mixes up the kernels of convolutions of one and of three dimensions
        return dimensions in (2, 4)
    return dimensions > 1
