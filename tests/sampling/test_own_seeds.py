"""Prompts with seed offsets: each has the picture that ComfyUI gives it alone with its own seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.prefix.file import load_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from models import MODELS, conditioning
from reference import (
    SETTINGS,
    SOME_SAMPLERS,
    assert_equal,
    comfy_ksampler,
    different,
    grouped,
    sage,
    sage_in_two,
    sampler_settings,
    small,
)

PROMPTS = different("sd15", 3)
OFFSETS = (0, 4, 0)
NEGATIVE = conditioning("sd15", seed=1)


def groups(offsets: tuple[int, ...] = OFFSETS) -> PromptGroups:
    """All prompts in one group."""
    return replace(grouped(PROMPTS, [(0, 1, 2)]), seed_offsets=offsets)


def alone(image: dict, offsets: tuple[int, ...] = OFFSETS, **settings: object) -> torch.Tensor:
    seeds = [(SETTINGS["seed"] + offset) % 2**64 for offset in offsets]
    pairs = zip(PROMPTS, seeds, strict=True)
    return torch.cat([comfy_ksampler("sd15", prompt, image, **{**settings, "seed": seed}) for prompt, seed in pairs])


@pytest.mark.parametrize("sampler_name", [*SOME_SAMPLERS, "dpmpp_sde"])
def test_without_sharing(sampler_name: str) -> None:
    image, settings = small("sd15", batch=2), sampler_settings(sampler_name)
    assert_equal(sage("sd15", groups(), image, share=0.0, **settings), alone(image, **settings))


@pytest.mark.parametrize("numbers", [None, [0, 1], [4, 1]])
def test_variations_of_an_odd_size(numbers: list[int] | None) -> None:
    """A batch_index counts where it is given: with one, ComfyUI draws row by row."""
    image = {**small("sd15", batch=2, h=5, w=7), **({"batch_index": numbers} if numbers else {})}
    assert_equal(sage("sd15", groups(), image, share=0.0), alone(image))


@pytest.mark.parametrize("correction", ["off", "on"])
@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m_sde"])
def test_prompts_with_one_seed_share(sampler_name: str, correction: str, tmp_path: Path) -> None:
    """As if the others were not there. In one node, in two, and through a file."""
    image, use = small("sd15"), {**sampler_settings(sampler_name), "share": 0.5, "correction": correction}
    pair = sage("sd15", groups().only([0, 2]), image, **use)
    single = sage("sd15", grouped(PROMPTS[1:2], [(0,)]), image, **{**use, "seed": SETTINGS["seed"] + 4})
    expected = torch.cat([pair[:1], single, pair[1:]])
    assert_equal(sage("sd15", groups(), image, **use), expected)
    assert_equal(sage_in_two("sd15", groups(), image, **use), expected)
    model = MODELS["sd15"]()
    prefix, _ = ksampler.sample_prefix(model, groups(), NEGATIVE, image, **{**SETTINGS, **use})
    save_prefix(prefix, tmp_path / "seeds.prefix.safetensors")
    loaded = load_prefix(tmp_path / "seeds.prefix.safetensors")
    assert_equal(ksampler.sample_branch(model, loaded)[0]["samples"], expected)


@pytest.mark.parametrize("offset", [7, -6, 2**64 - 1])
def test_one_offset_for_all(offset: int) -> None:
    """Nothing keeps the prompts from sharing. Before the first seed comes the last."""
    image, seed = small("sd15"), (SETTINGS["seed"] + offset) % 2**64
    found, report = ksampler.sample(
        MODELS["sd15"](), groups((offset,) * 3), NEGATIVE, image, **{**SETTINGS, "share": 0.5}
    )
    assert_equal(found["samples"], sage("sd15", grouped(PROMPTS, [(0, 1, 2)]), image, share=0.5, seed=seed))
    assert "Warning" not in report


def test_rows_of_their_own() -> None:
    pictures = torch.cat([torch.full((2, 4, 8, 8), value) for value in (0.1, 0.2, 0.3)])
    settings = {"denoise": 0.6, "sampler_name": "euler_ancestral"}
    found = sage("sd15", groups(), {"samples": pictures}, share=0.0, latent_rows="prompts", **settings)
    expected = [
        comfy_ksampler("sd15", prompt, {"samples": rows}, seed=SETTINGS["seed"] + offset, **settings)
        for prompt, offset, rows in zip(PROMPTS, OFFSETS, pictures.chunk(3), strict=True)
    ]
    assert_equal(found, torch.cat(expected))


def test_equal_prompts_with_other_seeds_are_not_repeats() -> None:
    image = small("sd15")
    twins = replace(grouped(PROMPTS[:1] * 2, [(0, 1)]), prompts=("same", "same"), seed_offsets=(0, 1))
    found = sage("sd15", twins, image, share=0.5)
    assert_equal(found, torch.cat([comfy_ksampler("sd15", PROMPTS[0], image, seed=seed) for seed in (5, 6)]))


def test_noise_of_another_node() -> None:
    guider = SageGuider(MODELS["sd15"](), groups(), NEGATIVE, 3.0, 0.5)
    sampler, sigmas = ksampler.KSamplerSettings(**SETTINGS, share=0.0).sampler(MODELS["sd15"]())
    with pytest.raises(ValueError, match=r"groups: the prompts have seed offsets, .* Use SAGE KSampler"):
        SamplerCustomAdvanced.execute(Noise_RandomNoise(5), guider, sampler, sigmas, small("sd15"))
