"""The demo model on Stable Diffusion's sigmas sees in every state what it sees in the flow's state of that picture;
and correction on these sigmas, also with a network that was trained for them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import comfy.sample
import pytest
import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.sampling.ksampler import sample
from demo_model.variance_exploding import load_demo_model_ve
from unet_model.model import load_unet_model

flow_model, ve_model = functools.lru_cache(load_demo_model), functools.lru_cache(load_demo_model_ve)
PROMPT = "a red house on a white background"


@torch.no_grad()
@pytest.mark.parametrize("sigma", [0.1, 1.0, 14.0])
def test_the_same_picture_of_the_same_state(sigma: float) -> None:
    (flow, clip, _), (patched, _, _) = flow_model(), ve_model()
    text = encode_prompts(clip, [PROMPT])[PROMPT][0]
    x = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0)) * (1 + sigma)
    given = {"c_crossattn": text[0], "y": text[1]["pooled_output"]}
    patched.patch_model()
    try:
        found = patched.model.apply_model(x, torch.tensor([sigma]), **given)
    finally:
        patched.unpatch_model()
    expected = flow.model.apply_model(x / (1 + sigma), torch.tensor([sigma / (1 + sigma)]), **given)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_it_draws_on_the_other_schedule() -> None:
    model, clip, vae = ve_model()
    encoded = encode_prompts(clip, [PROMPT, ""])
    noise = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(3))
    made = comfy.sample.sample(
        model, noise, 8, 4.0, "euler", "simple", encoded[PROMPT], encoded[""], torch.zeros_like(noise),
        disable_pbar=True, seed=3,
    )  # fmt: skip
    picture = vae.decode(made)
    assert float(picture[0, :8, :8].mean()) > 0.9, "the white background"
    assert float(picture.std()) > 0.05


@torch.no_grad()
@pytest.mark.parametrize(("load", "part"), [(load_demo_model_ve, 0.2), (load_unet_model, 0.5)])
def test_correction_is_far_nearer_to_the_pictures_alone_than_sharing(
    load: Callable[[], tuple[Any, Any, Any]], part: float
) -> None:
    model, clip, _ = load()
    prompts = (PROMPT, "a blue star at night", "a green boat on the sea")
    groups = build_prompt_groups(clip, prompts, threshold_mode="fixed", threshold=-1.0)
    negative = encode_prompts(clip, [""])[""]

    def made(share: float, correction: str) -> torch.Tensor:
        return sample(
            model, groups, negative, {"samples": torch.zeros(1, 16, 16, 16)}, seed=3, steps=8, cfg=4.0,
            sampler_name="euler", scheduler="simple", denoise=1.0, share=share, correction=correction,
        )[0]["samples"]  # fmt: skip

    alone = made(0.0, "off")
    plain, corrected = (float((made(0.5, each) - alone).norm()) for each in ("off", "on"))
    assert corrected < part * plain, (corrected, plain)
