"""A training is continued with what it was started with only; what is no part of it may change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.sd
import pytest
import torch
from comfy_extras.nodes_model_advanced import ModelSamplingFlux
from comfyui_sage.sage_core.serialization import write_data
from comfyui_sage.sage_core.training.checkpoint import load_state
from comfyui_sage.sage_core.training.dataset import training_copy
from comfyui_sage.sage_core.training.input_digests import is_same_input, some_values
from comfyui_sage.sage_core.training.session import run_training
from models import conditioning, flux, latent, randn

OPTIONS = {
    "steps": 2, "batch_size": 1, "rank": 1, "layers": "attention", "seed": 0, "warmup_steps": 0, "learning_rate": 1e-3
}  # fmt: skip


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    with torch.inference_mode(False):
        yield


def given(**changes: Any) -> dict[str, Any]:
    """The inputs of a training."""
    inputs = {
        "model": flux(), "latents": [latent("flux", h=8, w=8, seed=seed) for seed in (1, 2)],
        "positive": [conditioning("flux", seed) for seed in (1, 2)], "negative": conditioning("flux", 9),
    }  # fmt: skip
    return {**inputs, **changes}


def run(path: Path, inputs: dict[str, Any], **options: Any) -> Any:
    return run_training(path=path, options={**OPTIONS, **options}, **inputs)


def with_lora(strength: float) -> Any:
    key = "diffusion_model.double_blocks.0.img_attn.qkv"
    out, width = flux().model.state_dict()[f"{key}.weight"].shape
    lora = {f"{key}.lora_up.weight": randn(out, 1, seed=1), f"{key}.lora_down.weight": randn(1, width, seed=2)}
    patched, _ = comfy.sd.load_lora_for_models(flux(), None, lora, strength, 0)
    assert len(patched.patches) == 1
    return patched


def other_in_one_value() -> list[dict[str, Any]]:
    first, second = given()["latents"]
    changed = first["samples"].clone()
    changed[0, 1, 1, 1] += 1
    return [{"samples": changed}, second]


CHANGES = {
    "captions": lambda: given(positive=[conditioning("flux", seed) for seed in (2, 1)]),
    "negative": lambda: given(negative=conditioning("flux", 8)),
    "images": lambda: given(latents=other_in_one_value()),
    "model_patches": lambda: given(model=with_lora(0.5)),
    "model_sampling": lambda: given(model=ModelSamplingFlux().patch(flux(), 3.0, 2.0, 1024, 1024)[0]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_input_is_refused_and_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(path, given())
    with pytest.raises(ValueError, match=rf"^run_name: .*started with other inputs \({what}\)"):
        run(path, CHANGES[what](), steps=3)


def test_another_strength_of_a_lora_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(path, given(model=with_lora(0.5)))
    with pytest.raises(ValueError, match=r"other inputs \(model_patches\)"):
        run(path, given(model=with_lora(0.4)), steps=3)


def test_the_same_inputs_made_anew_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(path, given(model=with_lora(0.5)))
    again = {name: training_copy(value) for name, value in given(model=with_lora(0.5)).items()}
    assert "continued from step 2" in run(path, again, steps=3).report


def padded(seed: int) -> Any:
    """A caption whose embedding is mostly padding, and small, as umt5 gives it."""
    text = torch.zeros(1, 512, 64)
    text[:, :12] = 0.05 * randn(1, 12, 64, seed=seed)
    return [[text, {}]]


def test_short_captions_are_told_apart() -> None:
    for seed in range(20):
        assert not is_same_input(some_values(padded(seed)), some_values(padded(seed + 1)))
        assert is_same_input(some_values(padded(seed)), some_values([[padded(seed)[0][0].half(), {}]]))


def test_the_last_digits_of_captions_may_differ(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(path, given())
    captions = [[[text.half().float(), extras]] for ((text, extras),) in given()["positive"]]
    assert not torch.equal(captions[0][0][0], given()["positive"][0][0][0])
    assert "continued from step 2" in run(path, given(positive=captions), steps=3).report


def test_a_negative_for_sample_images_only_may_change(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(path, given(negative=None), caption_dropout=0.0)
    assert "continued from step 2" in run(path, given(), caption_dropout=0.0, steps=3).report


@pytest.mark.parametrize("what", [name for name in CHANGES if name != "images"])
def test_states_from_before_inputs_were_compared_go_on(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(path, given())
    state = load_state(path)
    write_data(path, {key: value for key, value in state.items() if key != "inputs"})
    assert "continued from step 2" in run(path, CHANGES[what](), steps=3).report
