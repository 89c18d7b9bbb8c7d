"""The trainer learns, stops and resumes exactly, and leaves the model unchanged."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.sd
import pytest
import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.sampling.ksampler import sample
from comfyui_sage.sage_core.training.adapters import ADAPTERS
from comfyui_sage.sage_core.training.checkpoint import load_state
from comfyui_sage.sage_core.training.dataset import TrainingSet, make_training_set
from comfyui_sage.sage_core.training.lora_file import trained_lora
from comfyui_sage.sage_core.training.objective import LossSettings
from comfyui_sage.sage_core.training.optimizers import OPTIMIZERS, SCHEDULES
from comfyui_sage.sage_core.training.sample_images import SampleSettings, sample_sheet
from comfyui_sage.sage_core.training.trainer import Trainer, train
from models import conditioning, latent, sd3
from trainings import TRAIN_SETTINGS, TRAINABLE

CAPTIONS = ("a red car in the snow", "a blue car in the snow", "a green car in the snow", "a boat on the sea")


@functools.lru_cache
def demo() -> tuple[Any, Any, Any, dict[str, list]]:
    with torch.inference_mode():  # as ComfyUI's nodes do
        model, clip, vae = load_demo_model()
        return model, clip, vae, encode_prompts(clip, (*CAPTIONS, ""))


@functools.lru_cache
def training_set() -> TrainingSet:
    make = torch.Generator().manual_seed(3)
    latents = [{"samples": torch.randn(1, 16, 16, 16, generator=make)} for _ in CAPTIONS]
    return make_training_set(latents, [demo()[3][text] for text in CAPTIONS])


def trainer(**settings: Any) -> Trainer:
    loss = settings.pop("loss", TRAIN_SETTINGS.loss)
    return Trainer(demo()[0], training_set(), demo()[3][""], replace(TRAIN_SETTINGS, loss=loss, **settings))


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    with torch.inference_mode(False):
        yield


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Stopped(Exception):
    pass


def stop_at(step: int) -> Any:
    def on_step(trainer: Trainer) -> None:
        if trainer.done == step:
            raise Stopped

    return on_step


class TestLearning:
    def test_shared_sampling_gives_back_what_was_learnt(self, tmp_path: Path) -> None:
        model, _, vae, encoded = demo()
        pictures = torch.zeros(3, 128, 128, 3)
        for row, colour in enumerate(((1.0, 0.2, 0.1), (0.1, 0.3, 1.0), (0.1, 0.9, 0.2))):
            pictures[row, :, :64] = torch.tensor(colour)  # a half in the caption's colour, which nothing draws
        with torch.no_grad():
            latents = vae.encode(pictures)
        given = make_training_set([{"samples": latents}], [encoded[text] for text in CAPTIONS[:3]])
        assert given.groups.partition == ((0, 1, 2),)
        learnt = Trainer(
            model, given, encoded[""],
            replace(
                TRAIN_SETTINGS, steps=150, batch_size=8, learning_rate=3e-3, lr_schedule="cosine", rank=16, alpha=16.0
            ),
        )  # fmt: skip
        train(learnt, tmp_path / "state.safetensors")
        patched, _ = comfy.sd.load_lora_for_models(model, None, learnt.lora(), 1.0, 0)

        def error(sampled: Any) -> float:
            with torch.no_grad():
                out, _ = sample(
                    sampled, given.groups, encoded[""], {"samples": torch.zeros(1, 16, 16, 16)}, seed=1, steps=10,
                    cfg=1.0, sampler_name="euler", scheduler="simple", denoise=1.0, share=0.4,
                )  # fmt: skip
                return float((vae.decode(out["samples"]) - pictures).abs().mean())

        before, after = error(model), error(patched)
        assert after < 0.5 * before, (before, after)

    @pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
    @pytest.mark.parametrize("name", TRAINABLE)
    def test_every_layer_learns_in_every_family(self, name: str, recompute: bool, tmp_path: Path) -> None:
        model = TRAINABLE[name]()
        before = {key: value.clone() for key, value in model.model.state_dict().items()}
        given = make_training_set(
            [latent(name, seed=seed) for seed in range(3)], [conditioning(name, seed) for seed in range(3)]
        )
        learnt = Trainer(
            model, given, conditioning(name, 9), replace(TRAIN_SETTINGS, layers="all", gradient_checkpointing=recompute)
        )
        train(learnt, tmp_path / "state.safetensors")
        still = [key for key, tensor in learnt.weights.items() if tensor.requires_grad and not tensor.grad.any()]
        assert learnt.trainable and not still
        learnt.trainable_model.unload()
        assert same(before, model.model.state_dict())

    def test_the_model_is_the_same_afterwards_for_the_next_sampling(self, tmp_path: Path) -> None:
        before = {key: value.clone() for key, value in demo()[0].model.state_dict().items()}
        train(trainer(), tmp_path / "state.safetensors")
        assert same(before, demo()[0].model.state_dict())

    def test_checkpointing_changes_no_gradient(self) -> None:
        found = []
        for recompute in (False, True):
            made = trainer(gradient_checkpointing=recompute)
            with made.trainable_model.loaded(), torch.enable_grad():
                made.step()
                made.step()
            found.append(made.lora())
        for key, tensor in found[0].items():
            torch.testing.assert_close(found[1][key], tensor)

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_rates_rise_and_fall(self, optimizer: str, schedule: str, tmp_path: Path) -> None:
        made = trainer(optimizer=optimizer, lr_schedule=schedule)
        train(made, tmp_path / "state.safetensors")
        assert made.rates[:3] == pytest.approx([0, 0.5e-3, 1e-3])
        assert made.rates[-1] == pytest.approx(1e-3) if schedule == "constant" else made.rates[-1] < 0.7e-3

    def test_the_average_trails_the_weights(self, tmp_path: Path) -> None:
        made = trainer(ema=0.5)
        train(made, tmp_path / "state.safetensors")
        key = next(key for key in made.weights if "lora_up" in key)
        assert not torch.equal(made.lora()[key], made.weights[key])
        torch.testing.assert_close(made.lora()[key], made.weights[key], atol=3e-3, rtol=0.1)

    def test_a_young_average_is_not_made_of_the_start(self, tmp_path: Path) -> None:
        """Each step keeps at most (1 + t) / (10 + t) of it."""
        made, seen = trainer(ema=0.9999, lr_schedule="constant"), []
        key = next(key for key in made.weights if "lora_down" in key)
        train(made, tmp_path / "state.safetensors", lambda it: seen.append(it.weights[key].detach().clone()))
        expected = torch.zeros_like(seen[0])
        for done, weights in enumerate(seen):
            expected = torch.lerp(expected, weights, 1 - (1 + done) / (10 + done))
        torch.testing.assert_close(made.lora()[key], expected)
        assert made.lora()[key].norm() > 0.5 * made.weights[key].norm()

    def test_bf16(self, tmp_path: Path) -> None:
        made = trainer(bf16=True)
        train(made, tmp_path / "state.safetensors")
        assert all(tensor.dtype == torch.float32 for tensor in made.weights.values())
        assert all(torch.isfinite(tensor).all() for tensor in made.weights.values())

    @pytest.mark.parametrize("kind", ADAPTERS)
    def test_every_comfyui_adapter_loads_again(self, kind: str, tmp_path: Path) -> None:
        made = trainer(adapter=kind)
        train(made, tmp_path / "state.safetensors")
        patched, _ = comfy.sd.load_lora_for_models(demo()[0], None, made.lora(), 1.0, 0)
        assert set(patched.patches) == {f"{name}.weight" for name in trained_lora(made).layers}


class TestStopping:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_two_stops_change_nothing(self, optimizer: str, tmp_path: Path) -> None:
        whole, path = trainer(optimizer=optimizer, ema=0.9), tmp_path / "state.safetensors"
        train(whole, tmp_path / "other.safetensors")
        for step in (3, 5):
            with pytest.raises(Stopped):
                train(trainer(optimizer=optimizer, ema=0.9), path, stop_at(step))
            assert load_state(path)["done"] == step
        last = trainer(optimizer=optimizer, ema=0.9)
        assert "continued from step 5" in train(last, path)[0]
        assert same(last.lora(), whole.lora())
        assert str(last.losses) == str(whole.losses), "NaN is not equal to itself"
        assert last.rates == whole.rates

    def test_comfyui_stop_button(self, tmp_path: Path) -> None:
        def press(trainer: Trainer) -> None:
            if trainer.done == 2:
                comfy.model_management.interrupt_current_processing()

        with pytest.raises(comfy.model_management.InterruptProcessingException):
            train(trainer(), tmp_path / "state.safetensors", press)
        assert load_state(tmp_path / "state.safetensors")["done"] == 2

    def test_stopping_early_ends_it_as_if_done(self, tmp_path: Path) -> None:
        path, now = tmp_path / "state.safetensors", trainer()
        seen: list[tuple[int, bool]] = []
        notes = train(now, path, lambda it: seen.append((it.done, it.finished)), should_stop=lambda: now.done == 3)
        assert seen == [(1, False), (2, False), (3, True)]
        assert (now.done, load_state(path)["done"]) == (3, 3)
        assert notes == ["you ended it after step 3 of 6; change steps to continue"]
        whole, rest = trainer(), trainer()
        train(whole, tmp_path / "other.safetensors")
        train(rest, path)
        assert same(rest.lora(), whole.lora())

    def test_a_finished_training_does_no_more_steps(self, tmp_path: Path) -> None:
        first, again = trainer(), trainer()
        train(first, tmp_path / "state.safetensors")
        train(again, tmp_path / "state.safetensors")
        assert same(first.lora(), again.lora())
        assert (again.done, again.finished) == (6, True)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"rank": 8}, "rank 4 then, 8 now"), ({"optimizer": "Adafactor"}, "optimizer AdamW then, Adafactor now"),
            ({"loss": LossSettings(soft_weight=2.0)}, "soft_weight 1.0 then, 2.0 now"),
        ],
    )  # fmt: skip
    def test_the_state_of_another_training_is_refused(self, change: dict, message: str, tmp_path: Path) -> None:
        train(trainer(), tmp_path / "state.safetensors")
        with pytest.raises(ValueError, match=f"run_name: .*{message}"):
            train(trainer(steps=9, **change), tmp_path / "state.safetensors")

    def test_the_state_of_another_model_is_refused(self, tmp_path: Path) -> None:
        given = make_training_set([latent("sd3", seed=1)], [conditioning("sd3", 1)])
        train(Trainer(sd3(), given, None, TRAIN_SETTINGS), tmp_path / "state.safetensors")
        with pytest.raises(ValueError, match="run_name: .*started with other inputs .*model; images"):
            train(trainer(steps=9), tmp_path / "state.safetensors")


class TestTrouble:
    def broken_at(self, step: int, **settings: Any) -> Trainer:
        made = trainer(**settings)
        good = made.trainable_model.denoised
        made.trainable_model.denoised = lambda batch: good(batch) * (torch.nan if made.done == step else 1)
        return made

    def test_a_loss_that_is_no_number(self, tmp_path: Path) -> None:
        whole = trainer(steps=2, lr_schedule="constant")
        train(whole, tmp_path / "whole.safetensors")
        with pytest.raises(ValueError, match=r"loss is nan at step 3, in the (plain|soft|consistency) term"):
            train(self.broken_at(2, lr_schedule="constant"), tmp_path / "state.safetensors")
        state = load_state(tmp_path / "state.safetensors")
        assert state["done"] == 2
        assert same(state["weights"], {key: tensor.detach() for key, tensor in whole.weights.items()})

    @pytest.mark.parametrize(
        ("name", "value"),
        [("steps", 0), ("rank", 0), ("learning_rate", 0.0), ("learning_rate", float("nan")), ("ema", 1.0),
         ("optimizer", "SGD"), ("lr_schedule", "steps"), ("layers", "some"), ("adapter", "rope")],
    )  # fmt: skip
    def test_refused_settings_are_named(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match=name):
            trainer(**{name: value})


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_samples_disturb_nothing(ema: float, tmp_path: Path) -> None:
    sheets: list[torch.Tensor] = []

    def look(trainer: Trainer) -> None:
        sheets.append(sample_sheet(trainer, demo()[2], demo()[3][""], SampleSettings(steps=2)))

    plain, looked = trainer(steps=3, ema=ema), trainer(steps=3, ema=ema)
    train(plain, tmp_path / "plain.safetensors")
    train(looked, tmp_path / "looked.safetensors", look)
    assert same(plain.lora(), looked.lora())
    assert same(plain.weights, looked.weights)
    assert all(sheet.shape == sheets[0].shape for sheet in sheets)
    assert not torch.equal(sheets[0], sheets[2])


def test_samples_are_those_of_the_lora(tmp_path: Path) -> None:
    """With an average they are made with it, which is what comes out."""
    sheets: list[torch.Tensor] = []

    def look(trainer: Trainer) -> None:
        if trainer.finished:
            for _ in range(2):
                sheets.append(sample_sheet(trainer, demo()[2], demo()[3][""], SampleSettings(steps=2)))
                for name, tensor in trainer.weights.items():
                    tensor.data.copy_(trainer.average[name])

    train(trainer(steps=4, ema=0.9, lr_schedule="constant", learning_rate=3e-3), tmp_path / "state.safetensors", look)
    assert torch.equal(sheets[0], sheets[1])
