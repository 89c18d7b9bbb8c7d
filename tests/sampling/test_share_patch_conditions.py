"""Share Sampling with every kind of conditioning that a workflow's own nodes make, one per prompt."""

from __future__ import annotations

from typing import Any

import comfy.hooks
import pytest
import torch
from models import MODELS, conditioning, controlnet, randn, unet
from reference import assert_equal, comfy_ksampler, difference, different, small
from shared_graphs import ksampler, shared

import nodes as comfy_nodes

PAIR = ((0, 1),)


def check(
    family: str, prompts: list, *, negatives: list | None = None, batch: int = 1, cfg: float = 4.0, **settings: Any
) -> None:
    """At share 0, and where every prompt makes all its calls itself: ComfyUI's KSampler for each prompt."""
    image = small(family, batch=batch)
    own = negatives or [conditioning(family, seed=1)] * len(prompts)
    alone = [
        comfy_ksampler(family, prompt, image, negative=negative, cfg=cfg, **settings)
        for prompt, negative in zip(prompts, own, strict=True)
    ]
    for share, correction in ((0.0, "off"), (1e-9, "on")):
        inputs = shared(
            family, prompts, image, partition=PAIR, share=share, correction=correction, negatives=negatives
        )  # fmt: skip
        assert_equal(ksampler(inputs, cfg=cfg, **settings)["samples"], torch.cat(alone))
    half = ksampler(shared(family, prompts, image, partition=PAIR, negatives=negatives), cfg=cfg, **settings)["samples"]
    assert difference(half, torch.cat(alone)) > 1e-4, "nothing was shared: the case would prove nothing"


def apply(hint_seed: int, prompt: list, hints: int = 1) -> list:
    """A prompt with a ControlNet."""
    hint = torch.rand(hints, 64, 64, 3, generator=torch.Generator().manual_seed(hint_seed))
    return comfy_nodes.ControlNetApply().apply_controlnet(prompt, controlnet(), hint, 1.0)[0]


@pytest.mark.parametrize("family", ["lumina", "sd15"])
def test_zeroed_negatives_of_texts_of_their_own_length(family: str) -> None:
    lengths = (9, 24) if family == "lumina" else (77, 154)
    prompts = [conditioning(family, seed=20 + tokens, tokens=tokens) for tokens in lengths]
    check(family, prompts, negatives=[comfy_nodes.ConditioningZeroOut().zero_out(prompt)[0] for prompt in prompts])


def test_a_text_for_each_area() -> None:
    area = comfy_nodes.ConditioningSetArea().append
    prompts = [
        area(conditioning("sd15", seed=60 + at), 64, 32, 0, 0, 1.0)[0]
        + area(conditioning("sd15", seed=70 + at), 64, 32, 32, 0, 0.7)[0]
        for at in range(2)
    ]
    check("sd15", prompts, batch=2)


def test_different_numbers_of_entries() -> None:
    one, two = different("sd15", 2)
    check("sd15", [one, two + comfy_nodes.ConditioningSetTimestepRange().set_range(one, 0.0, 0.5)[0]])


def test_a_controlnet_picture_for_each_prompt() -> None:
    check("sd15", [apply(at, prompt) for at, prompt in enumerate(different("sd15", 2))])


def test_guidance_of_their_own() -> None:
    prompts = [[[text, {**extras, "guidance": 2.0 + 3 * at}] for text, extras in prompt]
               for at, prompt in enumerate(different("flux", 2))]  # fmt: skip
    check("flux", prompts, cfg=1.0)


def test_tokens_of_a_picture_after_the_words() -> None:
    """As style models and editing encoders add them."""
    prompts = [[[torch.cat([text, randn(1, 7, text.shape[-1], seed=80 + at)], 1), extras] for text, extras in prompt]
               for at, prompt in enumerate(different("sd3", 2))]  # fmt: skip
    check("sd3", prompts)


def hooked(prompt: list, strength: float) -> list:
    """A prompt with a LoRA of its own, as a hook."""
    weights = MODELS["sd15"]().model.state_dict()
    key = next(name for name in weights if name.endswith("attn2.to_q.weight"))
    name = "lora_unet_" + key.removeprefix("diffusion_model.").removesuffix(".weight").replace(".", "_")
    up, down = weights[key].shape
    lora = {f"{name}.lora_up.weight": randn(up, 4, seed=1), f"{name}.lora_down.weight": randn(4, down, seed=2)}
    hooks = comfy.hooks.create_hook_lora(lora=lora, strength_model=strength, strength_clip=0.0)
    return comfy.hooks.set_hooks_for_conditioning(prompt, hooks)


def test_a_lora_hook_for_each_prompt() -> None:
    prompts = [hooked(prompt, strength) for prompt, strength in zip(different("sd15", 2), (0.5, 2.0), strict=True)]
    plain = different("sd15", 1)[0]
    image = small("sd15")
    assert difference(comfy_ksampler("sd15", prompts[0], image), comfy_ksampler("sd15", plain, image)) > 1e-3
    check("sd15", prompts)


class TestAfterShareSampling:
    def test_one_controlnet_picture_for_all(self) -> None:
        prompts, image = different("sd15", 2), small("sd15")
        inputs = shared("sd15", prompts, image, partition=PAIR, share=0.0)
        found = ksampler(inputs._replace(positive=apply(0, inputs.positive)))["samples"]
        assert_equal(found, torch.cat([comfy_ksampler("sd15", apply(0, prompt), image) for prompt in prompts]))

    def test_a_batch_of_pictures_is_refused(self) -> None:
        inputs = shared("sd15", different("sd15", 2), small("sd15"), partition=PAIR)
        with pytest.raises(ValueError, match="positive: expected a ControlNet with one picture, got one with several"):
            ksampler(inputs._replace(positive=apply(0, inputs.positive, hints=2)))

    def test_a_tensor_with_a_row_for_each(self) -> None:
        """Pictures to inpaint, one per row of the latent."""
        model, mask = unet(in_channels=9), torch.ones(1, 1, 64, 64)
        pictures = randn(2, 4, 8, 8, seed=7)
        prompts, image = different("sd15", 2), small("sd15")

        def masked(conditioning: list, rows: slice) -> list:
            extras = {"concat_latent_image": pictures[rows], "concat_mask": mask}
            return [[text, {**own, **extras}] for text, own in conditioning]

        negative = masked(conditioning("sd15", seed=1), slice(0, 1))
        inputs = shared("sd15", prompts, image, partition=PAIR, share=0.0, model=model, negatives=[negative])
        found = ksampler(inputs._replace(positive=masked(inputs.positive, slice(0, 2))))["samples"]
        alone = [
            comfy_ksampler("sd15", masked(prompt, slice(at, at + 1)), image, model, negative=negative)
            for at, prompt in enumerate(prompts)
        ]
        assert_equal(found, torch.cat(alone))
