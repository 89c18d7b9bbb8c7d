"""The UNet model of the benchmarks: training from nothing, loading through ComfyUI, and the laws on it."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from comfy.model_base import ModelType
from comfy.model_sampling import EPS, ModelSamplingDiscrete
from comfyui_sage.sage_core.demo.judge import load_demo_judge
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.sampling.ksampler import sample
from demo_model.dataset import TRAIN
from demo_model.encoded_texts import TEXT_WIDTH, encoded_texts
from demo_model.evaluate import fidelity
from demo_model.scenes import Scene, Thing
from unet_model import training
from unet_model.model import load_unet_model
from unet_model.training import Examples, Teacher, export, new_network, spoken_texts, train_unet

import nodes as comfy_nodes

CPU = torch.device("cpu")
PROMPT = "a red house on a white background"


@functools.lru_cache
def network() -> torch.nn.Module:
    """What a trained one is like: no block is the identity any more."""
    torch.manual_seed(0)
    made = new_network().requires_grad_(False)
    for weight in made.parameters():
        weight += 0.02 * torch.randn_like(weight)
    return made


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    path = tmp_path_factory.mktemp("unet") / "unet.safetensors"
    export(network(), path)
    return load_unet_model(path)


@functools.lru_cache
def examples() -> Examples:
    generator = torch.Generator().manual_seed(0)
    texts = torch.randn(3, 32, TEXT_WIDTH, generator=generator).half()
    latents = torch.randn(8, 16, 16, 16, generator=generator).half()
    said = torch.randint(3, (8, training.CAPTIONS), generator=generator)
    return Examples(latents, texts, torch.randn(3, 1408, generator=generator), said)


class TestLoaded:
    def test_it_predicts_the_noise_on_a_discrete_schedule(self, loaded: tuple[Any, Any, Any]) -> None:
        base = loaded[0].model
        assert base.model_type == ModelType.EPS
        assert isinstance(base.model_sampling, EPS)
        assert isinstance(base.model_sampling, ModelSamplingDiscrete)
        assert float(base.model_sampling.sigma_max) == pytest.approx(14.61, abs=0.01)

    @torch.no_grad()
    def test_the_wide_text_of_the_encoder_is_read_like_the_narrow_one_of_the_training(
        self, loaded: tuple[Any, Any, Any]
    ) -> None:
        text = encode_prompts(loaded[1], [PROMPT])[PROMPT][0][0]
        x, time = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([500.0])
        wide = loaded[0].model.diffusion_model(x, time, context=text)
        narrow = network()(x, time, context=text[:, :, :TEXT_WIDTH])
        torch.testing.assert_close(wide, narrow, rtol=0, atol=0.01)
        assert float((wide - network()(x, time, context=torch.zeros(1, 32, TEXT_WIDTH))).abs().max()) > 0.05

    @torch.no_grad()
    @pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
    @pytest.mark.parametrize("correction", ["off", "on"])
    def test_equal_prompts_that_share_are_what_the_ksampler_gives(
        self, loaded: tuple[Any, Any, Any], sampler: str, correction: str
    ) -> None:
        model, clip, _ = loaded
        encoded = encode_prompts(clip, [PROMPT, ""])
        empty = {"samples": torch.zeros(1, 16, 16, 16)}
        groups = build_prompt_groups(clip, (PROMPT, PROMPT), threshold_mode="fixed", threshold=-1.0)
        made, _ = sample(
            model, groups, encoded[""], empty, seed=3, steps=5, cfg=4.0, sampler_name=sampler, scheduler="simple",
            denoise=1.0, share=0.6, correction=correction,
        )  # fmt: skip
        alone = comfy_nodes.common_ksampler(
            model, 3, 5, 4.0, sampler, "simple", encoded[PROMPT], encoded[""], empty
        )[0]["samples"]  # fmt: skip
        assert torch.isfinite(alone).all()
        for each in made["samples"]:
            assert float((each - alone[0]).norm() / alone.norm()) <= 1e-5

    @pytest.mark.parametrize("content", [None, b"", b"something else"])
    def test_a_file_that_is_missing_or_damaged(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "unet.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match="unet model: the weights at .*unet.safetensors are missing or damaged"):
            load_unet_model(path)


class TestTrained:
    def test_it_draws_what_the_prompts_say(self) -> None:
        scenes = [
            Scene((Thing("house", "red"),)), Scene((Thing("star", "blue"),), setting="night"),
            Scene((Thing("boat", "green"),), setting="sea"), Scene((Thing("car", "yellow"),), setting="snow"),
        ]  # fmt: skip
        found, _, _ = fidelity(load_unet_model(), load_demo_judge(), scenes, sampler="dpmpp_2m")
        assert found["all"] >= 0.75


class TestTraining:
    @torch.no_grad()
    def test_it_starts_with_giving_the_noise_back(self) -> None:
        noise = torch.randn(4, 16, 16, 16, generator=torch.Generator().manual_seed(1))
        found = new_network()(noise, torch.full((4,), 999.0), context=torch.zeros(4, 32, TEXT_WIDTH))
        assert float((found - noise).square().mean()) < 0.01

    def test_a_step_reaches_the_last_block_whose_part_starts_at_zero(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "BATCH", 1)
        after = train_unet(examples(), tmp_path, CPU, 1, lambda *_: None).state_dict()
        assert bool(after["output_blocks.2.0.out_layers.3.weight"].any())
        assert not after["middle_block.0.out_layers.3.weight"].any(), "reached in the second step"


class TestTexts:
    def test_a_picture_has_its_texts_and_the_empty_one_is_first(self) -> None:
        texts, said = spoken_texts(replace(TRAIN, number=6))
        assert texts[0] == ""
        assert len(set(texts)) == len(texts)
        assert said.shape == (6, training.CAPTIONS)
        assert said.min() > 0
        for index, places in enumerate(said):
            subject = TRAIN.scene(index)[0].things[0].subject
            assert all(subject[:3] in texts[place] for place in places)

    @torch.no_grad()
    def test_they_are_encoded_as_the_text_encoder_does(self) -> None:
        clip = load_demo_model()[1]
        texts = ["", PROMPT, "two large blue stars at night"]
        for text, state, pooled in zip(texts, *encoded_texts(clip, texts), strict=True):
            (alone, extra), *_ = encode_prompts(clip, [text])[text]
            torch.testing.assert_close(state.float(), alone[0, :, :TEXT_WIDTH], rtol=1e-3, atol=2e-2)
            torch.testing.assert_close(pooled, extra["pooled_output"][0])


class TestTeacher:
    @torch.no_grad()
    def test_its_noise_is_what_the_demo_model_sees(self) -> None:
        """The flow's velocity is noise - picture, in every state between them."""
        (model, clip, _), teacher = load_demo_model(), Teacher()
        states, pooled = encoded_texts(clip, [PROMPT])
        noise = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
        found = teacher.noise(14.0 * noise, torch.tensor([14.0]), states.float(), pooled)
        (wide, extra), *_ = encode_prompts(clip, [PROMPT])[PROMPT]
        at = 14.0 / 15.0
        picture = model.model.apply_model(at * noise, torch.tensor([at]), c_crossattn=wide, y=extra["pooled_output"])
        torch.testing.assert_close(found, noise - picture / 14.0, rtol=1e-2, atol=1e-2)
