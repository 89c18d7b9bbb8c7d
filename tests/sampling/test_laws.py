"""The laws of the engine, over every sampler, scheduler and model family of the ComfyUI under test."""

from __future__ import annotations

import functools

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.grouping.partition import Partition
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sharing.sampling_record import SamplingRecord
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import (
    ADAPTIVE,
    SAMPLERS,
    SCHEDULERS,
    SETTINGS,
    SHARES,
    SOME_SAMPLERS,
    assert_equal,
    comfy_ksampler,
    difference,
    different,
    grouped,
    ksampler_for_each,
    plan_levels,
    sage,
    sage_in_two,
    sampler_settings,
    small,
)

import nodes as comfy_nodes


@pytest.mark.parametrize("sampler_name", SAMPLERS)
class TestEverySampler:
    GROUPS = ((0, 2), (1,))

    @staticmethod
    @functools.cache
    def three_prompts(sampler_name: str) -> torch.Tensor:
        """Three different prompts, two of them in one group."""
        groups = grouped(different("sd15", 3), TestEverySampler.GROUPS)
        return sage("sd15", groups, small("sd15"), share=0.5, **sampler_settings(sampler_name))

    def test_identical_prompts_equal_ksampler(self, sampler_name: str) -> None:
        """At half of the steps with two variations, and at one other share: the samplers take turns."""
        for share in (
            SHARES if sampler_name in SOME_SAMPLERS else (0.5, SHARES[SAMPLERS.index(sampler_name) % len(SHARES)])
        ):
            image, one = small("sd15", batch=2 if share == 0.5 else 1), conditioning("sd15", seed=10)
            expected = comfy_ksampler("sd15", one, image, **sampler_settings(sampler_name))
            images = sage("sd15", grouped([one] * 3, [(0, 1, 2)]), image, share=share, **sampler_settings(sampler_name))
            assert_equal(images, expected.repeat(3, 1, 1, 1))

    def test_share_0_equals_ksampler_for_each_prompt(self, sampler_name: str) -> None:
        image, prompts = small("sd15"), different("sd15", 3)
        images = sage("sd15", grouped(prompts, [(0, 1, 2)]), image, share=0.0, **sampler_settings(sampler_name))
        assert_equal(images, ksampler_for_each("sd15", prompts, image, sampler_name))

    def test_what_ran_before_does_not_count(self, sampler_name: str) -> None:
        first = self.three_prompts(sampler_name)
        torch.manual_seed(99)
        torch.rand(7)
        groups = grouped(different("sd15", 3), self.GROUPS)
        again = sage("sd15", groups, small("sd15"), share=0.5, **sampler_settings(sampler_name))
        assert torch.equal(again, first)

    def test_permuting_prompts_permutes_images(self, sampler_name: str) -> None:
        prompts, order = different("sd15", 3), [2, 0, 1]
        permuted = grouped([prompts[index] for index in order], [(0, 1), (2,)])
        images = sage("sd15", permuted, small("sd15"), share=0.5, **sampler_settings(sampler_name))
        assert_equal(images, self.three_prompts(sampler_name)[order])

    def test_groups_of_one_equal_ksampler_for_each_prompt(self, sampler_name: str) -> None:
        image, prompts = small("sd15"), different("sd15", 2)
        images = sage("sd15", grouped(prompts, [(0,), (1,)]), image, share=0.5, **sampler_settings(sampler_name))
        assert_equal(images, ksampler_for_each("sd15", prompts, image, sampler_name))

    def test_prefix_then_branch_equals_one_node_equals_guider(self, sampler_name: str) -> None:
        one, groups = self.three_prompts(sampler_name), grouped(different("sd15", 3), self.GROUPS)
        two = sage_in_two("sd15", groups, small("sd15"), share=0.5, **sampler_settings(sampler_name))
        assert_equal(two, one)
        assert_equal(through_custom_sampler(sampler_name, 3, self.GROUPS)[0], one)

    def test_evaluations_at_the_model_are_those_planned(self, sampler_name: str) -> None:
        _, record, rows = through_custom_sampler(sampler_name, 3, self.GROUPS)
        assert record.evaluations == rows
        if sampler_name in ADAPTIVE:
            assert record.cost is None
        else:
            assert record.cost is not None
            assert record.cost.total == rows
            assert rows < record.cost.without_sharing

    def test_sharing_changes_only_grouped_prompts(self, sampler_name: str) -> None:
        images = self.three_prompts(sampler_name)
        alone = ksampler_for_each("sd15", different("sd15", 3), small("sd15"), sampler_name)
        assert_equal(images[1:2], alone[1:2])
        assert difference(images[:1], alone[:1]) > 1e-3, "the plan shares these steps: the image has to show it"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
def test_every_scheduler(scheduler: str, sampler_name: str) -> None:
    image, one = small("sd15"), conditioning("sd15", seed=10)
    share = SHARES[(SCHEDULERS.index(scheduler) + SOME_SAMPLERS.index(sampler_name)) % len(SHARES)]
    settings = {**sampler_settings(sampler_name), "scheduler": scheduler}
    expected = comfy_ksampler("sd15", one, image, **settings)
    images = sage("sd15", grouped([one] * 2, [(0, 1)]), image, share=share, **settings)
    assert_equal(images, expected.repeat(2, 1, 1, 1))


@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "dpmpp_2m_sde", "euler_ancestral", "dpm_adaptive"])
@pytest.mark.parametrize("family", sorted(MODELS))
class TestEveryFamily:
    def test_share_0(self, family: str, sampler_name: str) -> None:
        image, prompts = small(family), different(family, 2)
        images = sage(family, grouped(prompts, [(0, 1)]), image, share=0.0, **sampler_settings(sampler_name))
        assert_equal(images, ksampler_for_each(family, prompts, image, sampler_name))

    def test_identical_prompts(self, family: str, sampler_name: str) -> None:
        image, one = small(family, batch=2), conditioning(family, seed=10)
        expected = comfy_ksampler(family, one, image, **sampler_settings(sampler_name))
        images = sage(family, grouped([one] * 2, [(0, 1)]), image, share=0.5, **sampler_settings(sampler_name))
        assert_equal(images, torch.cat([expected, expected]))

    def test_prefix_then_branch(self, family: str, sampler_name: str) -> None:
        image, groups = small(family), grouped(different(family, 3), [(0, 1), (2,)])
        one = sage(family, groups, image, share=0.5, **sampler_settings(sampler_name))
        assert_equal(sage_in_two(family, groups, image, share=0.5, **sampler_settings(sampler_name)), one)


BRANCHES = (((0, 2, 3), 1), ((0, 3), 4), ((1, 4), 3))
"""Clusters of five prompts, and the number of steps that each shares: a tree beside a group with a share of its own."""


@pytest.fixture
def in_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four levels."""
    plan_levels(monkeypatch, BRANCHES, 5)


@pytest.mark.usefixtures("in_levels")
@pytest.mark.parametrize("sampler_name", SAMPLERS)
class TestEverySamplerInLevels:
    GROUPS = ((0, 2, 3), (1, 4))

    @staticmethod
    @functools.cache
    def five_prompts(sampler_name: str) -> torch.Tensor:
        """Five different prompts in four levels."""
        groups = grouped(different("sd15", 5), TestEverySamplerInLevels.GROUPS)
        return sage("sd15", groups, small("sd15"), share=0.5, **sampler_settings(sampler_name))

    def test_identical_prompts_equal_ksampler(self, sampler_name: str) -> None:
        image, one, other = small("sd15", batch=2), *different("sd15", 2)
        expected = [comfy_ksampler("sd15", prompt, image, **sampler_settings(sampler_name)) for prompt in (one, other)]
        groups = grouped([one, other, one, one, other], self.GROUPS)
        images = sage("sd15", groups, image, share=0.5, **sampler_settings(sampler_name))
        assert_equal(images, torch.cat([expected[index] for index in (0, 1, 0, 0, 1)]))

    def test_prefix_then_branch_equals_one_node_equals_guider(self, sampler_name: str) -> None:
        image, groups = small("sd15"), grouped(different("sd15", 5), self.GROUPS)
        one = self.five_prompts(sampler_name)
        assert_equal(sage_in_two("sd15", groups, image, share=0.5, **sampler_settings(sampler_name)), one)
        assert_equal(through_custom_sampler(sampler_name, 5, self.GROUPS)[0], one)

    def test_evaluations_at_the_model_are_those_planned(self, sampler_name: str) -> None:
        _, record, rows = through_custom_sampler(sampler_name, 5, self.GROUPS)
        assert len(record.plan.levels) == 4
        assert record.warnings == ()
        assert record.evaluations == rows
        assert record.cost is None or record.cost.total == rows < record.cost.without_sharing

    def test_groups_do_not_touch_each_other(self, sampler_name: str) -> None:
        """Every group as if the other one were not there, in two levels of its own."""
        image, prompts = small("sd15"), different("sd15", 5)
        both = self.five_prompts(sampler_name)
        with pytest.MonkeyPatch.context() as patch:
            plan_levels(patch, [((0, 1), 3)], 2)
            pair = grouped([prompts[1], prompts[4]], [(0, 1)])
            assert_equal(both[[1, 4]], sage("sd15", pair, image, share=0.5, **sampler_settings(sampler_name)))


@pytest.mark.usefixtures("in_levels")
def test_every_level_runs_under_its_own_condition() -> None:
    """With euler, which forgets, levels are a chain of KSamplers: group, inner cluster, prompt."""
    image, prompts = small("sd15"), different("sd15", 5)
    groups = grouped(prompts, [(0, 2, 3), (1, 4)])
    images = sage("sd15", groups, image, share=0.5)
    chain = [(groups.condition((0, 2, 3)), 1), (groups.condition((0, 3)), 4), (prompts[3], 8)]
    assert_equal(images[3:4], in_calls("sd15", chain, image, "euler"))
    assert_equal(images[2:3], in_calls("sd15", [chain[0], (prompts[2], 8)], image, "euler"))


@pytest.mark.usefixtures("in_levels")
def test_the_preview_of_a_prefix_in_levels_has_one_row_per_group() -> None:
    image, groups = small("sd15", batch=2), grouped(different("sd15", 5), [(0, 2, 3), (1, 4)])
    model, negative = MODELS["sd15"](), conditioning("sd15", seed=1)
    prefix, preview = ksampler.sample_prefix(model, groups, negative, image, share=0.5, **SETTINGS)
    assert len(prefix.traces) == 4, "(0, 3) together, 1, 2 and 4 alone"
    expected = []
    for trace in prefix.traces[:2]:  # of prompts 0 and 1, the most central ones of their groups
        cond, uncond = trace[-1].outputs
        expected.append(model.model.process_latent_out(uncond + (cond - uncond) * SETTINGS["cfg"]))
    assert_equal(preview["samples"], torch.cat(expected))


def test_permuting_prompts_permutes_images() -> None:
    image, prompts = small("sd15", batch=2), different("sd15", 4)
    images = sage("sd15", grouped(prompts, [(0, 2), (1, 3)]), image, share=0.5).unflatten(0, (4, 2))
    order = [3, 0, 2, 1]
    permuted = grouped([prompts[index] for index in order], [(0, 3), (1, 2)])
    assert_equal(sage("sd15", permuted, image, share=0.5).unflatten(0, (4, 2)), images[order])


@pytest.mark.parametrize("group_condition", ["mean", "medoid", "concat"])
def test_the_shared_steps_follow_the_group_condition(group_condition: str) -> None:
    """Euler is one of the few samplers that two calls reproduce, so a hand-made chain is a second opinion."""
    image, prompts = small("sd15"), different("sd15", 2)
    groups = grouped(prompts, [(0, 1)], group_condition=group_condition)
    shared = two_calls("sd15", groups.condition((0, 1)), prompts[0], image, "euler", at=4)
    assert_equal(sage("sd15", groups, image, share=0.5)[:1], shared)


def test_cutting_the_run_in_two_calls_is_wrong() -> None:
    """Why the engine runs the uncut sampler: history, Brownian and ancestral noise do not survive a cut."""
    image, one = small("sd15"), conditioning("sd15", seed=10)
    for sampler_name in ("dpmpp_2m", "lms", "deis", "uni_pc", "dpmpp_2m_sde", "dpmpp_sde", "euler_ancestral"):
        uncut = comfy_ksampler("sd15", one, image, sampler_name=sampler_name)
        cut = two_calls("sd15", one, one, image, sampler_name, at=4)
        assert difference(cut, uncut) > 1e-4, sampler_name
    assert_equal(two_calls("sd15", one, one, image, "euler", at=4), comfy_ksampler("sd15", one, image))


def two_calls(family: str, first: list, second: list, image: dict, sampler_name: str, *, at: int) -> torch.Tensor:
    return in_calls(family, [(first, at), (second, SETTINGS["steps"])], image, sampler_name)


def in_calls(family: str, chain: list[tuple[list, int]], image: dict, sampler_name: str) -> torch.Tensor:
    """What a chain of KSampler (Advanced) nodes does: each with its condition, up to its step."""
    advanced = comfy_nodes.KSamplerAdvanced()
    model, negative = MODELS[family](), conditioning(family, seed=1)
    seed, steps, cfg, scheduler = (SETTINGS[key] for key in ("seed", "steps", "cfg", "scheduler"))
    start = 0
    for positive, end in chain:
        noise, rest = "disable" if start else "enable", "enable" if end < steps else "disable"
        image = advanced.sample(
            model, noise, seed, steps, cfg, sampler_name, scheduler, positive, negative, image, start, end, rest
        )[0]
        start = end
    return image["samples"]


@functools.cache
def through_custom_sampler(
    sampler_name: str, prompts: int, partition: Partition
) -> tuple[torch.Tensor, SamplingRecord, int]:
    """SAGE Guider and SamplerCustomAdvanced: the images, the record, and the rows that reached the network."""
    model, groups = MODELS["sd15"](), grouped(different("sd15", prompts), partition)
    guider = SageGuider(model, groups, conditioning("sd15", seed=1), SETTINGS["cfg"], 0.5)
    noise, sampler = Noise_RandomNoise(SETTINGS["seed"]), comfy.samplers.sampler_object(sampler_name)
    with count_evaluations(model) as evaluations:
        out = SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas_of(sampler_name), small("sd15")).args[0]
    assert guider.record is not None
    return out["samples"], guider.record, evaluations.rows


def sigmas_of(sampler_name: str) -> torch.Tensor:
    """The sigmas that ComfyUI's KSampler makes of the settings."""
    use, model = {**SETTINGS, **sampler_settings(sampler_name)}, MODELS["sd15"]()
    return comfy.samplers.KSampler(
        model, use["steps"], model.load_device, sampler_name, use["scheduler"], use["denoise"]
    ).sigmas
