"""Every kind of run a KSampler does, against the host's KSampler for each prompt."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from typing import Any

import comfy.context_windows as windows
import comfy.hooks
import comfy.samplers
import comfy.sd
import comfy.utils
import numpy as np
import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfy_extras import (
    nodes_advanced_samplers,
    nodes_apg,
    nodes_easycache,
    nodes_freelunch,
    nodes_mahiro,
    nodes_pag,
    nodes_sag,
    nodes_slg,
)
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.conditioning.template import apply_template
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import BranchGuider, PrefixGuider, SageGuider
from evaluations import count_evaluations
from models import MODELS, UNET, clip_l, conditioning, controlnet, randn
from reference import (
    SETTINGS,
    assert_equal,
    comfy_ksampler,
    difference,
    different,
    grouped,
    plan_levels,
    sage,
    sage_in_two,
    small,
)

import nodes as host_nodes

SOME_SAMPLERS = ("euler", "dpmpp_2m", "dpmpp_2m_sde", "euler_ancestral", "ddim", "uni_pc", "euler_cfg_pp")


def check(family: str, image: dict[str, Any], *, model: Any = None, prompts: list | None = None,
          tolerance: float = 1e-5, **settings: Any) -> None:  # fmt: skip
    """Share 0 is the host for each prompt; identical prompts are the host at any share; two nodes are one."""
    prompts = prompts or different(family, 2)
    alone = [comfy_ksampler(family, prompt, image, model=model, **settings) for prompt in prompts]
    groups = grouped(prompts, [tuple(range(len(prompts)))])
    images = sage(family, groups, image, share=0.0, model=model, **settings)
    assert_equal(images, torch.cat(alone), tolerance)
    twins = grouped(prompts[:1] * 2, [(0, 1)])
    images = sage(family, twins, image, share=0.5, model=model, **settings)
    assert_equal(images, torch.cat(alone[:1] * 2), tolerance)
    one = sage(family, groups, image, share=0.5, model=model, **settings)
    assert_equal(sage_in_two(family, groups, image, share=0.5, model=model, **settings), one, tolerance)
    assert difference(one, torch.cat(alone)) > 1e-3, "nothing was shared: the case would prove nothing"


@pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
class TestLatents:
    def test_variations_are_prompt_major(self, sampler_name: str) -> None:
        check("sd15", small("sd15", batch=3), sampler_name=sampler_name)

    def test_image_to_image(self, sampler_name: str) -> None:
        check("sd15", small("sd15", batch=2, seed=3), sampler_name=sampler_name, denoise=0.6)

    @pytest.mark.parametrize("masks", [1, 2])
    def test_inpainting(self, sampler_name: str, masks: int) -> None:
        image = small("sd15", batch=2, seed=3)
        mask = torch.zeros(masks, 1, 64, 64)
        for index in range(masks):
            mask[index, :, : 24 + 16 * index, 16:] = 1.0
        check("sd15", {**image, "noise_mask": mask}, sampler_name=sampler_name, denoise=0.8)

    @pytest.mark.parametrize("shape", [(64, 64), (3, 64, 64)])
    def test_other_masks_that_the_host_takes(self, sampler_name: str, shape: tuple[int, ...]) -> None:
        mask = torch.zeros(shape)
        for index, layer in enumerate(mask.view(-1, 64, 64)):
            layer[: 24 + 16 * index, 16:] = 1.0
        image = {**small("sd15", batch=2, seed=3), "noise_mask": mask}
        check("sd15", image, sampler_name=sampler_name, denoise=0.8)

    def test_video_masks_are_frames(self, sampler_name: str) -> None:
        mask = torch.zeros(2, 8, 8)
        mask[0, :4], mask[1, :, 4:] = 1.0, 1.0
        image = {**small("video", batch=2, seed=3), "noise_mask": mask}
        check("video", image, sampler_name=sampler_name, denoise=0.8)

    def test_noise_of_chosen_batch_indices(self, sampler_name: str) -> None:
        check("sd15", {**small("sd15", batch=3), "batch_index": [4, 0, 4]}, sampler_name=sampler_name)

    def test_not_square(self, sampler_name: str) -> None:
        check("sd15", small("sd15", batch=2, h=6, w=10), sampler_name=sampler_name)

    def test_video(self, sampler_name: str) -> None:
        check("video", small("video", batch=2), sampler_name=sampler_name)

    def test_cfg_1(self, sampler_name: str) -> None:
        check("sd15", small("sd15"), sampler_name=sampler_name, cfg=1.0)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_denoise_0_returns_the_latent_for_every_prompt(share: float) -> None:
    image = small("sd15", batch=2, seed=3)
    groups = grouped(different("sd15", 2), [(0, 1)])
    for run in (sage, sage_in_two):
        assert torch.equal(run("sd15", groups, image, share=share, denoise=0.0), image["samples"].repeat(2, 1, 1, 1))


def test_output_latent_says_of_all_rows_what_the_input_says_of_its_variations() -> None:
    image = {**small("sd15", batch=2), "batch_index": [3, 1], "noise_mask": torch.ones(1, 1, 64, 64)}
    groups = grouped(different("sd15", 3), [(0, 1), (2,)])
    negative = conditioning("sd15", seed=1)
    out, _ = ksampler.sample(MODELS["sd15"](), groups, negative, image, share=0.5, **SETTINGS)
    assert out["samples"].shape[0] == 6
    assert out["batch_index"] == [3, 1] * 3
    assert out["noise_mask"].shape[0] == 6
    again = host_nodes.common_ksampler(
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


class TestPatches:
    def test_lora(self) -> None:
        model = MODELS["sd15"]().clone()
        key = next(name for name in model.model.state_dict() if name.endswith("attn2.to_q.weight"))
        shape = model.model.state_dict()[key].shape
        lora = {
            "down.lora_up.weight": randn(shape[0], 4, seed=1), "down.lora_down.weight": randn(4, shape[1], seed=2),
        }  # fmt: skip
        model.add_patches(comfy.lora.load_lora(lora, {"down": key}), 0.5)
        check("sd15", small("sd15"), model=model)
        image, prompt = small("sd15"), conditioning("sd15", seed=10)
        assert difference(comfy_ksampler("sd15", prompt, image, model), comfy_ksampler("sd15", prompt, image)) > 1e-3

    def test_freeu(self) -> None:
        patch = getattr(nodes_freelunch.FreeU_V2, "execute", None) or nodes_freelunch.FreeU_V2().patch
        patched = patch(two_level_unet(), 1.3, 1.4, 0.9, 0.2)
        model = getattr(patched, "args", patched)[0]  # a node of the older API on older hosts
        image, prompt = small("sd15"), conditioning("sd15", seed=10)
        plain = comfy_ksampler("sd15", prompt, image, two_level_unet())
        assert difference(comfy_ksampler("sd15", prompt, image, model), plain) > 1e-3
        check("sd15", image, model=model)

    def test_perturbed_attention_guidance(self) -> None:
        """Its extra evaluations are calls of the model like any other: recorded, and not made again."""
        model = nodes_pag.PerturbedAttentionGuidance.execute(middle_block_unet(), 3.0).args[0]
        image, groups = small("sd15"), grouped(different("sd15", 2), [(0, 1)])
        check("sd15", image, model=model)
        guider = SageGuider(model, groups, conditioning("sd15", seed=1), 3.0, 0.5)
        with count_evaluations(model) as evaluations:
            ksampler._run(guider, image, 5, *ksampler._sampler(model, 8, "euler", "normal", 1.0))
        assert evaluations.rows == guider.record.evaluations == 3 * (4 + 2 * 4)

    def test_skip_layer_guidance(self) -> None:
        model = nodes_slg.SkipLayerGuidanceDiT.execute(MODELS["sd3"](), 3.0, 0.0, 1.0, "0", "").args[0]
        image, prompt = small("sd3"), conditioning("sd3", seed=10)
        assert difference(comfy_ksampler("sd3", prompt, image, model), comfy_ksampler("sd3", prompt, image)) > 1e-3
        check("sd3", image, model=model)

    def test_self_attention_guidance_is_never_silently_wrong(self) -> None:
        """It reads the attention of an evaluation, which a replayed call does not make."""
        model = nodes_sag.SelfAttentionGuidance.execute(middle_block_unet(), 0.5, 2.0).args[0]
        image, prompts = small("sd15"), different("sd15", 2)
        alone = torch.cat([comfy_ksampler("sd15", prompt, image, model) for prompt in prompts])
        out, report = ksampler.sample(
            model, grouped(prompts, [(0, 1)]), conditioning("sd15", seed=1), image, share=0.5, **SETTINGS
        )
        assert_equal(out["samples"], alone)
        assert "Warning: Nothing was shared" in report

    def test_easycache(self) -> None:
        model = nodes_easycache.EasyCacheNode.execute(MODELS["sd15"](), 1.0, 0.0, 1.0, False).args[0]
        image, prompts = small("sd15"), different("sd15", 1)
        settings = {"steps": 16}
        with count_evaluations(model) as evaluations:
            expected = comfy_ksampler("sd15", prompts[0], image, model, **settings)
        assert evaluations.rows < 2 * 16, "EasyCache skipped nothing: the case would prove nothing"
        groups = grouped(prompts * 2, [(0, 1)])
        assert_equal(sage("sd15", groups, image, share=0.0, model=model, **settings), torch.cat([expected] * 2))

    @pytest.mark.parametrize("cache", ["EasyCacheNode", "LazyCacheNode"])
    def test_caches_decide_for_each_prompt(self, cache: str) -> None:
        """They skip a step for the whole batch, so other prompts must not be in it."""
        model = getattr(nodes_easycache, cache).execute(MODELS["sd15"](), 0.2, 0.0, 1.0, False).args[0]
        image, prompts, settings = small("sd15"), different("sd15", 4), {"steps": 16}
        with count_evaluations(model) as evaluations:
            alone = torch.cat([comfy_ksampler("sd15", prompt, image, model, **settings) for prompt in prompts])
        assert evaluations.rows < 4 * 2 * 16, "nothing was skipped: the case would prove nothing"
        groups = grouped(prompts, [(0, 1), (2, 3)])
        assert_equal(sage("sd15", groups, image, share=0.0, model=model, **settings), alone)

    def test_self_attention_guidance_made_anew_for_the_branch(self) -> None:
        """It has seen no attention yet, and what it then raises is not the person's problem."""
        prompts, image, negative = different("sd15", 2), small("sd15"), conditioning("sd15", seed=1)
        first, second = (
            nodes_sag.SelfAttentionGuidance.execute(middle_block_unet(), 0.5, 2.0).args[0] for _ in range(2)
        )
        alone = torch.cat([comfy_ksampler("sd15", prompt, image, first) for prompt in prompts])
        groups = grouped(prompts, [(0, 1)])
        prefix, _ = ksampler.sample_prefix(first, groups, negative, image, share=0.25, **SETTINGS)
        out, report = ksampler.sample_branch(second, prefix)
        assert_equal(out["samples"], alone)
        assert "Warning: Nothing was shared" in report

    @pytest.mark.parametrize("shared", [1, 4])
    def test_guidance_with_momentum(self, shared: int) -> None:
        """APG starts afresh when the noise rises: every run has to end where it has seen it fall."""
        model = nodes_apg.APG.execute(MODELS["sd15"](), 1.0, 5.0, 0.5).args[0]
        image, prompts = small("sd15"), different("sd15", 1)
        expected = comfy_ksampler("sd15", prompts[0], image, model)
        images = sage("sd15", grouped(prompts * 2, [(0, 1)]), image, share=shared / 8, model=model)
        assert_equal(images, torch.cat([expected] * 2))

    def test_guidance_that_averages_over_the_batch(self) -> None:
        """Other prompts must not be in that average."""
        check("sd15", small("sd15", batch=2), model=nodes_mahiro.Mahiro.execute(MODELS["sd15"]()).args[0])

    @pytest.mark.parametrize("freenoise", [False, True])
    def test_context_windows(self, freenoise: bool) -> None:
        """Videos longer than a window; the host itself takes only one video at a time here."""
        model = MODELS["video"]().clone()
        names = {"cond_retain_index_list": "", "latent_retain_index_list": "", "freenoise": freenoise}
        known = inspect.signature(windows.IndexListContextHandler).parameters
        if "freenoise" not in known and freenoise:
            pytest.skip("this host has no FreeNoise")
        model.model_options["context_handler"] = windows.IndexListContextHandler(
            windows.get_matching_context_schedule(windows.ContextSchedules.STATIC_STANDARD),
            windows.get_matching_fuse_method(windows.ContextFuseMethods.PYRAMID),
            context_length=4, context_overlap=2, dim=2,
            **{name: value for name, value in names.items() if name in known},
        )  # fmt: skip
        windows.create_prepare_sampling_wrapper(model)
        if freenoise:
            windows.create_sampler_sample_wrapper(model)
        check("video", {"samples": torch.zeros(1, 16, 8, 8, 8)}, model=model)


class TestConditions:
    @pytest.mark.parametrize(("pictures", "variations"), [(0, 2), (1, 2), (2, 2), (2, 1), (3, 2)])
    def test_inpainting_models(self, pictures: int, variations: int) -> None:
        """They see the mask and the masked picture as channels: the latent's own, or those in the conditioning."""
        model = unet(in_channels=9)
        mask = torch.zeros(variations, 1, 64, 64)
        for index in range(variations):
            mask[index, :, : 24 + 16 * index] = 1.0
        extras = {"concat_latent_image": randn(pictures, 4, 8, 8, seed=7), "concat_mask": mask[:1]} if pictures else {}
        prompts = [[[text, {**own, **extras}]] for ((text, own),) in different("sd15", 2)]
        ((text, own),) = conditioning("sd15", seed=1)
        image = {**small("sd15", batch=variations, seed=3), "noise_mask": mask}
        check("sd15", image, model=model, prompts=prompts, negative=[[text, {**own, **extras}]])

    @pytest.mark.parametrize(("masks", "variations"), [(2, 1), (3, 2), (2, 2)])
    def test_masks_go_by_variation(self, masks: int, variations: int) -> None:
        """The host cuts masks to the batch: further prompts of a run must not get the masks it cuts off."""
        mask = torch.zeros(masks, 64, 64)
        for index in range(masks):
            mask[index, 16 * index : 16 * index + 24] = 1.0
        append = host_nodes.ConditioningSetMask().append
        negative = (
            append(conditioning("sd15", seed=50), mask, "default", 1.0)[0]
            + append(conditioning("sd15", seed=51), 1 - mask, "default", 1.0)[0]
        )
        check("sd15", small("sd15", batch=variations), negative=negative)

    @pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
    def test_keyframes_of_lora_hooks(self, share: float) -> None:
        """They count the steps they see, also those that are answered from the record."""
        keyframes = comfy.hooks.HookKeyframeGroup()
        for strength, start in ((0.0, 0.0), (1.0, 0.2), (0.3, 0.4), (2.0, 0.6), (0.0, 0.8)):
            keyframes.add(comfy.hooks.HookKeyframe(strength=strength, start_percent=start))
        weights = MODELS["sd15"]().model.state_dict()
        key = next(name for name in weights if name.endswith("attn2.to_q.weight"))
        name = "lora_unet_" + key.removeprefix("diffusion_model.").removesuffix(".weight").replace(".", "_")
        up, down = weights[key].shape
        lora = {f"{name}.lora_up.weight": randn(up, 4, seed=1), f"{name}.lora_down.weight": randn(4, down, seed=2)}
        hooks = comfy.hooks.create_hook_lora(lora=lora, strength_model=1.0, strength_clip=0.0)
        hooks.set_keyframes_on_hooks(hook_kf=keyframes)
        plain, image = conditioning("sd15", seed=10), small("sd15")
        one = comfy.hooks.set_hooks_for_conditioning(plain, hooks)
        expected = comfy_ksampler("sd15", one, image)
        assert difference(expected, comfy_ksampler("sd15", plain, image)) > 1e-3
        assert_equal(sage("sd15", grouped([one] * 2, [(0, 1)]), image, share=share), torch.cat([expected] * 2))

    def test_negative_prompt_counts(self) -> None:
        image, groups = small("sd15"), grouped(different("sd15", 2), [(0, 1)])
        other = conditioning("sd15", seed=99)
        assert difference(sage("sd15", groups, image, share=0.5, negative=other),
                          sage("sd15", groups, image, share=0.5)) > 1e-3  # fmt: skip

    def test_unequal_token_lengths(self) -> None:
        """77, 154 and 231 tokens: the host batches them by repeating, which attention does not notice."""
        prompts = [conditioning("sd15", seed=20 + tokens, tokens=tokens) for tokens in (77, 154, 231)]
        check("sd15", small("sd15"), prompts=prompts)

    def test_lengths_that_do_not_batch(self) -> None:
        """The host would not put these in one batch either; they run one after the other."""
        prompts = [conditioning("sd15", seed=20 + tokens, tokens=tokens) for tokens in (77, 77 * 5)]
        check("sd15", small("sd15"), prompts=prompts)

    def test_variable_length_text_encoders(self) -> None:
        prompts = [conditioning("lumina", seed=20 + tokens, tokens=tokens) for tokens in (9, 24, 24)]
        groups = grouped(prompts, [(0, 1), (2,)])
        assert groups.condition_source((0, 1)) == "medoid"
        check("lumina", small("lumina"), prompts=prompts)

    def test_pooled_output_counts(self) -> None:
        image, (first, second) = small("sd3"), different("sd3", 2)
        mixed = [[first[0][0], {**first[0][1], "pooled_output": second[0][1]["pooled_output"]}]]
        assert difference(comfy_ksampler("sd3", mixed, image), comfy_ksampler("sd3", first, image)) > 1e-3
        check("sd3", image, prompts=[first, mixed])

    def test_a_prompt_for_the_shared_steps(self) -> None:
        """Shared to the end it is all there is; not shared at all it is not asked."""
        own, image, prompts = conditioning("sd15", seed=77), small("sd15"), different("sd15", 2)
        groups = grouped(prompts, [(0, 1)])
        groups = replace(groups, shared_prompts=((groups.texts((0, 1)), "of my own", own),))
        expected = comfy_ksampler("sd15", own, image)
        assert_equal(sage("sd15", groups, image, share=1.0), torch.cat([expected] * 2))
        alone = torch.cat([comfy_ksampler("sd15", prompt, image) for prompt in prompts])
        assert_equal(sage("sd15", groups, image, share=0.0), alone)

    def test_template_guidance(self) -> None:
        template = [[conditioning("flux", seed=50)[0][0], {"guidance": 9.0}]]
        prompts = [
            apply_template([[text, {key: value for key, value in extras.items() if key != "guidance"}]], template)
            for ((text, extras),) in different("flux", 2)
        ]
        image = small("flux")
        plain = different("flux", 1)[0]
        assert difference(comfy_ksampler("flux", prompts[0], image), comfy_ksampler("flux", plain, image)) > 1e-3
        check("flux", image, prompts=prompts)

    @pytest.mark.parametrize(("hints", "variations"), [(1, 1), (2, 2), (2, 1), (3, 2), (2, 3)])
    def test_template_controlnet(self, hints: int, variations: int) -> None:
        hint = torch.rand(hints, 64, 64, 3, generator=torch.Generator().manual_seed(2))
        apply = host_nodes.ControlNetApply().apply_controlnet
        template = apply(conditioning("sd15", seed=50), controlnet(), hint, 1.0)[0]
        prompts = [apply_template(prompt, template) for prompt in different("sd15", 2)]
        image = small("sd15", batch=variations)
        other = comfy_ksampler("sd15", different("sd15", 1)[0], image)
        assert difference(comfy_ksampler("sd15", prompts[0], image), other) > 1e-3
        check("sd15", image, prompts=prompts)

    def test_controlnet_is_evaluated_no_more_than_the_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What sharing saves, it saves of the ControlNet too."""
        control, rows = controlnet().copy().set_cond_hint(randn(1, 3, 64, 64, seed=5).sigmoid(), strength=0.5), []
        network = control.control_model
        evaluate = network.forward
        monkeypatch.setattr(network, "forward", lambda x, *args, **kw: rows.append(len(x)) or evaluate(x, *args, **kw))
        prompts = [[[prompt[0][0], prompt[0][1] | {"control": control}]] for prompt in different("sd15", 4)]
        with count_evaluations(MODELS["sd15"]()) as evaluations:
            sage("sd15", grouped(prompts, [(0, 1), (2, 3)]), small("sd15"), share=0.5)
        assert evaluations.rows == 2 * (2 * 4 + 4 * 4), "the negative is evaluated with every prompt"
        assert sum(rows) == evaluations.rows / 2, "the negative has no ControlNet"

    def test_compiled(self) -> None:
        """As the host's TorchCompileModel does it, with a backend that needs no compiler."""
        model = MODELS["sd15"]().clone()
        set_torch_compile_wrapper(model=model, backend="eager")
        check("sd15", small("sd15"), model=model)

    def test_template_areas_and_time_ranges(self) -> None:
        area = host_nodes.ConditioningSetArea().append
        base = conditioning("sd15", seed=50)
        left = area(base, 64, 32, 0, 0, 1.0)[0]
        right = area(base, 64, 32, 32, 0, 0.7)[0]
        early = host_nodes.ConditioningSetTimestepRange().set_range(base, 0.0, 0.5)[0]
        prompts = [apply_template(prompt, left + right + early) for prompt in different("sd15", 2)]
        check("sd15", small("sd15", batch=2), prompts=prompts)

    def test_through_the_text_encoder(self) -> None:
        """A real tokenizer and a prompt over 77 tokens, grouped and sampled."""
        long = "a lighthouse on a cliff, " * 30
        groups = build_prompt_groups(
            clip_l(), ("a red car", "a blue car", long), threshold_mode="fixed", threshold=-1.0
        )
        assert [entry[0][0].shape[1] for entry in groups.conditionings] == [77, 77, 231]
        assert groups.partition == ((0, 1, 2),)
        check("sd15", small("sd15"), prompts=list(groups.conditionings))


class TestASamplerWithItsOwnNoise:
    """A third-party sampler may draw unseeded noise: never a silently wrong image."""

    @staticmethod
    def restless(model, x, sigmas, extra_args=None, callback=None, disable=None):  # noqa: ANN001, ANN205
        entropy = torch.Generator()
        entropy.seed()
        for sigma, following in zip(sigmas, sigmas[1:], strict=False):
            x = x + 0.3 * sigma * torch.zeros_like(x).normal_(generator=entropy)
            denoised = model(x, sigma * x.new_ones(len(x)), **extra_args)
            x = x + (x - denoised) / sigma * (following - sigma)
        return x

    def run(self, guider: SageGuider) -> torch.Tensor:
        sigmas = comfy.samplers.KSampler(MODELS["sd15"](), 8, "cpu", "euler", "normal").sigmas
        noise = randn(1, 4, 8, 8, seed=1)
        sampler = comfy.samplers.KSAMPLER(self.restless)
        return guider.sample(noise, torch.zeros_like(noise), sampler, sigmas, seed=1)

    def test_every_prompt_is_sampled_alone(self) -> None:
        groups = grouped(different("sd15", 2), [(0, 1)])
        guider = SageGuider(MODELS["sd15"](), groups, conditioning("sd15", seed=1), 3.0, 0.5)
        samples = self.run(guider)
        assert samples.shape[0] == 2 and torch.isfinite(samples).all()
        assert "does not repeat itself" in guider.record.warnings[0]

    def test_a_prefix_that_notices_leaves_everything_to_the_branch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plan_levels(monkeypatch, [((0, 1, 2), 2), ((0, 1), 5)], 3)
        model, groups = MODELS["sd15"](), grouped(different("sd15", 3), [(0, 1, 2)])
        guider = PrefixGuider(model, groups, conditioning("sd15", seed=1), 3.0, 0.5)
        assert self.run(guider).shape[0] == 1
        assert guider.prefix.traces == [] and len(guider.prefix.plan.levels) == 1
        branch = BranchGuider(model, guider.prefix)
        samples = branch.sample()
        assert samples.shape[0] == 3 and torch.isfinite(samples).all()
        assert len(branch.record.warnings) == 1 and "does not repeat itself" in branch.record.warnings[0]


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
    """Video with sound. The host's models for it are large, so that a formula stands in for one."""
    model, negative = MODELS["sd15"]().clone(), conditioning("sd15", seed=1)

    def formula(apply_model: Any, args: dict[str, Any]) -> torch.Tensor:
        prompt = args["c"]["c_crossattn"].mean((1, 2)).view(-1, 1, 1)
        return 0.3 * args["input"] + 0.5 * torch.sin(2 * args["input"] + 50 * prompt)

    model.set_model_unet_function_wrapper(formula)
    latents = NestedTensor([torch.zeros(2, 4, 3, 8, 8), torch.zeros(2, 8, 16)])
    settings = {**SETTINGS, "sampler_name": sampler_name}
    sampler, sigmas = ksampler._sampler(model, 8, sampler_name, "normal", 1.0)
    host = comfy.samplers.CFGGuider(model)
    host.set_conds(conditioning("sd15", seed=10), negative)
    host.set_cfg(3.0)
    expected = host.sample(Noise_RandomNoise(5).generate_noise({"samples": latents}), latents, sampler, sigmas, seed=5)

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


def test_noise_from_the_global_generator_is_shared_too() -> None:
    """s_churn draws from the global generator; the run's random state is part of the job."""
    model, one = MODELS["sd15"](), conditioning("sd15", seed=10)
    sampler = comfy.samplers.ksampler("euler", {"s_churn": 3.0})
    sigmas = comfy.samplers.KSampler(model, 8, model.load_device, "euler", "normal").sigmas
    image, negative = torch.zeros(2, 4, 8, 8), conditioning("sd15", seed=1)
    noise = torch.randn(image.shape, generator=torch.manual_seed(5))
    expected = comfy.samplers.sample(
        model, noise, one, negative, 3.0, model.load_device, sampler, sigmas, latent_image=image, seed=5
    )
    torch.manual_seed(5), torch.randn(image.shape)
    guider = SageGuider(model, grouped([one] * 3, [(0, 1, 2)]), negative, 3.0, 0.5)
    assert_equal(guider.sample(noise, image, sampler, sigmas, seed=5), expected.repeat(3, 1, 1, 1))
    assert guider.record.warnings == ()


def test_the_branch_starts_from_the_random_state_of_the_prefix() -> None:
    """Between the two nodes anything may draw random numbers."""
    model, groups = MODELS["sd15"](), grouped(different("sd15", 2), [(0, 1)])
    sampler = comfy.samplers.ksampler("euler", {"s_churn": 3.0})
    sigmas = comfy.samplers.KSampler(model, 8, model.load_device, "euler", "normal").sigmas
    image, negative = torch.zeros(1, 4, 8, 8), conditioning("sd15", seed=1)
    noise = torch.randn(image.shape, generator=torch.manual_seed(5))
    whole = SageGuider(model, groups, negative, 3.0, 0.5).sample(noise, image, sampler, sigmas, seed=5)
    first = PrefixGuider(model, groups, negative, 3.0, 0.5)
    first.sample(noise, image, sampler, sigmas, seed=5)
    torch.manual_seed(99)
    second = BranchGuider(model, first.prefix)
    assert_equal(second.sample(), whole)
    assert second.record.warnings == ()


def two_level_unet() -> Any:
    """FreeU changes the up path of deeper levels only."""
    return unet(channel_mult=[1, 4], num_res_blocks=[1, 1], transformer_depth=[1, 0],
                transformer_depth_output=[0, 0, 0, 0])  # fmt: skip


def middle_block_unet() -> Any:
    """Attention guidance works on the middle block."""
    return unet(transformer_depth_middle=1)


def unet(**changes: Any) -> Any:
    from models import _patcher, configs  # the same construction as the families'

    config = configs.SD15({**UNET, "context_dim": 768, "num_heads": -1, "num_head_channels": 64, **changes})
    return _patcher(config)


class TestTree:
    """Prompts that are more alike than the rest of their group go on together."""

    def groups(self, prompts: list) -> PromptGroups:
        angles = np.radians([0, 60, 2, 70])
        embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return replace(grouped(prompts, [(0, 1, 2, 3)]), embeddings=embeddings)

    @pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
    def test_it_is_the_host_where_it_has_to_be(self, sampler_name: str) -> None:
        image, prompts = small("sd15", batch=2), different("sd15", 4)
        settings = {"share_mode": "tree", "sampler_name": sampler_name}
        alone = torch.cat([comfy_ksampler("sd15", prompt, image, sampler_name=sampler_name) for prompt in prompts])
        assert_equal(sage("sd15", self.groups(prompts), image, share=0.0, **settings), alone)
        equal = sage("sd15", self.groups(prompts[:1] * 4), image, share=0.5, **settings)
        assert_equal(equal, alone[:2].repeat(4, 1, 1, 1))
        shared = sage("sd15", self.groups(prompts), image, share=0.4, **settings)
        assert_equal(sage_in_two("sd15", self.groups(prompts), image, share=0.4, **settings), shared)

    def test_who_went_on_together_is_reported(self) -> None:
        model, image, negative = MODELS["sd15"](), small("sd15"), conditioning("sd15", seed=1)
        with count_evaluations(model) as evaluations:
            _, report = ksampler.sample(
                model, self.groups(different("sd15", 4)), negative, image, share=0.25, share_mode="tree", **SETTINGS
            )
        assert evaluations.rows == 2 * (2 * 1 + 2 * 2 + 4 * 4), "2 steps the group, 2 the pairs, 4 every prompt"
        assert re.findall(r"together to sigma \S+: prompts (.*)", report) == ["1, 2, 3, 4", "1, 3", "2, 4"]


class TestAuto:
    """Groups share while the noise is louder than what their prompts disagree about: one evaluation a prompt tells."""

    GROUPS = ((0, 2), (1, 3), (4,))

    @pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
    def test_it_is_the_host_where_it_has_to_be(self, sampler_name: str) -> None:
        image, prompts = small("sd15", batch=2), different("sd15", 5)
        settings = {"share_mode": "auto", "sampler_name": sampler_name}
        alone = torch.cat([comfy_ksampler("sd15", prompt, image, sampler_name=sampler_name) for prompt in prompts])
        assert_equal(sage("sd15", grouped(prompts, self.GROUPS), image, share=0.0, **settings), alone)
        equal = sage("sd15", grouped(prompts[:1] * 5, self.GROUPS), image, share=0.5, **settings)
        assert_equal(equal, alone[:2].repeat(5, 1, 1, 1))
        shared = sage("sd15", grouped(prompts, self.GROUPS), image, share=0.6, **settings)
        assert difference(shared[:8], alone[:8]) > 1e-3
        assert_equal(shared[8:], alone[8:])
        assert_equal(sage_in_two("sd15", grouped(prompts, self.GROUPS), image, share=0.6, **settings), shared)

    def test_the_closer_the_pictures_the_longer(self) -> None:
        one, other = different("sd15", 2)
        close = [[[one[0][0] + 0.02 * (other[0][0] - one[0][0]), one[0][1]]]]
        model, negative, prompts = MODELS["sd15"](), conditioning("sd15", seed=1), [one, other, one, *close]
        groups = grouped(prompts, [(0, 1), (2, 3)])
        settings = {**SETTINGS, "share_mode": "auto"}
        sigmas = []
        for share in (0.1, 0.4):
            prefix, _ = ksampler.sample_prefix(model, groups, negative, small("sd15"), share=share, **settings)
            sigmas.append(dict(prefix.plan.branches))
        assert sigmas[0][(2, 3)] < sigmas[0].get((0, 1), float("inf"))
        assert sigmas[1][(0, 1)] < sigmas[0].get((0, 1), float("inf"))

    @pytest.mark.parametrize("share, planning", [(0.0, 0), (0.6, 4)])
    def test_what_it_costs_to_look_is_counted(self, share: float, planning: int) -> None:
        model, groups, negative = MODELS["sd15"](), grouped(different("sd15", 5), self.GROUPS), conditioning("sd15", 1)
        image, settings = small("sd15", batch=2), {**SETTINGS, "share": share, "share_mode": "auto"}
        for in_two in (False, True):
            with count_evaluations(model) as evaluations:
                if in_two:
                    prefix, _ = ksampler.sample_prefix(model, groups, negative, image, **settings)
                    assert prefix.record.evaluations == evaluations.rows
                    _, report = ksampler.sample_branch(model, prefix)
                else:
                    _, report = ksampler.sample(model, groups, negative, image, **settings)
            assert f"evaluations: {evaluations.rows} done, {evaluations.rows} planned, 160 for every prompt" in report
            assert (f"planning: {planning} evaluations" in report) == bool(planning)

    @pytest.mark.parametrize("family", ["sd3", "flux", "lumina", "video", "audio"])
    def test_other_families(self, family: str) -> None:
        image, prompts = small(family), different(family, 3)
        groups = grouped(prompts, [(0, 1, 2)])
        one = sage(family, groups, image, share=0.9, share_mode="auto")
        assert_equal(sage_in_two(family, groups, image, share=0.9, share_mode="auto"), one)


class TestRepeats:
    """Equal prompts of a list: one of them is rendered."""

    @pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m_sde"])
    def test_they_get_the_image_of_the_first_and_cost_nothing(self, sampler_name: str) -> None:
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

    def test_the_guiders_denoised_output_has_them_too(self) -> None:
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
