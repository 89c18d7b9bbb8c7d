"""Trains on from the file of a LoRA: of this pack, or of ComfyUI's own trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.lora
import comfy.utils
import torch
from comfy.weight_adapter import adapter_maps

# Changes of a layer's parameter that are no matrix, as ComfyUI's trainer names them.
_DIFFERENCES = {"diff": "weight", "diff_b": "bias"}


def read_lora(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a LoRA file. To call outside inference mode.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return comfy.utils.load_torch_file(str(path), safe_load=True)
    except Exception as error:
        raise ValueError(f"existing_lora: {path} cannot be read ({type(error).__name__}).") from error


def add_existing(patcher: Any, lora: dict[str, torch.Tensor]) -> tuple[dict[str, torch.nn.Parameter], dict[str, Any]]:
    """Gives a model the adapters of a LoRA, to be trained on.

    Args:
        patcher: the ModelPatcher of a copy of the model, see `add_adapters`.

    Returns:
        The adapters' tensors as `add_adapters` gives them, and what the file says of the settings `adapter`, `rank`
        and `alpha`.

    Raises:
        ValueError: a part of the LoRA does not fit the model.
    """
    found: dict[str, torch.nn.Parameter] = {}
    settings: dict[str, Any] = {}
    for layer, parts in _parts_by_layer(patcher.model, lora).items():
        module = patcher.model.get_submodule(layer)
        for kind in [each for each in _DIFFERENCES if each in parts]:  # a set would have another order in each process
            found[f"{layer}.{kind}"] = _add_difference(patcher, layer, module, kind, parts.pop(kind))
        if parts:
            kind, adapter = _adapter(parts, layer, module.weight.shape)
            patcher.add_weight_wrapper(f"{layer}.weight", adapter.train())
            found.update({f"{layer}.{part}": tensor for part, tensor in adapter.named_parameters()})
            rank = max(settings.get("rank", 0), getattr(adapter, "rank", 0))
            settings.update(adapter=kind, alpha=float(adapter.alpha), **({"rank": rank} if rank else {}))
    return found, settings


def _parts_by_layer(model: Any, lora: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of every layer, by what they are of it ("lora_up.weight"); files have many names for a layer."""
    known = comfy.lora.model_lora_keys_unet(model, {})
    layers: dict[str, dict[str, torch.Tensor]] = {}
    strange = []
    for name, tensor in lora.items():
        dots = [at for at, letter in enumerate(name) if letter == "."]
        at = next((at for at in reversed(dots) if str(known.get(name[:at], "")).endswith(".weight")), None)
        layer = "" if at is None else known[name[:at]].removesuffix(".weight")
        if at is None or not hasattr(model.get_submodule(layer), "weight_function"):
            strange.append(name)
        else:
            layers.setdefault(layer, {})[name[at + 1 :]] = tensor.to(torch.float32, copy=True)
    if strange or not layers:
        example = f", such as {strange[0]!r}" if strange else ""
        raise ValueError(
            "existing_lora: expected a LoRA for this model alone, made by Train SAGE LoRA or ComfyUI's Train LoRA, got "
            f"{len(strange)} of {len(lora)} tensors that belong to none of its layers{example}."
        )
    return layers


def _add_difference(patcher: Any, layer: str, module: Any, kind: str, value: torch.Tensor) -> torch.nn.Parameter:
    """Adds a trainable difference to a bias or a norm of a layer."""
    from comfy_extras.nodes_train import BiasDiff  # heavy

    changed = getattr(module, _DIFFERENCES[kind], None)
    _check_shape(layer, None if changed is None else changed.shape, value.shape)
    parameter = torch.nn.Parameter(value)
    patcher.add_weight_wrapper(f"{layer}.{_DIFFERENCES[kind]}", BiasDiff(parameter))
    return parameter


def _adapter(parts: dict[str, torch.Tensor], layer: str, shape: torch.Size) -> tuple[str, Any]:
    """The kind of a layer's adapter, and the adapter."""
    matrices = {  # kernels of convolutions, see `lora_file`
        f"x.{part}": tensor.flatten(1) if part.startswith("lora_") else tensor for part, tensor in parts.items()
    }
    for kind, adapter_class in adapter_maps.items():
        alpha = float(parts["alpha"]) if "alpha" in parts else _whole_strength(parts)
        loaded = adapter_class.load("x", matrices, alpha, None)
        if loaded is None:
            continue
        try:
            adapter = loaded.to_train().float()
            made = adapter(torch.zeros(shape)).shape
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"existing_lora: layer {layer} of shape {tuple(shape)} cannot take it: {error}."
            ) from error
        _check_shape(layer, shape, torch.Size((len(parts["lora_up.weight"]), *made[1:])) if kind == "LoRA" else made)
        if not parts.keys() - {part for part, _ in adapter.named_parameters()}:
            return kind, adapter
    raise ValueError(
        f"existing_lora: expected an adapter of the kind {', '.join(adapter_maps)} for layer {layer}, got "
        f"{', '.join(sorted(parts))}."
    )


def _whole_strength(parts: dict[str, torch.Tensor]) -> float:
    """The alpha of an adapter that has none in its file: its rank, so that alpha / rank is 1."""
    down = parts.get("lora_down.weight", parts.get("hada_w1_b"))
    return 1.0 if down is None else float(len(down))


def _check_shape(layer: str, expected: torch.Size | None, got: torch.Size) -> None:
    """Raises ValueError where a part of the LoRA is for a layer of another shape."""
    if got != expected:
        has = "no such parameter" if expected is None else f"shape {tuple(expected)}"
        raise ValueError(
            f"existing_lora: made for another model: layer {layer} has {has}, the LoRA is for shape {tuple(got)}."
        )
