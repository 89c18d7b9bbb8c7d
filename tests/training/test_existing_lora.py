"""A training goes on from the file of a LoRA: this pack's or the core's; other files are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.sd
import pytest
import safetensors.torch
import torch
from comfy_extras.nodes_train import TrainLoraNode
from comfyui_sage.nodes.train_lora import TrainLora
from comfyui_sage.sage_core.training.adapters import ADAPTERS
from comfyui_sage.sage_core.training.dataset import make_training_set
from comfyui_sage.sage_core.training.existing_lora import read_lora
from comfyui_sage.sage_core.training.lora_file import save_lora, trained_lora
from comfyui_sage.sage_core.training.session import run_training
from comfyui_sage.sage_core.training.trainer import Trainer, train
from models import conditioning, flux, latent, video
from trainings import TRAIN_SETTINGS, TRAINABLE

SETTINGS = replace(TRAIN_SETTINGS, steps=2, batch_size=1, warmup=0, learning_rate=0.02, rank=2, alpha=3.0, layers="all")
OPTIONS = {"steps": 2, "batch_size": 1, "seed": 0}


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    with torch.inference_mode(False):
        yield


def trainer(name: str, model: Any = None, existing: Any = None, **settings: Any) -> Trainer:
    given = make_training_set([latent(name, h=4, w=4, seed=1)], [conditioning(name, seed=1)])
    return Trainer(model or TRAINABLE[name](), given, None, replace(SETTINGS, **settings), existing)


def learnt(name: str, path: Path, **settings: Any) -> Path:
    """A LoRA file of this pack, and where it is."""
    made = trainer(name, **settings)
    train(made, path.with_suffix(".state"))
    save_lora(trained_lora(made), path, "fp32")
    return path


def by_the_core(path: Path) -> Path:
    """A LoRA file of ComfyUI's own trainer, and where it is."""
    inputs = {each.id: [getattr(each, "default", None)] for each in TrainLoraNode.define_schema().inputs}
    model = video.__wrapped__()  # of its own: the trainer of 0.3.75 changes it
    model.cached_patcher_init = lambda disable_dynamic: video.__wrapped__(), ()
    latents, captions = [[make("video", seed=at) for at in range(2)] for make in (latent, conditioning)]
    given = {"model": [model], "latents": latents, "positive": captions}
    changed = {"steps": [2], "learning_rate": [0.02], "rank": [2], "training_dtype": ["fp32"], "lora_dtype": ["fp32"],
               "gradient_checkpointing": [False]}  # fmt: skip
    outputs = TrainLoraNode.execute(**{**inputs, **given, **changed}).args
    tensors = next(output for output in outputs if isinstance(output, dict))  # 0.3.75 gives the model first
    safetensors.torch.save_file({key: value.detach().contiguous() for key, value in tensors.items()}, path)
    return path


def answer(made: Trainer) -> torch.Tensor:
    batch = made.batch_sampler.sample_batch(1, torch.Generator().manual_seed(5))
    with made.trainable_model.loaded(), torch.no_grad():
        return made.trainable_model.denoised(batch)


def assert_goes_on(name: str, path: Path) -> Trainer:
    """It begins where ComfyUI's loader puts the model, and every tensor learns."""
    lora = read_lora(path)
    patched, _ = comfy.sd.load_lora_for_models(TRAINABLE[name](), None, lora, 1.0, 0)
    made = trainer(name, existing=lora, rank=7)
    expected = answer(trainer(name, patched))
    assert not torch.allclose(answer(trainer(name)), expected, atol=1e-3)
    torch.testing.assert_close(answer(made), expected, atol=1e-4, rtol=1e-4)
    train(made, path.with_suffix(".more"))
    assert not [key for key, tensor in made.weights.items() if tensor.requires_grad and tensor.grad is None]
    saved = path.with_name("again.safetensors")
    save_lora(trained_lora(made), saved, "fp32")
    again = read_lora(saved)
    assert again.keys() == lora.keys()
    assert all(again[key].shape == lora[key].shape for key in lora if "lora_" not in key)
    return made


@pytest.mark.parametrize("name", ["sd15", "flux"])
def test_from_this_pack(name: str, tmp_path: Path) -> None:
    made = assert_goes_on(name, learnt(name, tmp_path / "x.safetensors"))
    assert (made.settings.rank, made.settings.alpha, made.settings.adapter) == (2, 3.0, "LoRA")


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_kind_of_adapter(kind: str, tmp_path: Path) -> None:
    path = learnt("flux", tmp_path / "x.safetensors", adapter=kind, layers="attention")
    assert assert_goes_on("flux", path).settings.adapter == kind


def test_from_the_core(tmp_path: Path) -> None:
    """Its files change biases and norms too."""
    path = by_the_core(tmp_path / "x.safetensors")
    assert {"diff", "diff_b"} <= {key.rpartition(".")[2] for key in read_lora(path)}
    made = assert_goes_on("video", path)
    assert made.settings.rank == 2
    assert {"diff", "diff_b"} <= {key.rpartition(".")[2] for key in made.weights}
    layers = dict.fromkeys(key.rpartition(".")[0] for key in made.weights)
    order = [key for layer in layers for key in made.weights if key in (f"{layer}.diff", f"{layer}.diff_b")]
    assert order == sorted(order, key=lambda key: (list(layers).index(key.rpartition(".")[0]), key)), (
        "the state of an optimizer goes by the order"
    )


def test_without_an_alpha_the_strength_is_whole(tmp_path: Path) -> None:
    path = learnt("flux", tmp_path / "x.safetensors", layers="attention")
    lora = {key: tensor for key, tensor in read_lora(path).items() if not key.endswith(".alpha")}
    made = trainer("flux", existing=lora)
    patched, _ = comfy.sd.load_lora_for_models(flux(), None, lora, 1.0, 0)
    torch.testing.assert_close(answer(made), answer(trainer("flux", patched)), atol=1e-4, rtol=1e-4)


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda lora: {**lora, "lora_te_x.alpha": torch.ones(())}, "got 1 of .* such as 'lora_te_x.alpha'"),
            (lambda lora: {}, "got 0 of 0 tensors"),
            (lambda lora: {key: torch.ones(3, 3) if key.endswith("up.weight") else each for key, each in lora.items()},
             "layer diffusion_model.* cannot take it"),
            (lambda lora: {**lora, next(iter(lora)).rpartition(".lora")[0] + ".dora_scale": torch.ones(1)},
             "expected an adapter of the kind LoRA.* got .*dora_scale"),
            (lambda lora: {"diffusion_model.img_in.diff_b": torch.ones(3)},
             r"layer diffusion_model.img_in has shape \(64,\), the LoRA is for shape \(3,\)"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit(self, change: Any, message: str, tmp_path: Path) -> None:
        path = learnt("flux", tmp_path / "x.safetensors", layers="attention", steps=1)
        lora = {key: each for key, each in read_lora(path).items() if not key.endswith("alpha")}
        with pytest.raises(ValueError, match=f"^existing_lora: .*{message}"):
            trainer("flux", existing=change(lora))

    def test_the_lora_of_another_model(self, tmp_path: Path) -> None:
        lora = read_lora(learnt("sd3", tmp_path / "x.safetensors", layers="attention", steps=1))
        with pytest.raises(ValueError, match="^existing_lora: expected a LoRA for this model alone"):
            trainer("flux", existing=lora)

    def test_a_file_that_is_no_lora(self, tmp_path: Path) -> None:
        (tmp_path / "x.safetensors").write_bytes(b"no")
        with pytest.raises(ValueError, match="^existing_lora: .*x.safetensors cannot be read"):
            read_lora(tmp_path / "x.safetensors")


def test_a_stopped_training_goes_on_from_its_state(tmp_path: Path) -> None:
    file, path = learnt("flux", tmp_path / "x.safetensors", layers="attention"), tmp_path / "run.safetensors"
    given = flux(), [latent("flux", h=4, w=4, seed=1)], [conditioning("flux", 1)], path
    first = run_training(*given, OPTIONS, existing_lora=file)
    assert "started from x.safetensors" in first.report and "rank (2)" in first.report
    again = run_training(*given, OPTIONS, existing_lora=file)
    assert "continued from step 2" in again.report
    assert all(torch.equal(tensor, again.lora[key]) for key, tensor in first.lora.items())
    other = learnt("flux", tmp_path / "y.safetensors", layers="attention", seed=3)
    for existing in (None, other):
        with pytest.raises(ValueError, match="^run_name: .*started with other inputs .*existing_lora"):
            run_training(*given, {**OPTIONS, "rank": 2, "alpha": 3.0}, existing_lora=existing)


def test_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = TrainLora.define_schema().inputs[-1]
    assert (last.id, last.default, last.optional) == ("existing_lora", "[None]", True)
    file = learnt("flux", tmp_path / "x.safetensors", layers="attention")
    monkeypatch.setattr("folder_paths.get_output_directory", lambda: str(tmp_path))
    monkeypatch.setattr("folder_paths.get_full_path_or_raise", lambda folder, name: str(tmp_path / name))
    monkeypatch.setattr("folder_paths.get_filename_list", lambda folder: [file.name])
    options = {name: [value] for name, value in OPTIONS.items()}
    out = TrainLora.execute(
        model=[flux()], latents=[latent("flux", h=4, w=4, seed=1)], positive=[conditioning("flux", 1)],
        run_name=["more"], existing_lora=[file.name], **options,
    )  # fmt: skip
    assert "started from x.safetensors" in out.args[5]
