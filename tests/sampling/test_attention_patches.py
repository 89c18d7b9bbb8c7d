"""Patches inside the network that let the rows of an evaluation see each other, against ComfyUI's KSampler."""

from __future__ import annotations

from typing import Any

import comfy.supported_models
import pytest
import torch
from comfy_extras import nodes_flux
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sampling.level_runner import plain_guider
from comfyui_sage.sage_core.sampling.model_patches import can_batch_prompts
from evaluations import count_evaluations
from models import MODELS, conditioning, patcher_of, randn
from reference import SETTINGS, assert_equal, check_laws, comfy_ksampler, difference, different, grouped, small


def share_style(model: Any) -> Any:
    """Every image looks at the first one of its batch, too, as packs do that align styles."""

    def patch(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        def with_first(tokens: torch.Tensor) -> torch.Tensor:
            halves = tokens.chunk(len(options["cond_or_uncond"]))
            return torch.cat([torch.cat([half, half[:1].expand_as(half)], dim=1) for half in halves])

        return q, with_first(k), with_first(v)

    patched = model.clone()
    patched.set_model_attn1_patch(patch)
    return patched


def share_style_in_a_method(model: Any) -> Any:
    """The same in the place of an attention's own method, without any of ComfyUI's attention patches."""
    patched = model.clone()
    network = patched.model.diffusion_model
    name = next(name for name, _ in network.named_modules() if name.endswith("attn1"))
    forward = network.get_submodule(name).forward

    def with_first(x: torch.Tensor, context: Any = None, value: Any = None, **options: Any) -> torch.Tensor:
        halves = x.chunk(len(options["transformer_options"]["cond_or_uncond"]))
        seen = torch.cat([torch.cat([half, half[:1].expand_as(half)], dim=1) for half in halves])
        return forward(x, seen, seen, **options)

    patched.add_object_patch(f"diffusion_model.{name}.forward", with_first)
    return patched


def picture_of_every_row(model: Any) -> Any:
    """Row i of a batch gets picture i, as packs do with a batch of reference pictures."""
    pictures = randn(3, 768, seed=3)

    def patch(tokens: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
        kinds = len(options["cond_or_uncond"])
        rows = torch.arange(len(tokens) // kinds) % len(pictures)
        return tokens + pictures[rows].repeat(kinds, 1)[:, None, : tokens.shape[-1]]

    patched = model.clone()
    patched.set_model_attn2_output_patch(patch)
    return patched


def style_of_one_row(model: Any) -> Any:
    """A style before the text, of one row: any other number of rows is an error (USO's reference in ComfyUI)."""

    def patch(inputs: dict[str, Any]) -> dict[str, Any]:
        style, ids = randn(1, 2, inputs["txt"].shape[-1], seed=4), torch.zeros(1, 2, inputs["txt_ids"].shape[-1])
        return {
            **inputs,
            "txt": torch.cat([style, inputs["txt"]], 1),
            "txt_ids": torch.cat([ids, inputs["txt_ids"]], 1),
        }

    patched = model.clone()
    patched.set_model_post_input_patch(patch)
    return patched


def flux2() -> Any:
    """Flux 2: reference pictures are tokens beside those of the image."""
    config = {
        "image_model": "flux2", "in_channels": 128, "out_channels": 128, "patch_size": 1, "hidden_size": 64,
        "num_heads": 2, "axes_dim": [8, 8, 8, 8], "depth": 2, "depth_single_blocks": 2, "context_in_dim": 64,
        "vec_in_dim": None, "mlp_ratio": 3.0, "theta": 2000, "qkv_bias": False, "guidance_embed": False,
        "global_modulation": True, "mlp_silu_act": True, "ops_bias": False, "default_ref_method": "index",
        "ref_index_scale": 10.0, "txt_ids_dims": [3],
    }  # fmt: skip
    return patcher_of(comfy.supported_models.Flux2(config))


@pytest.mark.parametrize("variations", [1, 2])
@pytest.mark.parametrize("patched", [share_style, share_style_in_a_method, picture_of_every_row])
def test_rows_of_other_prompts_are_not_among_them(patched: Any, variations: int) -> None:
    model, pair, prompt = patched(MODELS["sd15"]()), small("sd15", 2), conditioning("sd15", seed=10)
    assert difference(comfy_ksampler("sd15", prompt, pair, model), comfy_ksampler("sd15", prompt, pair)) > 1e-3
    check_laws("sd15", small("sd15", variations), model=model)


def test_compiled_blocks_keep_prompts_together() -> None:
    model = MODELS["sd15"]().clone()
    network = model.model.diffusion_model
    model.add_object_patch("diffusion_model.out", torch.compile(network.out))
    model.add_object_patch("diffusion_model.time_embed.forward", torch.compile(network.time_embed.forward))
    assert can_batch_prompts(plain_guider(model, model.model_options, 3.0))


def test_a_patch_for_one_number_of_rows() -> None:
    model = MODELS["flux"]()
    if not hasattr(model, "set_model_post_input_patch"):
        pytest.skip("this ComfyUI has no such patch")
    check_laws("flux", small("flux"), model=style_of_one_row(model), cfg=1.0)


def test_guidance_inside_the_attention() -> None:
    """It needs the negative rows beside the positive ones, at the first step as well."""
    nag = pytest.importorskip("comfy_extras.nodes_nag").NAGuidance
    model = nag.execute(MODELS["flux"](), 5.0, 0.5, 1.5).args[0]
    image, prompts = small("flux"), different("flux", 3)
    plain = comfy_ksampler("flux", prompts[0], image, cfg=1.0)
    assert difference(comfy_ksampler("flux", prompts[0], image, model, cfg=1.0), plain) > 1e-3
    check_laws("flux", image, model=model, prompts=prompts, cfg=1.0)


def test_the_plan_counts_the_negative_of_the_first_own_step() -> None:
    groups = grouped(different("sd15", 3), [(0, 1, 2)], group_condition="medoid")
    negative = conditioning("sd15", seed=1)
    costs = []
    for model in (MODELS["sd15"](), share_style(MODELS["sd15"]())):
        guider = SageGuider(model, groups, negative, 3.0, 0.5, correction="on")
        with count_evaluations(model) as evaluations:
            ksampler._run(
                guider, small("sd15"), Noise_RandomNoise(5),
                *ksampler.KSamplerSettings(**SETTINGS, share=0.0).sampler(model),
            )  # fmt: skip
        assert evaluations.rows == guider.record.evaluations
        costs.append(evaluations.rows)
    assert costs[1] == costs[0] + 2


def test_keys_that_are_kept_for_later_steps() -> None:
    """Flux's cache of reference pictures, of which every prompt has its own."""
    if not hasattr(nodes_flux, "FluxKVCache"):
        pytest.skip("this ComfyUI has no such cache")
    plain, image = flux2(), {"samples": torch.zeros(1, 128, 8, 8)}
    model = nodes_flux.FluxKVCache.execute(plain).args[0]
    negative, *prompts = (
        [[randn(1, 32, 64, seed=seed), {"reference_latents": [randn(1, 128, 8, 8, seed=50 + seed)]}]]
        for seed in range(4)
    )
    alone = torch.cat([comfy_ksampler("flux2", prompt, image, model, negative=negative) for prompt in prompts])
    assert difference(alone[:1], comfy_ksampler("flux2", prompts[0], image, plain, negative=negative)) > 1e-4
    groups = grouped(prompts, [(0, 1, 2)], group_condition="medoid")
    for share, correction in ((0.0, "off"), (1e-9, "on")):
        out, _ = ksampler.sample(
            model, groups, negative, image, share=share, correction=correction, **SETTINGS
        )  # fmt: skip
        assert_equal(out["samples"], alone)
