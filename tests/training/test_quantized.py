"""Quantized models train; they and quantized bystanders sample afterwards as before."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.quant_ops
import comfy.sample
import comfy.sd
import pytest
import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.training.session import run_training
from comfyui_sage.sage_core.training.trainable_model import private_copy
from models import conditioning as captions
from models import flux, latent, randn

SCALED = "scaled_fp8"  # as files of 2024 and 2025 have it
FORMATS = (SCALED, "float8_e4m3fn", "float8_e5m2", "mxfp8", "nvfp4", "int8_tensorwise")
OPTIONS = {"steps": 2, "batch_size": 2, "rank": 2, "seed": 0, "warmup_steps": 0, "learning_rate": 1e-3}


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    with torch.inference_mode(False):
        yield


@functools.lru_cache
def plain() -> Any:
    with torch.inference_mode():  # as ComfyUI's nodes do
        return load_demo_model()[0]


def quantized(kind: str) -> Any:
    """The demo model with quantized blocks, as ComfyUI's loader gives it."""
    if kind != SCALED and not hasattr(comfy.quant_ops.QuantizedTensor, "state_dict"):
        pytest.skip("this ComfyUI is older than the format")
    with torch.inference_mode():
        state = dict(plain().model.diffusion_model.state_dict())
        for name in [name for name in state if name.endswith(".weight") and "joint_blocks" in name]:
            if state[name].ndim == 2:
                state.update(quantized_weight(name.removesuffix("weight"), state[name].float(), kind))
        if kind == SCALED:
            state["scaled_fp8"] = torch.empty(0, dtype=torch.float8_e4m3fn)
        return comfy.sd.load_diffusion_model_state_dict(state)


def quantized_weight(layer: str, weight: torch.Tensor, kind: str) -> dict[str, torch.Tensor]:
    """A layer's weight as files have it."""
    if kind == SCALED:
        scale = weight.abs().max() / 448
        return {f"{layer}weight": (weight / scale).to(torch.float8_e4m3fn), f"{layer}scale_weight": scale}
    layout = comfy.quant_ops.QUANT_ALGOS[kind]["comfy_tensor_layout"]
    tensors = comfy.quant_ops.QuantizedTensor.from_float(weight.bfloat16(), layout).state_dict(f"{layer}weight")
    name = torch.tensor(list(json.dumps({"format": kind}).encode()), dtype=torch.uint8)
    return {**tensors, f"{layer}comfy_quant": name}


def conditioning(seed: int) -> list:
    width = plain().model.model_config.unet_config["context_embedder_config"]["params"]["in_features"]
    pooled = plain().model.model_config.unet_config["adm_in_channels"]
    return [[randn(1, 77, width, seed=seed), {"pooled_output": randn(1, pooled, seed=seed)}]]


def sampled(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return comfy.sample.sample(
            model, randn(1, 16, 8, 8, seed=1), 2, 1.0, "euler", "simple", conditioning(1), conditioning(2),
            torch.zeros(1, 16, 8, 8), seed=0,
        )  # fmt: skip


def train(model: Any, path: Path, **options: Any) -> dict[str, torch.Tensor]:
    latents = [{"samples": randn(1, 16, 8, 8, seed=seed)} for seed in range(2)]
    return run_training(model, latents, [conditioning(0), conditioning(1)], path, {**OPTIONS, **options}).lora


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", FORMATS)
def test_it_learns_and_stays_as_it_was(kind: str, precision: str, tmp_path: Path) -> None:
    model = quantized(kind)
    before = sampled(model)
    lora = train(model, tmp_path / "x.safetensors", layers="all", precision=precision, gradient_checkpointing=True)
    assert all(tensor.any() for name, tensor in lora.items() if "lora_" in name)
    assert torch.equal(sampled(model), before)
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)
    assert not torch.equal(sampled(patched), before)
    assert torch.equal(sampled(model), before)


def test_bystanders_sample_as_before(tmp_path: Path) -> None:
    bystander = quantized(SCALED)
    before = sampled(bystander)
    for seed in range(2):
        run_training(flux(), [latent("flux", seed=seed)], [captions("flux", seed)], tmp_path / f"{seed}", OPTIONS)
        assert torch.equal(sampled(bystander), before)


def test_the_copy_has_weights_of_its_own() -> None:
    model = quantized(SCALED)
    own = dict(model.model.named_parameters())
    copied = dict(private_copy(model).model.named_parameters())
    assert own.keys() == copied.keys()
    assert not [name for name in own if copied[name] is own[name] or copied[name].data_ptr() == own[name].data_ptr()]
    assert not any(weight.is_inference() for weight in copied.values())
