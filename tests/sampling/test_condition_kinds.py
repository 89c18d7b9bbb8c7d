"""Every kind of conditioning, against ComfyUI's KSampler for each prompt."""

from __future__ import annotations

from dataclasses import replace

import comfy.hooks
import comfy.samplers
import comfy.sd
import comfy.utils
import pytest
import torch
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfyui_sage.sage_core.conditioning.template import apply_template
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from evaluations import count_evaluations
from models import MODELS, clip_l, conditioning, controlnet, randn, unet
from reference import (
    assert_equal,
    check_laws,
    comfy_ksampler,
    difference,
    different,
    grouped,
    sage,
    small,
)
from torch.nn import functional as F

import nodes as comfy_nodes


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
        check_laws("sd15", image, model=model, prompts=prompts, negative=[[text, {**own, **extras}]])

    @pytest.mark.parametrize(("masks", "variations"), [(2, 1), (3, 2), (2, 2)])
    def test_masks_go_by_variation(self, masks: int, variations: int) -> None:
        """ComfyUI cuts masks to the batch: further prompts of a run must not get the masks it cuts off."""
        mask = torch.zeros(masks, 64, 64)
        for index in range(masks):
            mask[index, 16 * index : 16 * index + 24] = 1.0
        append = comfy_nodes.ConditioningSetMask().append
        negative = (
            append(conditioning("sd15", seed=50), mask, "default", 1.0)[0]
            + append(conditioning("sd15", seed=51), 1 - mask, "default", 1.0)[0]
        )
        check_laws("sd15", small("sd15", batch=variations), negative=negative)

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
        """77, 154 and 231 tokens: ComfyUI batches them by repeating, which attention does not notice."""
        prompts = [conditioning("sd15", seed=20 + tokens, tokens=tokens) for tokens in (77, 154, 231)]
        check_laws("sd15", small("sd15"), prompts=prompts)

    def test_lengths_that_do_not_batch(self) -> None:
        """ComfyUI would not put these in one batch either; they run one after the other."""
        prompts = [conditioning("sd15", seed=20 + tokens, tokens=tokens) for tokens in (77, 77 * 5)]
        check_laws("sd15", small("sd15"), prompts=prompts)

    def test_variable_length_text_encoders(self) -> None:
        prompts = [conditioning("lumina", seed=20 + tokens, tokens=tokens) for tokens in (9, 24, 24)]
        groups = grouped(prompts, [(0, 1), (2,)])
        assert groups.condition_source((0, 1)) == "medoid"
        check_laws("lumina", small("lumina"), prompts=prompts)

    def test_pooled_output_counts(self) -> None:
        image, (first, second) = small("sd3"), different("sd3", 2)
        mixed = [[first[0][0], {**first[0][1], "pooled_output": second[0][1]["pooled_output"]}]]
        assert difference(comfy_ksampler("sd3", mixed, image), comfy_ksampler("sd3", first, image)) > 1e-3
        check_laws("sd3", image, prompts=[first, mixed])

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
        check_laws("flux", image, prompts=prompts)

    @pytest.mark.parametrize(("hints", "variations"), [(1, 1), (2, 2), (2, 1), (3, 2), (2, 3)])
    def test_template_controlnet(self, hints: int, variations: int) -> None:
        hint = torch.rand(hints, 64, 64, 3, generator=torch.Generator().manual_seed(2))
        apply = comfy_nodes.ControlNetApply().apply_controlnet
        template = apply(conditioning("sd15", seed=50), controlnet(), hint, 1.0)[0]
        prompts = [apply_template(prompt, template) for prompt in different("sd15", 2)]
        image = small("sd15", batch=variations)
        other = comfy_ksampler("sd15", different("sd15", 1)[0], image)
        assert difference(comfy_ksampler("sd15", prompts[0], image), other) > 1e-3
        check_laws("sd15", image, prompts=prompts)

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
        """As ComfyUI's TorchCompileModel does it, with a backend that needs no compiler."""
        model = MODELS["sd15"]().clone()
        set_torch_compile_wrapper(model=model, backend="eager")
        check_laws("sd15", small("sd15"), model=model)
        groups, image = grouped(different("sd15", 3), [(0, 1, 2)]), small("sd15")
        with count_evaluations(model) as evaluations:
            images = sage("sd15", groups, image, model=model, share=0.5, correction="on")
        assert max(evaluations.batches) == 6, "prompts of one run are evaluated together"
        assert_equal(images, sage("sd15", groups, image, share=0.5, correction="on"))

    def test_areas_from_the_bounds_of_masks(self) -> None:
        """The negative is asked inside them, too, so its answer is every prompt's own."""
        prompts = [
            comfy_nodes.ConditioningSetMask().append(prompt, F.pad(torch.ones(1, 32, 32), pad), "mask bounds", 1.0)[0]
            + conditioning("sd15", seed=60)
            for prompt, pad in zip(different("sd15", 2), ((0, 32, 16, 16), (16, 16, 32, 0)), strict=True)
        ]
        check_laws("sd15", small("sd15", batch=2), prompts=prompts)

    def test_template_areas_and_time_ranges(self) -> None:
        area = comfy_nodes.ConditioningSetArea().append
        base = conditioning("sd15", seed=50)
        left = area(base, 64, 32, 0, 0, 1.0)[0]
        right = area(base, 64, 32, 32, 0, 0.7)[0]
        early = comfy_nodes.ConditioningSetTimestepRange().set_range(base, 0.0, 0.5)[0]
        prompts = [apply_template(prompt, left + right + early) for prompt in different("sd15", 2)]
        check_laws("sd15", small("sd15", batch=2), prompts=prompts)

    def test_through_the_text_encoder(self) -> None:
        """A real tokenizer and a prompt over 77 tokens, grouped and sampled."""
        long = "a lighthouse on a cliff, " * 30
        groups = build_prompt_groups(
            clip_l(), ("a red car", "a blue car", long), threshold_mode="fixed", threshold=-1.0
        )
        assert [entry[0][0].shape[1] for entry in groups.conditionings] == [77, 77, 231]
        assert groups.partition == ((0, 1, 2),)
        check_laws("sd15", small("sd15"), prompts=list(groups.conditionings))
