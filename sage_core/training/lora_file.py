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

from ..atomic_file import replacing
from .trainer import Trainer

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
# Names of architectures in the modelspec standard, by ComfyUI's classes of models.
_ARCHITECTURES = {
    "SDXL": "stable-diffusion-xl-v1-base", "SD15": "stable-diffusion-v1", "SD20": "stable-diffusion-v2-768-v",
    "SD3": "stable-diffusion-3-medium", "Flux": "flux-1-dev",
}  # fmt: skip


class SageLora(dict[str, torch.Tensor]):
    """ComfyUI's LORA_MODEL, with what its file says of it.

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
    """What a training has learnt so far, with the metadata of its file."""
    model = trainer.trainable_model.patcher.model
    tensors = trainer.lora()
    names = file_names(model)
    layers = {}
    for name, module in model.named_modules():
        if any(key.startswith(f"{name}.") for key in tensors) and hasattr(module, "weight_function"):
            layers[name] = names.get(name, name), module.weight.shape
    return SageLora(tensors, layers, _metadata(trainer, type(model.model_config).__name__))


def save_lora(lora: dict[str, torch.Tensor], path: Path, dtype: str) -> None:
    """Writes a LoRA to a file.

    Args:
        lora: a `SageLora`, or the LORA_MODEL of another node, which keeps its names.
        path: the file; its folder is made.
        dtype: one of `DTYPES`.

    Raises:
        OSError: the file cannot be written; nothing is left of it.
    """
    layers = getattr(lora, "layers", {})
    tensors = {}
    for key, tensor in lora.items():
        layer = next((name for name in layers if key.startswith(f"{name}.")), None)
        if layer is not None:
            kind, (name, shape) = key.removeprefix(f"{layer}."), layers[layer]
            key, tensor = f"{name}.{kind}", _as_kernel(tensor, kind, shape)
        tensors[key] = tensor.to(DTYPES[dtype]).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as part:
            save_file(tensors, part, metadata={"format": "pt", **getattr(lora, "metadata", {})})
    except Exception as error:
        raise OSError(f"The LoRA cannot be written to {path.parent}: {error}") from error


def file_names(model: Any) -> dict[str, str]:
    """Names of layers as kohya's trainer writes them, which all programs read, by ComfyUI's names.

    There are such names for the UNets of SD 1, SD 2 and SDXL; layers of other models keep ComfyUI's.

    Args:
        model: ComfyUI's BaseModel.
    """
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


def _as_kernel(tensor: torch.Tensor, kind: str, shape: torch.Size) -> torch.Tensor:
    """A convolution's tensor in the shape of a kernel: ComfyUI's adapters flatten it, and others do not read that.

    Args:
        kind: what it is of its layer, such as "lora_up.weight".
        shape: of the layer's weight.
    """
    if len(shape) == 4 and kind == "lora_down.weight":
        return tensor.reshape(len(tensor), *shape[1:])
    if len(shape) == 4 and kind == "lora_up.weight":
        return tensor.reshape(*tensor.shape, 1, 1)
    return tensor


def _metadata(trainer: Trainer, family: str) -> dict[str, str]:
    """Metadata by the keys of kohya's trainer (ss_), of the modelspec standard, and our own (sage_).

    Args:
        family: ComfyUI's class of the model.
    """
    settings, groups = trainer.settings, trainer.training_set.groups
    module = "networks.lora" if settings.adapter == "LoRA" else "lycoris.kohya"
    metadata = {
        "ss_network_module": module, "ss_network_dim": settings.rank, "ss_network_alpha": settings.alpha,
        "ss_steps": trainer.done, "ss_num_train_images": len(groups.prompts),
        "ss_learning_rate": settings.learning_rate, "ss_lr_scheduler": settings.lr_schedule,
        "ss_lr_warmup_steps": settings.warmup, "ss_optimizer": settings.optimizer,
        "ss_max_grad_norm": settings.clip, "ss_seed": settings.seed,
        "ss_batch_size_per_device": settings.batch_size, "ss_gradient_accumulation_steps": settings.accumulation,
        "ss_mixed_precision": "bf16" if settings.bf16 else "no", "ss_base_model_version": family.lower(),
        "ss_caption_dropout_rate": settings.loss.caption_dropout, "ss_min_snr_gamma": settings.loss.min_snr,
        "sage_groups": sum(len(members) > 1 for members in groups.partition),
        "sage_loss": json.dumps(asdict(settings.loss)),
        "sage_base_fingerprint": trainer.base_fingerprint,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{_ARCHITECTURES.get(family, family.lower())}/lora",
        "modelspec.title": "SAGE LoRA", "modelspec.implementation": "ComfyUI",
        "modelspec.date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "modelspec.prediction_type": trainer.batch_sampler.objective,
    }  # fmt: skip
    return {key: str(value) for key, value in metadata.items()}
