"""Prompts added to a prefix get the images of a run that had them from the start."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from comfyui_sage.nodes.prefix import AddPrompts
from comfyui_sage.nodes.samplers import BranchKSampler
from comfyui_sage.sage_core.conditioning.combine import Conditioning
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.grouping.partition import Cluster
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.prefix.extend import extend_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.prefix import Prefix
from evaluations import count_evaluations
from list_calls import execute_listed
from models import MODELS, clip_l, conditioning
from prefixes import BOATS, CARS, new_prompts, sample_branch, sample_prefix, six_prompts
from reference import ADAPTIVE, SETTINGS, assert_equal, comfy_ksampler, difference, plan_levels, sampler_settings, small

SOME_SAMPLERS = ("euler", "dpmpp_2m", "dpmpp_sde", "euler_ancestral", "uni_pc", "dpm_adaptive", "heun", "lcm")
STEPS = [(CARS, 2), ((0, 3), 5), (BOATS, 4)]
"""Clusters of the six prompts, and the steps that each shares."""


def add(prefix: Any, clip: Any, *prompts: str) -> Any:
    return execute_listed(AddPrompts, *prompts, prefix=prefix, clip=clip)


@dataclass(frozen=True)
class AsBefore(PromptGroups):
    """Groups whose conditions are those of their first six prompts."""

    def condition(self, cluster: Cluster) -> Conditioning:
        before = tuple(prompt for prompt in cluster if prompt < 6)
        return super().condition(before or cluster)


@pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
def test_the_image_of_a_run_with_the_same_plan_and_conditions(
    sampler_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All new prompts at once in a direct run, in the clusters that they join."""
    groups = six_prompts()
    plan_levels(monkeypatch, STEPS, 6)
    prompts, conditionings, embeddings = new_prompts(1, 15, 123, 190)
    settings = {**SETTINGS, **sampler_settings(sampler_name), "steps": 8}
    added, _ = extend_prefix(sample_prefix(groups, variations=2, **settings), prompts, conditionings, embeddings)
    plan_levels(monkeypatch, [((*CARS, 6, 7), 2), ((0, 3, 6), 5), ((*BOATS, 8), 4)], 10)
    grown = replace(
        groups, prompts=groups.prompts + prompts, conditionings=groups.conditionings + conditionings,
        embeddings=np.concatenate([groups.embeddings, embeddings]),
        partition=((*CARS, 6, 7), (*BOATS, 8), (5,), (9,)),
    )  # fmt: skip
    direct = AsBefore(**{field.name: getattr(grown, field.name) for field in fields(grown) if field.init})
    image = small("sd15", batch=2)
    expected = ksampler.sample(
        MODELS["sd15"](), direct, conditioning("sd15", seed=1), image, share=0.5, **settings
    )[0]["samples"]  # fmt: skip
    with count_evaluations(MODELS["sd15"]()) as evaluations:
        out, report = ksampler.sample_branch(MODELS["sd15"](), added)
    images = out["samples"]
    assert_equal(images, expected[12:])
    alone = comfy_ksampler("sd15", conditionings[3], image, **settings)
    assert_equal(images[6:], alone), "what is like nothing shares nothing"
    assert difference(images[:2], comfy_ksampler("sd15", conditionings[0], image, **settings)) > 1e-3
    if sampler_name not in ADAPTIVE:
        assert added.record.cost is not None
        assert evaluations.rows == added.record.cost.total < added.record.cost.without_sharing
    assert "Warning: not similar enough to any group, so sampled from the start, alone: 'at 190'" in report


@pytest.mark.parametrize("share_mode", ["fixed", "tree"])
@pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
def test_an_added_copy_of_a_prompt_has_the_same_image(sampler_name: str, share_mode: str) -> None:
    prefix = sample_prefix(six_prompts(), variations=2, sampler_name=sampler_name, share_mode=share_mode, share=0.4)
    groups, order = prefix.groups, [5, 3, 0, 1]
    added, _ = extend_prefix(
        prefix, tuple(groups.prompts[at] for at in order), tuple(groups.conditionings[at] for at in order),
        groups.embeddings[order],
    )  # fmt: skip
    assert_equal(sample_branch(added).unflatten(0, (4, 2)), sample_branch(prefix).unflatten(0, (6, 2))[order])


def test_added_prompts_cost_their_branch_only() -> None:
    prefix = sample_prefix(six_prompts(), variations=2)
    added, _ = extend_prefix(prefix, *new_prompts(1, 15, 123, 262))
    with count_evaluations(MODELS["sd15"]()) as evaluations:
        report = ksampler.sample_branch(MODELS["sd15"](), added)[1]
    assert evaluations.rows == 4 * 2 * 2 * 4, "prompts, variations, cond and uncond, the second half of 8 steps"
    assert "shared: sigma start to" in report and ", 6 rows, 0 evaluations" in report
    assert "- evaluations: 64 done, 64 planned, 128 for every prompt alone: 50.0% saved" in report


def test_prompts_added_where_all_have_one_seed_offset() -> None:
    """They have it, too; one is there twice."""
    prefix = sample_prefix(replace(six_prompts(), seed_offsets=(7,) * 6))
    texts, conditionings, embeddings = new_prompts(1, 123)
    again = (*texts, texts[0]), (*conditionings, conditionings[0]), embeddings[[0, 1, 0]]
    added, _ = extend_prefix(prefix, *again)
    assert added.groups.seed_offsets == (7, 7, 7)
    plain, _ = extend_prefix(sample_prefix(six_prompts(), seed=SETTINGS["seed"] + 7), texts, conditionings, embeddings)
    assert_equal(sample_branch(added), sample_branch(plain)[[0, 1, 0]])


def test_additions_are_independent_and_leave_the_prefix_unchanged() -> None:
    """Neither the order of additions, nor what is added beside, changes an image; nor does the prefix."""
    prefix = sample_prefix(six_prompts())
    before = sample_branch(prefix)
    once, _ = extend_prefix(prefix, *new_prompts(1, 123, 15))
    twice, _ = extend_prefix(prefix, *new_prompts(15, 1))
    assert_equal(sample_branch(once)[[2, 0]], sample_branch(twice))
    assert torch.equal(sample_branch(prefix), before)
    assert prefix.origin is None and len(prefix.groups.prompts) == 6


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_of_the_share(share: float) -> None:
    added, _ = extend_prefix(sample_prefix(six_prompts(), share=share), *new_prompts(1, 190))
    with count_evaluations(MODELS["sd15"]()) as evaluations:
        images = sample_branch(added)
    assert added.record.cost is not None and evaluations.rows == added.record.cost.total
    _, conditionings, _ = new_prompts(1, 190)
    assert_equal(images[1:], comfy_ksampler("sd15", conditionings[1], small("sd15")))
    if share == 0:
        assert_equal(images[:1], comfy_ksampler("sd15", conditionings[0], small("sd15")))


class TestNode:
    CLIP_PROMPTS = ("a red car", "a blue car", "a small boat on the sea", "a red car")

    @pytest.fixture
    def prefix(self) -> Prefix:
        template = conditioning("sd15", seed=3)
        template[0][1]["strength"] = 0.5
        groups = build_prompt_groups(
            clip_l(), self.CLIP_PROMPTS, threshold_mode="fixed", threshold=0.0, max_group_size=2, template=template
        )
        return sample_prefix(groups, variations=2)

    def test_rows_are_the_new_prompts_in_their_order(self, prefix: Prefix) -> None:
        added, groups, report = add(prefix, clip_l(), "a {blue|red} car\na green car\na green car").args
        assert groups.prompts == ("a blue car", "a red car", "a green car", "a green car")
        assert report.splitlines()[0] == "4 new prompts: 4 with a group of the prefix, 0 alone"
        images = BranchKSampler.execute(MODELS["sd15"](), added).args[0]["samples"].unflatten(0, (4, 2))
        old = sample_branch(prefix).unflatten(0, (4, 2))
        assert_equal(images[:2], old[[1, 0]])
        assert torch.equal(images[2], images[3])

    def test_new_prompts_get_the_template(self, prefix: Prefix) -> None:
        added = add(prefix, clip_l(), "a green car").args[0]
        assert added.groups.conditionings[0][0][1]["strength"] == 0.5

    def test_one_after_the_other_is_both_at_once(self, prefix: Prefix) -> None:
        first = add(prefix, clip_l(), "a green car").args[0]
        second, groups, _ = add(first, clip_l(), "a white boat").args
        both = add(prefix, clip_l(), "a green car\na white boat").args[0]
        assert groups.prompts == ("a green car", "a white boat")
        assert torch.equal(sample_branch(second), sample_branch(both))

    def test_a_list_of_texts(self, prefix: Prefix) -> None:
        assert add(prefix, clip_l(), "a {green} car", "#1 car", "").args[1].prompts == ("a {green} car", "#1 car")
        with pytest.raises(ValueError, match="clip: expected one value for all prompts, got a list of 2 that differ"):
            AddPrompts.execute(prefix=[prefix], clip=[clip_l(), load_demo_model()[1]], prompts=["a car"])

    def test_the_report_lists_prompts_without_a_group(self) -> None:
        groups = build_prompt_groups(
            clip_l(), self.CLIP_PROMPTS, threshold_mode="fixed", threshold=1.0, pins={"a blue car": "a red car"}
        )
        new = "a red car\nportrait of an elderly fisherman, oil on canvas"
        report = add(sample_prefix(groups), clip_l(), new).args[2].splitlines()
        assert report[0] == "2 new prompts: 1 with a group of the prefix, 1 alone"
        assert "1: a red car: group 1 (similarity" in report[2] and "together to sigma" in report[2]
        assert "2: portrait" in report[3] and "alone; the nearest is group" in report[3]
        assert report[3].endswith("the threshold is 1.000")

    def test_bad_input(self, prefix: Prefix) -> None:
        with pytest.raises(ValueError, match="prefix: expected the output of Shared KSampler Prefix, got str"):
            add("a string", clip_l(), "a car")
        with pytest.raises(ValueError, match="prompts: expected at least one prompt"):
            add(prefix, clip_l(), "# nothing")
        with pytest.raises(ValueError, match="clip: expected a text encoder, got None"):
            add(prefix, None, "a car")

    def test_another_clip(self, prefix: Prefix) -> None:
        with pytest.raises(ValueError, match="(clip|template): expected .* got"):
            add(prefix, load_demo_model()[1], "a car")
        bare = replace(prefix, groups=replace(prefix.groups, template=None))
        with pytest.raises(ValueError, match="clip: expected the one that .* groups were made with.*'a red car'"):
            add(bare, load_demo_model()[1], "a car")
