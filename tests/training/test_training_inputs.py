"""Trainings that cannot work are refused before they begin; those that go wrong stop with what they had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfyui_sage.nodes.train_lora import TrainLora
from comfyui_sage.sage_core.serialization import write_data
from comfyui_sage.sage_core.training.checkpoint import load_state
from comfyui_sage.sage_core.training.dataset import make_training_set
from comfyui_sage.sage_core.training.session import run_training, training_report
from comfyui_sage.sage_core.training.trainer import Trainer, train
from models import audio, conditioning, flux, latent, randn, sd15, vae, video
from trainings import TRAIN_SETTINGS

NEWER = ("format", "existing")  # what the first files have not
OPTIONS = {"steps": 2, "batch_size": 1, "rank": 1, "layers": "attention", "seed": 0}
SETTINGS = replace(TRAIN_SETTINGS, batch_size=1, rank=1, layers="attention", lr_schedule="constant")


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    with torch.inference_mode(False):
        yield


def trainer(**settings: Any) -> Trainer:
    given = make_training_set([latent("flux", h=4, w=4, seed=1)], [conditioning("flux", seed=1)])
    return Trainer(flux(), given, None, replace(SETTINGS, **settings))


class TestWhatDoesNotFitTheModel:
    def test_latents_of_other_channels(self, tmp_path: Path) -> None:
        with pytest.raises(
            ValueError, match=r"^latents: expected 16 channels, got 4\. Encode the images with the model"
        ):
            run_training(flux(), [latent("sd15", seed=1)], [conditioning("flux", 1)], tmp_path / "x", OPTIONS)

    def test_captions_of_another_width(self, tmp_path: Path) -> None:
        given = [latent("sd15", seed=1)], [conditioning("sdxl", seed=1)]
        with pytest.raises(ValueError, match=r"^positive: expected captions of text width 768, got text width 2048"):
            run_training(sd15(), *given, tmp_path / "x", OPTIONS)

    def test_captions_of_another_width_in_a_model_that_does_not_tell(self, tmp_path: Path) -> None:
        given = [latent("flux", seed=1)], [conditioning("sd15", seed=1)]
        with pytest.raises(ValueError, match=r"^positive: expected captions that the model takes, got text width 768"):
            run_training(flux(), *given, tmp_path / "x", OPTIONS)

    def test_an_empty_caption_of_another_width(self, tmp_path: Path) -> None:
        given = [latent("sd15", seed=1)], [conditioning("sd15", seed=1)]
        with pytest.raises(ValueError, match=r"^negative: expected captions of text width 768, got text width 2048"):
            run_training(sd15(), *given, tmp_path / "x", OPTIONS, negative=conditioning("sdxl", seed=1))

    def test_a_vae_of_other_channels(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"^vae: expected a VAE that takes latents of shape \(1, 16, .*channels"):
            run_training(**self.with_samples("flux", flux(), vae(4)), path=tmp_path / "x")
        assert not (tmp_path / "x").exists()

    def test_a_vae_that_gives_sound(self, tmp_path: Path) -> None:
        sound = SimpleNamespace(decode=lambda latent: torch.zeros(len(latent), 2048, 2))
        with pytest.raises(ValueError, match=r"^vae: expected a VAE that gives images or .* \(1, 2048, 2\)"):
            run_training(**self.with_samples("audio", audio(), sound), path=tmp_path / "x")

    def test_any_vae_where_there_are_no_sample_images(self, tmp_path: Path) -> None:
        inputs = self.with_samples("flux", flux(), vae(4))
        run_training(**{**inputs, "options": {**OPTIONS, "sample_every": 0}}, path=tmp_path / "x")

    @staticmethod
    def with_samples(family: str, model: Any, decoder: Any) -> dict[str, Any]:
        """The inputs of a training with sample images."""
        return {
            "model": model, "latents": [latent(family, seed=1)], "positive": [conditioning(family, 1)],
            "options": {**OPTIONS, "sample_every": 1, "sample_steps": 1}, "negative": conditioning(family, 2),
            "vae": decoder,
        }  # fmt: skip

    def test_pictures_in_a_video_model(self, tmp_path: Path) -> None:
        """The states of the two would be multiplied out against each other, with no error."""
        with pytest.raises(
            ValueError, match=r"^latents: expected 5 dimensions, got 4 \(shape \(1, 16, 8, 8\)\)\. Encode"
        ):
            run_training(
                video(), [{"samples": randn(1, 16, 8, 8, seed=1)}], [conditioning("video", 1)], tmp_path / "x", OPTIONS
            )

    def test_videos_in_an_image_model(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"^latents: expected 4 dimensions, got 5"):
            run_training(
                sd15(), [{"samples": randn(1, 4, 1, 8, 8, seed=1)}], [conditioning("sd15", 1)], tmp_path / "x", OPTIONS
            )


class TestPatchesThatAreOfTheModelItself:
    def refused(self, model: Any, path: Path) -> str:
        with pytest.raises(ValueError, match="^model: ") as error:
            run_training(model, [latent("flux", seed=1)], [conditioning("flux", 1)], path / "x", OPTIONS)
        return str(error.value)

    def test_a_lora_that_bypasses_the_weights(self, tmp_path: Path) -> None:
        model = flux().clone()
        model.set_injections("bypass_lora", [])
        assert self.refused(model, tmp_path).endswith("Load it with Load LoRA.")

    def test_a_replaced_method(self, tmp_path: Path) -> None:
        model, name = flux().clone(), "diffusion_model.double_blocks.0.forward"
        model.add_object_patch(name, model.model.diffusion_model.double_blocks[0].forward)
        assert f"another node has replaced {name}." in self.refused(model, tmp_path)

    def test_what_a_copy_can_have(self, tmp_path: Path) -> None:
        model = flux().clone()
        model.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
        model.add_object_patch("diffusion_model.patch_size", model.model.diffusion_model.patch_size)
        train(Trainer(model, self.given(), None, replace(SETTINGS, steps=1)), tmp_path / "x")

    @pytest.mark.parametrize("compiled", ["by a patch", "by a wrapper"])
    def test_compiled_layers_train_uncompiled(self, compiled: str, tmp_path: Path) -> None:
        model, name = flux().clone(), "diffusion_model.double_blocks.0"
        if compiled == "by a patch":
            model.add_object_patch(name, torch.compile(model.get_model_object(name), backend="eager"))
        else:
            set_torch_compile_wrapper(model, backend="eager", keys=[name])
        made = Trainer(model, self.given(), None, replace(SETTINGS, steps=1))
        train(made, tmp_path / "x")
        assert not [key for key, tensor in made.weights.items() if tensor.requires_grad and tensor.grad is None]
        assert made.trainable_model.patcher.object_patches.keys() <= {"manual_cast_dtype"}

    def given(self) -> Any:
        return make_training_set([latent("flux", h=4, w=4, seed=1)], [conditioning("flux", seed=1)])


class TestNames:
    @pytest.mark.parametrize(
        "name", ["", "CON", "a/b", "a\\b", "../x", "a:b", "x.", "x" * 244, "a\0b", "a\ud83d", "/etc/x"]
    )
    def test_a_name_that_no_file_can_have_is_refused_first(self, name: str) -> None:
        with pytest.raises(ValueError, match="^run_name: "):
            TrainLora.execute(
                model=[flux()], latents=[latent("flux", h=4, w=4, seed=1)], positive=[conditioning("flux", seed=1)],
                run_name=[name],
            )  # fmt: skip

    def test_a_training_from_before_names_were_checked_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("folder_paths.get_output_directory", lambda: str(tmp_path))
        given = [latent("flux", h=4, w=4, seed=1)], [conditioning("flux", seed=1)]
        run_training(flux(), *given, tmp_path / "sage_training" / "a" / "b: c.safetensors", OPTIONS)
        out = TrainLora.execute(
            model=[flux()], latents=given[0], positive=given[1], run_name=["a/b: c"],
            **{name: [value] for name, value in OPTIONS.items()},
        )  # fmt: skip
        assert "continued from step 2" in out.args[5]


class TestSavedStates:
    def test_files_have_a_format_number(self, tmp_path: Path) -> None:
        path = tmp_path / "x.safetensors"
        train(trainer(steps=1), path)
        state = load_state(path)
        assert state["format"] == 1
        write_data(path, {**state, "format": 2})
        with pytest.raises(ValueError, match="^run_name: the saved state has format 2, expected at most 1"):
            train(trainer(steps=2), path)

    def test_files_without_a_number_still_load(self, tmp_path: Path) -> None:
        path = tmp_path / "x.safetensors"
        train(trainer(steps=1), path)
        write_data(path, {key: value for key, value in load_state(path).items() if key not in NEWER})
        assert "continued from step 1" in train(trainer(steps=2), path)[0]

    def test_early_trainings_keep_their_groups(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[bool] = []

        def look(*given: Any, within_sizes: bool) -> Any:
            asked.append(within_sizes)
            return make_training_set(*given, within_sizes=within_sizes)

        monkeypatch.setattr("comfyui_sage.sage_core.training.session.make_training_set", look)
        path, given = tmp_path / "x.safetensors", ([latent("flux", h=4, w=4, seed=1)], [conditioning("flux", seed=1)])
        for _ in range(2):
            run_training(flux(), *given, path, OPTIONS)
        write_data(path, {key: value for key, value in load_state(path).items() if key not in NEWER})
        run_training(flux(), *given, path, OPTIONS)
        assert asked == [True, True, False]

    @pytest.mark.parametrize("data", [{"done": 1}, [1, 2], {"format": "x"}])
    def test_another_file(self, data: Any, tmp_path: Path) -> None:
        write_data(tmp_path / "x.safetensors", data)
        with pytest.raises(ValueError, match="^run_name: .*(damaged|no saved state)"):
            train(trainer(), tmp_path / "x.safetensors")


class TestExplosions:
    def exploding_at(self, step: int, factor: float, **settings: Any) -> Trainer:
        made = trainer(**settings)
        good = made.trainable_model.denoised
        made.trainable_model.denoised = lambda batch: good(batch) * (factor if made.done == step else 1)
        return made

    @pytest.mark.parametrize("factor", [1e6, torch.nan])
    def test_the_last_saved_state_stays(self, factor: float, tmp_path: Path) -> None:
        path, whole = tmp_path / "x.safetensors", trainer(steps=2)
        train(whole, tmp_path / "whole.safetensors")
        with pytest.raises(ValueError, match=r"The loss .* at step 4.*\nThe state after step 2 is saved") as error:
            train(self.exploding_at(3, factor, save_every=2), path)
        assert "set steps to 2" in str(error.value) and "lower learning_rate" in str(error.value)
        rest = trainer(steps=2)
        train(rest, path)
        assert all(torch.equal(tensor, rest.lora()[name]) for name, tensor in whole.lora().items())

    def test_what_there_is_is_saved_where_nothing_was(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"The loss is .*e\+.* at step 4"):
            train(self.exploding_at(3, 1e6, save_every=100), tmp_path / "x.safetensors")
        assert load_state(tmp_path / "x.safetensors")["done"] == 3

    @pytest.mark.parametrize(("step", "saved"), [(1, False), (4, True)])
    def test_the_state_that_failed_is_not_advised(self, step: int, saved: bool, tmp_path: Path) -> None:
        """It is the one that the loss was computed with; before the first step there is none at all."""
        path = tmp_path / "x.safetensors"
        with pytest.raises(ValueError, match=rf"at step {step}.*\n.*To train, choose another run_name") as error:
            train(self.exploding_at(step - 1, torch.nan, save_every=3), path)
        assert "set steps to" not in str(error.value)
        assert path.exists() == saved

    @pytest.mark.parametrize("save_every", [2, 100])
    def test_weights_that_the_last_step_broke(self, save_every: int, tmp_path: Path) -> None:
        made, path = trainer(steps=3, save_every=save_every), tmp_path / "x.safetensors"

        def break_one(*_: Any) -> None:
            if made.done == 2:
                made.trainable[0].data[0] = torch.nan

        made.optimizer.register_step_post_hook(break_one)
        with pytest.raises(ValueError, match=r"The weights are not finite after step 3\.\n") as error:
            train(made, path)
        assert ("set steps to 2" in str(error.value)) == (save_every == 2) == path.exists()

    @pytest.mark.parametrize("stopped", [False, True])
    def test_a_broken_state_takes_no_good_one_s_place(self, stopped: bool, tmp_path: Path) -> None:
        made, path = trainer(steps=20, save_every=2), tmp_path / "x.safetensors"

        def break_one(*_: Any) -> None:
            if made.done == 3:
                made.trainable[0].data[0] = torch.nan
                if stopped:
                    raise KeyboardInterrupt

        made.optimizer.register_step_post_hook(break_one)
        with pytest.raises(KeyboardInterrupt if stopped else ValueError):
            train(made, path)
        assert load_state(path)["done"] == 2

    def test_too_high_a_learning_rate(self, tmp_path: Path) -> None:
        """No trick: the LoRA itself runs away."""
        with pytest.raises(ValueError, match=r"The loss is (nan|inf|.*e\+)"):
            train(trainer(learning_rate=1e4, steps=60, warmup=0, layers="all"), tmp_path / "x.safetensors")

    def test_a_loss_that_has_risen_is_told(self) -> None:
        made = trainer()
        made.losses = [[1.0, 1.0, torch.nan, torch.nan]] * 40
        assert "has risen" not in training_report(made)
        made.losses = made.losses + [[9.0, 9.0, torch.nan, torch.nan]] * 40
        assert "Note: the loss has risen from 1 to 9. Try a lower learning_rate" in training_report(made)


def test_a_warm_up_that_is_not_over_the_first_step_is_told(tmp_path: Path) -> None:
    """Its learning rate is 0."""
    for steps, is_told in ((1, True), (2, False)):
        made = trainer(steps=steps, warmup=20)
        train(made, tmp_path / f"{steps}.safetensors")
        assert ("Note: the learning rate was 0 in every step" in training_report(made)) == is_told
