"""Every kind of latent and setting of KSampler, against ComfyUI's KSampler for each prompt."""

from __future__ import annotations

from typing import Any

import comfy.hooks
import comfy.samplers
import comfy.sd
import comfy.utils
import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfy_extras import (
    nodes_advanced_samplers,
)
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import (
    SETTINGS,
    SOME_SAMPLERS,
    assert_equal,
    check_laws,
    difference,
    different,
    grouped,
    sage,
    sage_in_two,
    sampler_settings,
    small,
)

import nodes as comfy_nodes


@pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
class TestLatents:
    def test_variations_are_prompt_major(self, sampler_name: str) -> None:
        check_laws("sd15", small("sd15", batch=3), **sampler_settings(sampler_name))

    def test_image_to_image(self, sampler_name: str) -> None:
        check_laws("sd15", small("sd15", batch=2, seed=3), **sampler_settings(sampler_name), denoise=0.6)

    @pytest.mark.parametrize("masks", [1, 2])
    def test_inpainting(self, sampler_name: str, masks: int) -> None:
        image = small("sd15", batch=2, seed=3)
        mask = torch.zeros(masks, 1, 64, 64)
        for index in range(masks):
            mask[index, :, : 24 + 16 * index, 16:] = 1.0
        check_laws("sd15", {**image, "noise_mask": mask}, **sampler_settings(sampler_name), denoise=0.8)

    @pytest.mark.parametrize("shape", [(64, 64), (3, 64, 64)])
    def test_other_mask_shapes(self, sampler_name: str, shape: tuple[int, ...]) -> None:
        mask = torch.zeros(shape)
        for index, layer in enumerate(mask.view(-1, 64, 64)):
            layer[: 24 + 16 * index, 16:] = 1.0
        image = {**small("sd15", batch=2, seed=3), "noise_mask": mask}
        check_laws("sd15", image, **sampler_settings(sampler_name), denoise=0.8)

    def test_video_masks_are_frames(self, sampler_name: str) -> None:
        mask = torch.zeros(2, 8, 8)
        mask[0, :4], mask[1, :, 4:] = 1.0, 1.0
        image = {**small("video", batch=2, seed=3), "noise_mask": mask}
        check_laws("video", image, **sampler_settings(sampler_name), denoise=0.8)

    def test_noise_of_chosen_batch_indices(self, sampler_name: str) -> None:
        check_laws("sd15", {**small("sd15", batch=3), "batch_index": [4, 0, 4]}, **sampler_settings(sampler_name))

    def test_not_square(self, sampler_name: str) -> None:
        check_laws("sd15", small("sd15", batch=2, h=6, w=10), **sampler_settings(sampler_name))

    def test_video(self, sampler_name: str) -> None:
        check_laws("video", small("video", batch=2), **sampler_settings(sampler_name))

    def test_cfg_1(self, sampler_name: str) -> None:
        check_laws("sd15", small("sd15"), **sampler_settings(sampler_name), cfg=1.0)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_denoise_0_returns_the_latent_for_every_prompt(share: float) -> None:
    image = small("sd15", batch=2, seed=3)
    groups = grouped(different("sd15", 2), [(0, 1)])
    for run in (sage, sage_in_two):
        assert torch.equal(run("sd15", groups, image, share=share, denoise=0.0), image["samples"].repeat(2, 1, 1, 1))


def test_masks_and_batch_indices_are_repeated_for_every_prompt() -> None:
    image = {**small("sd15", batch=2), "batch_index": [3, 1], "noise_mask": torch.ones(1, 1, 64, 64)}
    groups = grouped(different("sd15", 3), [(0, 1), (2,)])
    negative = conditioning("sd15", seed=1)
    out, _ = ksampler.sample(MODELS["sd15"](), groups, negative, image, share=0.5, **SETTINGS)
    assert out["samples"].shape[0] == 6
    assert out["batch_index"] == [3, 1] * 3
    assert out["noise_mask"].shape[0] == 6
    again = comfy_nodes.common_ksampler(
        MODELS["sd15"](), 0, 2, 3.0, "euler", "normal", groups.conditionings[0], negative, out, denoise=0.5
    )[0]
    assert again["samples"].shape[0] == 6


def test_cfg_1_evaluates_no_negative() -> None:
    model, image = MODELS["sd15"](), small("sd15")
    groups = grouped(different("sd15", 2), [(0, 1)])
    for sampler_name, rows in (("euler", 4 + 2 * 4), ("euler_cfg_pp", 2 * (4 + 2 * 4))):
        with count_evaluations(model) as evaluations:
            _, report = ksampler.sample(
                model, groups, conditioning("sd15", seed=1), image, share=0.5,
                **{**SETTINGS, "cfg": 1.0, "sampler_name": sampler_name},
            )  # fmt: skip
        assert evaluations.rows == rows
        assert f"evaluations: {rows} done, {rows} planned" in report


def test_a_sampler_that_enlarges_the_latent() -> None:
    model, prompts, negative = MODELS["sd15"](), different("sd15", 2), conditioning("sd15", seed=1)
    sampler = comfy.samplers.KSAMPLER(nodes_advanced_samplers.sample_lcm_upscale, {"upscale_method": "nearest-exact"})
    sigmas = comfy.samplers.KSampler(model, 8, model.load_device, "euler", "normal").sigmas

    def run(guider: Any) -> torch.Tensor:
        image = small("sd15", batch=2)
        return SamplerCustomAdvanced.execute(Noise_RandomNoise(5), guider, sampler, sigmas, image).args[0]["samples"]

    alone = []
    for prompt in prompts:
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(prompt, negative)
        guider.set_cfg(3.0)
        alone.append(run(guider))
    assert alone[0].shape == (2, 4, 16, 16)
    assert_equal(run(SageGuider(model, grouped(prompts, [(0, 1)]), negative, 3.0, 0.0)), torch.cat(alone))
    twins = SageGuider(model, grouped(prompts[:1] * 2, [(0, 1)]), negative, 3.0, 0.5)
    assert_equal(run(twins), torch.cat(alone[:1] * 2))
    assert twins.record.warnings == ()


@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_sde"])
def test_nested_latents(sampler_name: str) -> None:
    """Video with sound. ComfyUI's models for it are large, so that a formula stands in for one."""
    model, negative = MODELS["sd15"]().clone(), conditioning("sd15", seed=1)

    def formula(apply_model: Any, args: dict[str, Any]) -> torch.Tensor:
        prompt = args["c"]["c_crossattn"].mean((1, 2)).view(-1, 1, 1)
        return 0.3 * args["input"] + 0.5 * torch.sin(2 * args["input"] + 50 * prompt)

    model.set_model_unet_function_wrapper(formula)
    latents = NestedTensor([torch.zeros(2, 4, 3, 8, 8), torch.zeros(2, 8, 16)])
    settings = {**SETTINGS, "sampler_name": sampler_name}
    sampler, sigmas = ksampler.KSamplerSettings(**settings, share=0.0).sampler(model)
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(conditioning("sd15", seed=10), negative)
    guider.set_cfg(3.0)
    expected = guider.sample(
        Noise_RandomNoise(5).generate_noise({"samples": latents}), latents, sampler, sigmas, seed=5
    )

    twins, groups = (grouped(prompts, [(0, 1)]) for prompts in (different("sd15", 1) * 2, different("sd15", 2)))
    image = {"samples": latents}
    found = ksampler.sample(model, twins, negative, image, share=0.5, **settings)[0]["samples"]
    for part, plain in zip(found.unbind(), expected.unbind(), strict=True):
        assert_equal(part, torch.cat([plain] * 2))
    one = ksampler.sample(model, groups, negative, image, share=0.5, **settings)[0]["samples"]
    prefix, preview = ksampler.sample_prefix(model, groups, negative, image, share=0.5, **settings)
    assert [part.shape[0] for part in preview["samples"].unbind()] == [2, 2]
    two = ksampler.sample_branch(model, prefix)[0]["samples"]
    for part, other, plain in zip(two.unbind(), one.unbind(), expected.unbind(), strict=True):
        assert_equal(part, other)
        assert difference(part[:2], plain) > 1e-3
