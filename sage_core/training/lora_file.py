"""Saves a trained LoRA as a file that every program reads: names and metadata as kohya's trainer writes them."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.model_base
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from safetensors.torch import save_file

from .trainer import Trainer

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_ARCHITECTURES = {
    "SDXL": "stable-diffusion-xl-v1-base", "SD15": "stable-diffusion-v1", "SD20": "stable-diffusion-v2-768-v",
    "SD3": "stable-diffusion-3-medium", "Flux": "flux-1-dev",
}  # fmt: skip


class SageLora(dict[str, torch.Tensor]):
    """The host's LORA_MODEL, which also knows where it comes from.

    Attributes:
        layers: by layer, its name in the file and the shape of its weight.
        metadata: texts for the file.
    """

    def __init__(
        self, tensors: dict[str, torch.Tensor], layers: dict[str, tuple[str, torch.Size]], metadata: dict[str, str]
    ) -> None:
        super().__init__(tensors)
        self.layers = layers
        self.metadata = metadata


def trained_lora(trainer: Trainer) -> SageLora:
    model = trainer.trainable_model.patcher.model
    tensors = trainer.lora()
    names = file_names(model)
    layers = {}
    for name, module in model.named_modules():
        if any(key.startswith(f"{name}.") for key in tensors) and hasattr(module, "weight_function"):
            layers[name] = names.get(name, name), module.weight.shape
    return SageLora(tensors, layers, _metadata(trainer, type(model.model_config).__name__))


def save_lora(lora: dict[str, torch.Tensor], path: Path, dtype: str) -> None:
    """
    Args:
        lora: a `SageLora`, or the LORA_MODEL of another node, which keeps its names.

    Raises:
        OSError: the file cannot be written; nothing is left of it.
    """
    layers = getattr(lora, "layers", {})
    tensors = {}
    for key, tensor in lora.items():
        layer = next((name for name in layers if key.startswith(f"{name}.")), None)
        if layer is not None:
            part, (name, shape) = key.removeprefix(f"{layer}."), layers[layer]
            key, tensor = f"{name}.{part}", _shaped(tensor, part, shape)
        tensors[key] = tensor.to(DTYPES[dtype]).contiguous()
    beside = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, beside, metadata={"format": "pt", **getattr(lora, "metadata", {})})
        beside.replace(path)
    except Exception as error:
        beside.unlink(missing_ok=True)
        raise OSError(f"The LoRA cannot be written to {path}: {error}") from error


def file_names(model: Any) -> dict[str, str]:
    """By layer, kohya's name for it where he has one that others read: the UNets of SD 1, SD 2 and SDXL."""
    if not isinstance(model.diffusion_model, UNetModel):
        return {}
    blocks = ("lora_unet_input_blocks", "lora_unet_middle_block", "lora_unet_output_blocks")
    if not isinstance(model, comfy.model_base.SDXL):
        blocks = ("lora_unet_down_blocks", "lora_unet_mid_block", "lora_unet_up_blocks")
    known = comfy.lora.model_lora_keys_unet(model, {})
    return {
        key.removesuffix(".weight"): name
        for name, key in known.items()
        if isinstance(key, str) and name.startswith(blocks)
    }


def _shaped(tensor: torch.Tensor, part: str, shape: torch.Size) -> torch.Tensor:
    """The host's adapters keep a convolution's matrices flat; others want its kernel."""
    if len(shape) == 4 and part == "lora_down.weight":
        return tensor.reshape(len(tensor), *shape[1:])
    if len(shape) == 4 and part == "lora_up.weight":
        return tensor.reshape(*tensor.shape, 1, 1)
    return tensor


def _metadata(trainer: Trainer, family: str) -> dict[str, str]:
    settings, groups = trainer.settings, trainer.training_set.groups
    said = {
        "ss_network_module": "networks.lora", "ss_network_dim": settings.rank, "ss_network_alpha": settings.alpha,
        "ss_steps": trainer.done, "ss_num_train_images": len(groups.prompts),
        "ss_learning_rate": settings.learning_rate, "ss_lr_scheduler": settings.lr_schedule,
        "ss_lr_warmup_steps": settings.warmup, "ss_optimizer": settings.optimizer,
        "ss_max_grad_norm": settings.clip, "ss_seed": settings.seed,
        "ss_batch_size_per_device": settings.batch_size, "ss_gradient_accumulation_steps": settings.accumulation,
        "ss_mixed_precision": "bf16" if settings.bf16 else "no", "ss_base_model_version": family.lower(),
        "ss_caption_dropout_rate": settings.loss.caption_dropout, "ss_min_snr_gamma": settings.loss.min_snr,
        "sage_groups": len(groups.partition), "sage_loss": json.dumps(asdict(settings.loss)),
        "sage_base_fingerprint": trainer.base,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{_ARCHITECTURES.get(family, family.lower())}/lora",
        "modelspec.title": "SAGE LoRA", "modelspec.implementation": "ComfyUI",
        "modelspec.date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "modelspec.prediction_type": trainer.batch_sampler.objective,
    }  # fmt: skip
    return {key: str(value) for key, value in said.items()}
