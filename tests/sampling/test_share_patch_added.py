"""What nodes between Share Sampling and the sampler combine and add, against ComfyUI's KSampler for each prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.hooks
import pytest
import torch
from comfy_extras.nodes_edit_model import ReferenceLatent
from comfyui_sage.sage_core.conditioning.per_prompt import stand_for, stood_for
from models import MODELS, conditioning, controlnet, randn
from reference import assert_equal, comfy_ksampler, different, small
from shared_graphs import ksampler, shared

import nodes as comfy_nodes

ONE_GROUP = ((0, 1),)


def area(prompt: Any, left: int, strength: float = 1.0) -> Any:
    return comfy_nodes.ConditioningSetArea().append(prompt, 32, 64, left, 0, strength)[0]


def with_control(prompt: Any, seed: int) -> Any:
    hint = randn(1, 64, 64, 3, seed=seed).sigmoid()
    return comfy_nodes.ControlNetApply().apply_controlnet(prompt, controlnet(), hint, 1.0)[0]


def with_reference(prompt: Any, seed: int) -> Any:
    return ReferenceLatent.execute(prompt, {"samples": randn(1, 16, 4, 8, seed=seed)}).args[0]


def two_areas(prompt: Any) -> Any:
    return area(prompt, 0) + area(prompt, 32, 0.5)


def control_at_first(prompt: Any) -> Any:
    ranged = comfy_nodes.ConditioningSetTimestepRange().set_range
    return with_control(ranged(prompt, 0.0, 0.5)[0], 2) + ranged(prompt, 0.5, 1.0)[0]


def beside_another(prompt: Any) -> Any:
    return conditioning("sd15", seed=7) + area(prompt, 32)


@pytest.mark.parametrize("combine", [two_areas, control_at_first, beside_another])
def test_combined_after_share_sampling(combine: Callable[[Any], Any]) -> None:
    image, prompts = small("sd15"), different("sd15", 2)
    inputs = shared("sd15", prompts, image, partition=ONE_GROUP, share=0.0)
    out = ksampler(inputs._replace(positive=combine(inputs.positive)))["samples"]
    assert_equal(out, torch.cat([comfy_ksampler("sd15", combine(prompt), image) for prompt in prompts]))


def test_entries_of_one_prompt_stay_together() -> None:
    prompts = [two_areas(prompt) for prompt in different("sd15", 2)]
    assert [len(each) for each in stood_for(stand_for(prompts), 1, "positive")] == [2, 2]
    image, inputs = small("sd15"), shared("sd15", prompts, small("sd15"), partition=ONE_GROUP, share=0.0)
    ranged = comfy_nodes.ConditioningSetTimestepRange().set_range
    out = ksampler(inputs._replace(positive=ranged(inputs.positive, 0.0, 0.5)[0] + inputs.positive))["samples"]
    alone = [comfy_ksampler("sd15", ranged(prompt, 0.0, 0.5)[0] + prompt, image) for prompt in prompts]
    assert_equal(out, torch.cat(alone))


def test_two_nodes_combined() -> None:
    image, prompts = small("sd15"), different("sd15", 4)
    first = shared("sd15", prompts[:2], image, partition=ONE_GROUP, share=0.0)
    second = shared("sd15", prompts[2:], image, partition=ONE_GROUP, share=0.0, model=first.model)
    both = area(second.positive, 0) + area(first.positive, 32)
    alone = [area(b, 0) + area(a, 32) for a, b in zip(prompts[:2], prompts[2:], strict=True)]
    out = ksampler(second._replace(positive=both))["samples"]
    assert_equal(out, torch.cat([comfy_ksampler("sd15", each, image) for each in alone]))
    other = shared("sd15", prompts[:1], image, partition=((0,),))
    with pytest.raises(ValueError, match="positive: expected conditionings of one number of prompts, got those of 1"):
        ksampler(second._replace(positive=second.positive + other.positive))


@pytest.mark.parametrize("own", [(0, 1), (0,), (1,), ()], ids=["both", "first", "second", "none"])
@pytest.mark.parametrize(("family", "add"), [("sd15", with_control), ("flux", with_reference)])
def test_added_to_what_prompts_have(family: str, add: Callable[[Any, int], Any], own: tuple[int, ...]) -> None:
    image, prompts = small(family), different(family, 2)
    given = [add(prompt, 10 + at) if at in own else prompt for at, prompt in enumerate(prompts)]
    inputs = shared(family, given, image, partition=ONE_GROUP, share=0.0)
    out = ksampler(inputs._replace(positive=add(inputs.positive, 3)))["samples"]
    assert_equal(out, torch.cat([comfy_ksampler(family, add(each, 3), image) for each in given]))


def test_hooks_added_to_hooks_of_their_own_are_refused() -> None:
    def hooked(prompt: Any, seed: int, append: bool) -> Any:
        weight = "diffusion_model.out.2.weight"
        patch = {weight: (randn(*MODELS["sd15"]().model.state_dict()[weight].shape, seed=seed),)}
        hooks = comfy.hooks.create_hook_lora(patch, 1.0, 0.0)
        return comfy.hooks.set_hooks_for_conditioning(prompt, hooks, append_hooks=append)

    image, prompts = small("sd15"), [hooked(each, at, False) for at, each in enumerate(different("sd15", 2))]
    inputs = shared("sd15", prompts, image, partition=ONE_GROUP, share=0.0)
    with pytest.raises(ValueError, match="positive: expected no hooks added after Share Sampling"):
        ksampler(inputs._replace(positive=hooked(inputs.positive, 5, True)))
    ksampler(inputs._replace(positive=hooked(inputs.positive, 5, False)))
