"""Prompts that a list contains more than once."""

from __future__ import annotations

from dataclasses import replace

import comfy.hooks
import comfy.samplers
import comfy.sd
import comfy.utils
import pytest
import torch
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import (
    SETTINGS,
    assert_equal,
    comfy_ksampler,
    different,
    grouped,
    sage_in_two,
    small,
)


class TestRepeats:
    """Equal prompts of a list: one of them is rendered."""

    @pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m_sde"])
    def test_repeats_get_the_image_of_the_first_and_cost_nothing(self, sampler_name: str) -> None:
        image, prompts = small("sd15", batch=2), different("sd15", 2)
        listed = [prompts[0], prompts[1], prompts[0], prompts[0]]
        groups = replace(grouped(listed, [(0, 2, 3), (1,)]), prompts=("a", "b", "a", "a"))
        model = MODELS["sd15"]()
        with count_evaluations(model) as evaluations:
            out, report = ksampler.sample(
                model, groups, conditioning("sd15", seed=1), image, share=0.5,
                **{**SETTINGS, "sampler_name": sampler_name},
            )  # fmt: skip
        alone = [comfy_ksampler("sd15", prompt, image, sampler_name=sampler_name) for prompt in listed]
        assert_equal(out["samples"], torch.cat(alone))
        assert evaluations.rows == 2 * 2 * 2 * 8, "two prompts, two variations, cond and uncond, eight steps"
        assert "4 prompts x 2 variations" in report
        assert "128 for every prompt alone: 50.0% saved" in report
        assert "2 repeated prompts: no evaluations of their own" in report
        twice = sage_in_two("sd15", groups, image, share=0.5, sampler_name=sampler_name)
        assert_equal(twice, out["samples"])

    def test_denoised_output_has_repeats_too(self) -> None:
        prompts = different("sd15", 1) * 3
        groups = replace(grouped(prompts, [(0, 1, 2)]), prompts=("a",) * 3)
        guider = SageGuider(MODELS["sd15"](), groups, conditioning("sd15", seed=1), 3.0, 0.5)
        sigmas = comfy.samplers.KSampler(MODELS["sd15"](), 4, "cpu", "euler", "normal").sigmas
        out, denoised = SamplerCustomAdvanced.execute(
            Noise_RandomNoise(1), guider, comfy.samplers.sampler_object("euler"), sigmas, small("sd15", batch=2)
        ).args
        for each in (out, denoised):
            assert each["samples"].shape[0] == 6
            assert torch.equal(each["samples"][:2], each["samples"][4:])
