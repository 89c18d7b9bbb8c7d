"""Correction: the pure functions against a definition, and the laws with it switched on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.correction import correct, interpolate, probed_calls
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sampling.trace import Call
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import (
    SAMPLERS,
    SETTINGS,
    assert_equal,
    comfy_ksampler,
    difference,
    different,
    grouped,
    sage,
    sage_in_two,
    small,
)

GROUPS = [(0, 1, 2), (3,)]


def two_identical(sampler_name: str) -> None:
    image = small("sd15", batch=2)


@pytest.mark.parametrize("sampler_name", SAMPLERS)
class TestEverySampler:
    @pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
    def test_identical_prompts_equal_comfyui(self, sampler_name: str, share: float) -> None:
        prompts = different("sd15", 1) * 3 + different("sd15", 2)[1:]
        images = sage(
            "sd15", grouped(prompts, GROUPS), small("sd15"), share=share, sampler_name=sampler_name, correction="on"
        )
        for index in (0, 2, 3):
            assert_equal(
                images[index : index + 1],
                comfy_ksampler("sd15", prompts[index], small("sd15"), sampler_name=sampler_name),
            )

    def test_evaluations_and_prefix_then_branch(self, sampler_name: str) -> None:
        groups, image, model = grouped(different("sd15", 4), GROUPS), small("sd15", batch=2), MODELS["sd15"]()
        use = {**SETTINGS, "sampler_name": sampler_name, "correction": "thorough"}
        guider, out = ksampler._sample_with(
            SageGuider, model, groups, conditioning("sd15", seed=1), image, None, {**use, "share": 0.5}
        )
        with count_evaluations(model) as evaluations:
            again = sage("sd15", groups, image, share=0.5, sampler_name=sampler_name, correction="thorough")
        assert evaluations.rows == guider.record.evaluations
        if guider.record.cost is not None:
            assert guider.record.cost.total == evaluations.rows
            assert guider.record.warnings == ()
        two = sage_in_two("sd15", groups, image, share=0.5, sampler_name=sampler_name, correction="thorough")
        assert_equal(two, out["samples"])
        assert_equal(again, out["samples"])
        plain = sage("sd15", groups, image, share=0.5, sampler_name=sampler_name)
        if guider.record.cost is not None:
            assert difference(plain, out["samples"]) > 1e-4
        assert_equal(plain[6:], out["samples"][6:]), "a group of one is untouched"
