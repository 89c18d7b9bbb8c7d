"""What an adapter does to a layer in training is what its file does to it in ComfyUI's loader."""

from __future__ import annotations

from typing import Any

import comfy.lora
import comfy.sd
import comfy.utils
import pytest
import torch
from comfyui_sage.sage_core.training.adapters import ADAPTERS, add_adapters
from comfyui_sage.sage_core.training.trainable_model import private_copy
from models import MODELS, randn

WITH_CONVOLUTIONS = ("sd15", "video", "audio")  # of two, three and one dimensions


def adapted(name: str, kind: str) -> tuple[Any, dict[str, torch.nn.Parameter]]:
    patcher = private_copy(MODELS[name]())
    weights = add_adapters(patcher, kind=kind, rank=4, alpha=2.0, layers="all", seed=0)
    with torch.no_grad():
        for seed, tensor in enumerate(weights.values()):
            if tensor.requires_grad:
                tensor.copy_(0.1 * randn(*tensor.shape, seed=seed))
    return patcher, weights


@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize("name", WITH_CONVOLUTIONS)
def test_the_loader_does_the_same(name: str, kind: str) -> None:
    with torch.inference_mode(False), torch.no_grad():
        trained, weights = adapted(name, kind)
        loaded, _ = comfy.sd.load_lora_for_models(MODELS[name](), None, dict(weights), 1.0, 0)
        assert trained.weight_wrapper_patches.keys() == loaded.patches.keys()
        for key, (adapter,) in trained.weight_wrapper_patches.items():
            weight = comfy.utils.get_attr(trained.model, key)
            expected = comfy.lora.calculate_weight(loaded.patches[key], weight.clone(), key)
            torch.testing.assert_close(adapter(weight), expected, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize(("name", "kernel"), [("video", 5), ("audio", 3)])
def test_which_convolutions_have_an_adapter(name: str, kernel: int) -> None:
    def dimensions(kind: str) -> set[int]:
        with torch.inference_mode(False):
            trained, _ = adapted(name, kind)
            return {comfy.utils.get_attr(trained.model, key).ndim for key in trained.weight_wrapper_patches}

    assert dimensions("LoRA") == {2, kernel}
    assert dimensions("LoKr") == {2}
