"""LoRA files load in ComfyUI with every key matched, whatever the model's family."""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import replace
from pathlib import Path

import comfy.sd
import comfy.utils
import pytest
import safetensors
import torch
from comfyui_sage.sage_core.training.adapters import ADAPTERS
from comfyui_sage.sage_core.training.dataset import make_training_set
from comfyui_sage.sage_core.training.lora_file import SageLora, save_lora, trained_lora
from comfyui_sage.sage_core.training.trainer import Trainer, train
from models import conditioning, flux, latent
from trainings import TRAIN_SETTINGS, TRAINABLE


@functools.lru_cache
def lora(name: str, folder: Path) -> SageLora:
    with torch.inference_mode(False):
        given = make_training_set(
            [latent(name, seed=at) for at in range(2)], [conditioning(name, at) for at in range(2)]
        )
        trainer = Trainer(TRAINABLE[name](), given, None, replace(TRAIN_SETTINGS, steps=2, layers="all"))
        train(trainer, folder / "state.safetensors")
        return trained_lora(trainer)


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_key_is_matched(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made, path = lora(name, tmp_path), tmp_path / "x.safetensors"
    save_lora(made, path, "fp32")
    with caplog.at_level(logging.WARNING):
        loaded = comfy.utils.load_torch_file(str(path), safe_load=True)
        patched, _ = comfy.sd.load_lora_for_models(TRAINABLE[name](), None, loaded, 1.0, 0)
        direct, _ = comfy.sd.load_lora_for_models(TRAINABLE[name](), None, dict(made), 1.0, 0)
    assert "not loaded" not in caplog.text
    assert set(patched.patches) == set(direct.patches) == {f"{layer}.weight" for layer in made.layers}
    for key, (value,) in patched.patches.items():
        for a, b in zip(value[1].weights, direct.patches[key][0][1].weights, strict=True):
            if isinstance(a, torch.Tensor):
                torch.testing.assert_close(a.flatten(), b.flatten())


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("sd15", "lora_unet_down_blocks_0_"), ("sdxl", "lora_unet_input_blocks_1_"),
        ("sd3", "diffusion_model.joint_blocks.0"), ("flux", "diffusion_model.double_blocks.0"),
    ],
)  # fmt: skip
def test_names(name: str, start: str, tmp_path: Path) -> None:
    save_lora(lora(name, tmp_path), tmp_path / "x.safetensors", "fp16")
    with safetensors.safe_open(tmp_path / "x.safetensors", "pt") as file:
        keys = list(file.keys())
        assert any(key.startswith(start) for key in keys)
        assert file.get_tensor(keys[0]).dtype == torch.float16
        metadata = file.metadata()
    assert (metadata["ss_network_dim"], metadata["ss_network_alpha"], metadata["ss_steps"]) == ("4", "4.0", "2")
    assert metadata["ss_num_train_images"] == "2"
    assert json.loads(metadata["sage_loss"])["soft_weight"] == 1.0
    assert metadata["modelspec.architecture"].endswith("/lora")
    assert len(metadata["sage_base_fingerprint"]) == 64


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapters_are_named_as_kohya_names_them(adapter: str) -> None:
    with torch.inference_mode(False):
        given = make_training_set([latent("flux", h=4, w=4, seed=1)], [conditioning("flux", 1)])
        made = trained_lora(Trainer(flux(), given, None, replace(TRAIN_SETTINGS, adapter=adapter)))
    expected = "networks.lora" if adapter == "LoRA" else "lycoris.kohya"
    assert made.metadata["ss_network_module"] == expected


def test_an_image_alone_is_no_group() -> None:
    with torch.inference_mode(False):
        given = make_training_set([latent("flux", h=4, w=4, seed=at) for at in range(3)], [conditioning("flux", 1)])
        groups = replace(given.groups, partition=((0, 2), (1,)))
        made = trained_lora(Trainer(flux(), replace(given, groups=groups), None, TRAIN_SETTINGS))
    assert made.metadata["sage_groups"] == "1"


def test_convolutions_have_their_kernels(tmp_path: Path) -> None:
    save_lora(lora("sd15", tmp_path), tmp_path / "x.safetensors", "fp16")
    with safetensors.safe_open(tmp_path / "x.safetensors", "pt") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys() if key.endswith("down.weight")]  # noqa: SIM118
    assert any(shape[2:] == [3, 3] for shape in shapes)


def test_another_trainers_lora_keeps_its_names(tmp_path: Path) -> None:
    save_lora({"diffusion_model.x.lora_up.weight": torch.ones(2, 1)}, tmp_path / "x.safetensors", "bf16")
    with safetensors.safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert list(file.keys()) == ["diffusion_model.x.lora_up.weight"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: object, target: Path, metadata: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("comfyui_sage.sage_core.training.lora_file.save_file", full)
    with pytest.raises(OSError, match=f"LoRA cannot be written to {tmp_path}: No space left"):
        save_lora({"x": torch.ones(1)}, tmp_path / "x.safetensors", "fp16")
    assert not list(tmp_path.iterdir())
