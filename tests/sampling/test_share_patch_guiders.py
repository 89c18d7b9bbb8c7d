"""Share Sampling before ComfyUI's guider nodes, and with what patches and kinds of latents there are."""

from __future__ import annotations

import functools
import math
from typing import Any

import comfy.samplers
import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfy_extras import nodes_custom_sampler, nodes_easycache
from comfy_extras.nodes_custom_sampler import Guider_Basic, Guider_DualCFG, Noise_RandomNoise, SamplerCustomAdvanced
from comfy_extras.nodes_perpneg import Guider_PerpNeg
from comfyui_sage.sage_core.sampling import ksampler as sage_ksampler
from evaluations import count_evaluations
from models import MODELS, conditioning, two_level_unet
from reference import SETTINGS, assert_equal, comfy_ksampler, difference, different, grouped, sage, small
from shared_graphs import ONE_GROUP, PAIR_AND_ONE, ksampler, shared
from test_memory_chunks import free_memory
from windowed_models import with_windows

NEGATIVE, OTHER = (conditioning("sd15", seed=seed) for seed in (1, 2))


def basic(model: Any, positive: Any, negative: Any) -> Any:
    guider = Guider_Basic(model)
    guider.set_conds(positive)
    return guider


def cfg(model: Any, positive: Any, negative: Any) -> Any:
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(3.0)
    return guider


def dual(style: str) -> Any:
    def make(model: Any, positive: Any, negative: Any) -> Any:
        guider = Guider_DualCFG(model)
        guider.set_conds(positive, OTHER, negative)
        guider.set_cfg(3.0, 1.5, nested=style == "nested")
        return guider

    return make


def perp_neg(model: Any, positive: Any, negative: Any) -> Any:
    guider = Guider_PerpNeg(model)
    guider.set_conds(positive, negative, OTHER)
    guider.set_cfg(3.0, 0.8)
    return guider


second_model = functools.lru_cache(two_level_unet)


def two_models(model: Any, positive: Any, negative: Any) -> Any:
    """A second model for the negative."""
    node = nodes_custom_sampler.DualModelGuider
    return node.execute(model, positive, 3.0, second_model(), negative).args[0]


GUIDERS = {"basic": basic, "cfg": cfg, "dual": dual("regular"), "dual, nested": dual("nested"), "perp-neg": perp_neg}
if hasattr(nodes_custom_sampler, "DualModelGuider"):  # older versions of ComfyUI have none
    GUIDERS["two models"] = two_models


def sample(guider: Any, latent: dict[str, Any], sampler_name: str = "dpmpp_2m") -> tuple[torch.Tensor, torch.Tensor]:
    """Both outputs of SamplerCustomAdvanced."""
    settings = sage_ksampler.KSamplerSettings(**{**SETTINGS, "sampler_name": sampler_name}, share=0.0)
    out = SamplerCustomAdvanced.execute(Noise_RandomNoise(5), guider, *settings.sampler(guider.model_patcher), latent)
    return tuple(each["samples"] for each in out.args)  # type: ignore[return-value]


@pytest.mark.parametrize("name", GUIDERS)
class TestEveryGuider:
    def test_share_0(self, name: str) -> None:
        prompts, image, make = different("sd15", 3), small("sd15", batch=2), GUIDERS[name]
        inputs = shared("sd15", prompts, image, share=0.0)
        found = sample(make(inputs.model, inputs.positive, inputs.negative), inputs.latent)
        alone = [sample(make(MODELS["sd15"](), prompt, NEGATIVE), image) for prompt in prompts]
        for both, each in zip(found, zip(*alone, strict=True), strict=True):
            assert_equal(both, torch.cat(each))

    @pytest.mark.parametrize("correction", ["off", "on"])
    def test_equal_prompts(self, name: str, correction: str) -> None:
        one, image, make = conditioning("sd15", seed=10), small("sd15"), GUIDERS[name]
        inputs = shared("sd15", [one] * 3, image, partition=ONE_GROUP, correction=correction)
        found, _ = sample(make(inputs.model, inputs.positive, inputs.negative), inputs.latent)
        expected, _ = sample(make(MODELS["sd15"](), one, NEGATIVE), image)
        assert_equal(found, expected.repeat(3, 1, 1, 1))

    @pytest.mark.parametrize("correction", ["off", "on"])
    def test_evaluations_are_those_planned(self, name: str, correction: str, caplog: Any) -> None:
        model = MODELS["sd15"]()
        inputs = shared("sd15", different("sd15", 3), small("sd15"), partition=ONE_GROUP, correction=correction)
        with count_evaluations(model) as first, count_evaluations(second_model()) as second, caplog.at_level("INFO"):
            sample(GUIDERS[name](inputs.model, inputs.positive, inputs.negative), inputs.latent)
        evaluations = first.rows + second.rows
        assert f"{evaluations} done, {evaluations} planned" in caplog.text
        is_plain = name in ("basic", "cfg")
        assert ("not corrected: the guider combines" in caplog.text) == (correction == "on" and not is_plain)

    def test_negatives_per_prompt(self, name: str) -> None:
        prompts, image, make = different("sd15", 3), small("sd15"), GUIDERS[name]
        negatives = [conditioning("sd15", seed=30 + index) for index in range(3)]
        inputs = shared("sd15", prompts, image, share=0.0, negatives=negatives)
        found, _ = sample(make(inputs.model, inputs.positive, inputs.negative), inputs.latent)
        pairs = zip(prompts, negatives, strict=True)
        assert_equal(found, torch.cat([sample(make(MODELS["sd15"](), *pair), image)[0] for pair in pairs]))


def test_sampler_custom() -> None:
    """A sampler node with a schedule and no guider."""

    def sample_with(model: Any, positive: Any, negative: Any, latent: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        parts = sage_ksampler.KSamplerSettings(**SETTINGS, share=0.0).sampler(model)
        out = nodes_custom_sampler.SamplerCustom.execute(model, True, 5, 3.0, positive, negative, *parts, latent)
        return tuple(each["samples"] for each in out.args)

    prompts, image = different("sd15", 3), small("sd15", batch=2)
    inputs = shared("sd15", prompts, image, share=0.0)
    found = sample_with(inputs.model, inputs.positive, inputs.negative, inputs.latent)
    alone = [sample_with(MODELS["sd15"](), prompt, NEGATIVE, image) for prompt in prompts]
    for both, each in zip(found, zip(*alone, strict=True), strict=True):
        assert_equal(both, torch.cat(each))


def test_nested_latents() -> None:
    """Video with sound. ComfyUI's models for it are large, so that a formula stands in for one."""
    model = MODELS["sd15"]().clone()

    def formula(apply_model: Any, args: dict[str, Any]) -> torch.Tensor:
        prompt = args["c"]["c_crossattn"].mean((1, 2)).view(-1, 1, 1)
        return 0.3 * args["input"] + 0.5 * torch.sin(2 * args["input"] + 50 * prompt)

    model.set_model_unet_function_wrapper(formula)
    image = {"samples": NestedTensor([torch.zeros(2, 4, 3, 8, 8), torch.zeros(2, 8, 16)])}
    prompts = different("sd15", 3)
    inputs = shared("sd15", prompts, image, share=0.0, model=model)
    found = sample(cfg(inputs.model, inputs.positive, inputs.negative), inputs.latent)
    alone = [sample(cfg(model, prompt, NEGATIVE), image) for prompt in prompts]
    for both, each in zip(found, zip(*alone, strict=True), strict=True):
        if not each[0].is_nested:  # the second output, in older versions of ComfyUI
            continue
        for part, parts in zip(both.unbind(), zip(*(one.unbind() for one in each), strict=True), strict=True):
            assert_equal(part, torch.cat(parts))
    inputs = shared("sd15", prompts, image, model=model)
    half, _ = sample(cfg(inputs.model, inputs.positive, inputs.negative), inputs.latent)
    groups = grouped(prompts, PAIR_AND_ONE)
    expected = sage_ksampler.sample(
        model, groups, NEGATIVE, image, share=0.5, **{**SETTINGS, "sampler_name": "dpmpp_2m"}
    )[0]["samples"]  # fmt: skip
    for part, other in zip(half.unbind(), expected.unbind(), strict=True):
        assert_equal(part, other)


def test_two_experts() -> None:
    """KSampler (Advanced) in two stages with two models: the first shares, and the rows keep their prompts."""
    import nodes as comfy_nodes

    high, low = MODELS["sd15"](), MODELS["sd15"]().clone()
    prompts, image = different("sd15", 3), small("sd15")

    def stage(model: Any, positive: Any, negative: Any, rows: dict[str, Any], first: bool) -> dict[str, Any]:
        return comfy_nodes.KSamplerAdvanced().sample(
            model, "enable" if first else "disable", 5, 8, 3.0, "euler", "normal", positive, negative, rows,
            0 if first else 4, 4 if first else 8, "enable" if first else "disable",
        )[0]  # fmt: skip

    one = shared("sd15", prompts, image, share=0.0, model=high)
    rows = stage(one.model, one.positive, one.negative, one.latent, True)
    two = shared("sd15", [one.positive], rows, negatives=[one.negative], model=low, share=0.0)
    found = stage(two.model, two.positive, two.negative, two.latent, False)["samples"]
    alone = [stage(low, prompt, NEGATIVE, stage(high, prompt, NEGATIVE, image, True), False) for prompt in prompts]
    assert_equal(found, torch.cat([each["samples"] for each in alone]))


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, as for the SAGE samplers."""
    prompts, image, model = different("sd15", 3), small("sd15", batch=2), MODELS["sd15"]()
    expected = ksampler(shared("sd15", prompts, image))["samples"]
    free_memory(monkeypatch, int(1.6 * model.model.memory_required([4, 4, 8, 8])))
    with count_evaluations(model) as evaluations:
        assert_equal(ksampler(shared("sd15", prompts, image))["samples"], expected)
    assert max(evaluations.batches) == 2 * 2, "one prompt with its two variations, cond and uncond"


@pytest.mark.parametrize("patch_first", [True, False])
def test_a_cache_decides_for_each_prompt(patch_first: bool) -> None:
    def cached(model: Any) -> Any:
        return nodes_easycache.EasyCacheNode.execute(model, 0.2, 0.0, 1.0, False).args[0]

    prompts, image = different("sd15", 3), small("sd15")
    inputs = shared("sd15", prompts, image, share=0.0, model=cached(MODELS["sd15"]()) if patch_first else None)
    if not patch_first:
        inputs = inputs._replace(model=cached(inputs.model))
    with count_evaluations(inputs.model) as evaluations:
        out = ksampler(inputs, steps=16)["samples"]
    assert evaluations.rows < 3 * 2 * 16, "nothing was skipped: the case would prove nothing"
    model = cached(MODELS["sd15"]())
    assert_equal(out, torch.cat([comfy_ksampler("sd15", prompt, image, model, steps=16) for prompt in prompts]))


def test_context_windows() -> None:
    """One prompt at a time, as ComfyUI's windows take one video."""
    prompts, model = different("video", 3), with_windows(MODELS["video"]())
    image = {"samples": torch.zeros(1, 16, 8, 8, 8)}
    found = ksampler(shared("video", prompts, image, share=0.0, model=model))["samples"]
    assert_equal(found, torch.cat([comfy_ksampler("video", prompt, image, model) for prompt in prompts]))
    half = ksampler(shared("video", prompts, image, model=model))["samples"]
    assert_equal(half, sage("video", grouped(prompts, PAIR_AND_ONE), image, share=0.5, model=model))


def test_a_lora_after_it() -> None:
    prompts, image = different("sd15", 3), small("sd15")
    inputs = shared("sd15", prompts, image, share=0.0)
    changed = inputs.model.clone()
    key = next(name for name in changed.model.state_dict() if name.endswith("attn2.to_q.weight"))
    weight = changed.model.state_dict()[key]
    changed.add_patches({key: ("diff", (torch.full_like(weight, 1 / math.sqrt(weight.numel())),))}, 1.0)
    out = ksampler(inputs._replace(model=changed))["samples"]
    model = MODELS["sd15"]().clone()
    model.add_patches({key: ("diff", (torch.full_like(weight, 1 / math.sqrt(weight.numel())),))}, 1.0)
    assert_equal(out, torch.cat([comfy_ksampler("sd15", prompt, image, model) for prompt in prompts]))
    assert difference(out, sage("sd15", grouped(prompts, ONE_GROUP), image, share=0.0)) > 1e-4


@pytest.mark.parametrize("share_mode", ["auto", "tree"])
def test_share_modes(share_mode: str) -> None:
    prompts, image = different("sd15", 3), small("sd15")
    groups = grouped(prompts, ONE_GROUP)
    for correction in ("off", "on"):
        expected = sage("sd15", groups, image, share=0.5, share_mode=share_mode, correction=correction)
        inputs = shared("sd15", prompts, image, partition=ONE_GROUP, share_mode=share_mode, correction=correction)
        assert_equal(ksampler(inputs)["samples"], expected)
