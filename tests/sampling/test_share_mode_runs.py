"""The share modes tree and auto, against ComfyUI's KSampler for each prompt."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.sampling import ksampler
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import (
    SETTINGS,
    SOME_SAMPLERS,
    assert_equal,
    difference,
    different,
    grouped,
    ksampler_for_each,
    sage,
    sage_in_two,
    sampler_settings,
    small,
)


class TestTree:
    """Prompts that are more similar than the rest of their group share longer."""

    def groups(self, prompts: list) -> PromptGroups:
        angles = np.radians([0, 60, 2, 70])
        embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return replace(grouped(prompts, [(0, 1, 2, 3)]), embeddings=embeddings)

    @pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
    def test_equals_ksampler_where_it_must(self, sampler_name: str) -> None:
        image, prompts = small("sd15", batch=2), different("sd15", 4)
        settings = {"share_mode": "tree", **sampler_settings(sampler_name)}
        alone = ksampler_for_each("sd15", prompts, image, sampler_name)
        assert_equal(sage("sd15", self.groups(prompts), image, share=0.0, **settings), alone)
        equal = sage("sd15", self.groups(prompts[:1] * 4), image, share=0.5, **settings)
        assert_equal(equal, alone[:2].repeat(4, 1, 1, 1))
        shared = sage("sd15", self.groups(prompts), image, share=0.4, **settings)
        assert_equal(sage_in_two("sd15", self.groups(prompts), image, share=0.4, **settings), shared)

    def test_clusters_of_the_tree_are_reported(self) -> None:
        model, image, negative = MODELS["sd15"](), small("sd15"), conditioning("sd15", seed=1)
        with count_evaluations(model) as evaluations:
            _, report = ksampler.sample(
                model, self.groups(different("sd15", 4)), negative, image, share=0.25, share_mode="tree", **SETTINGS
            )
        assert evaluations.rows == 2 * (2 * 1 + 2 * 2 + 4 * 4), "2 steps the group, 2 the pairs, 4 every prompt"
        assert re.findall(r"together to sigma \S+: prompts (.*)", report) == ["1, 2, 3, 4", "1, 3", "2, 4"]


class TestAuto:
    """Groups share while the noise is larger than the difference of their predictions, one evaluation per prompt."""

    GROUPS = ((0, 2), (1, 3), (4,))

    @pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
    def test_equals_ksampler_where_it_must(self, sampler_name: str) -> None:
        image, prompts = small("sd15", batch=2), different("sd15", 5)
        settings = {"share_mode": "auto", **sampler_settings(sampler_name)}
        alone = ksampler_for_each("sd15", prompts, image, sampler_name)
        assert_equal(sage("sd15", grouped(prompts, self.GROUPS), image, share=0.0, **settings), alone)
        equal = sage("sd15", grouped(prompts[:1] * 5, self.GROUPS), image, share=0.5, **settings)
        assert_equal(equal, alone[:2].repeat(5, 1, 1, 1))
        shared = sage("sd15", grouped(prompts, self.GROUPS), image, share=0.6, **settings)
        assert difference(shared[:8], alone[:8]) > 1e-3
        assert_equal(shared[8:], alone[8:])
        assert_equal(sage_in_two("sd15", grouped(prompts, self.GROUPS), image, share=0.6, **settings), shared)

    def test_closer_predictions_share_longer(self) -> None:
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
    def test_planning_evaluations_are_counted(self, share: float, planning: int) -> None:
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
