"""Several renders that have their shared steps in common: the same pictures as one by one, for less."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.explorer.renderer import Renderer
from comfyui_sage.sage_core.explorer.settings import Setting
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.sampling.ksampler import sample_recorded
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import ADAPTIVE, SETTINGS, assert_equal, different, grouped, sampler_settings, small

PAIR = grouped(different("sd15", 3), [(0, 2), (1,)], group_condition="auto")


def renders(
    shares: tuple[float, ...], *corrections: str, groups: PromptGroups = PAIR, sampler_name: str = "euler",
    model: Any = None,
) -> list[tuple[tuple[Any, Any, int], tuple[Any, Any, int]]]:  # fmt: skip
    """For every setting the rows, the record and the evaluations at the model: of the renderer, and of it alone."""
    model = model or MODELS["sd15"]()
    inputs = (model, groups, conditioning("sd15", seed=1), small("sd15"))
    sampler = {**SETTINGS, "steps": 4, **(sampler_settings(sampler_name) if sampler_name in ADAPTIVE else {})}
    sampler["sampler_name"], steps = sampler_name, sampler.pop("steps")
    renderer, found = Renderer(*inputs, **sampler), []
    for share, correction in itertools.product(shares, corrections):
        with count_evaluations(model) as paid:
            out, record = renderer.render(Setting(steps, share, correction))
        with count_evaluations(model) as alone:
            expected = sample_recorded(*inputs, steps=steps, share=share, correction=correction, **sampler)
        found.append(((out["samples"], record, paid.rows), (expected[0]["samples"], expected[1], alone.rows)))
    return found


@pytest.mark.parametrize("group_condition", ["auto", "mean"])
def test_the_same_pictures_and_costs_as_one_by_one_and_shared_steps_are_run_once(group_condition: str) -> None:
    found = renders((0.75, 0.5, 0.1), "on", "off", groups=replace(PAIR, group_condition=group_condition))
    for (rows, record, _), (expected, its_record, alone) in found:
        assert_equal(rows, expected)
        assert record.evaluations == its_record.evaluations == alone
        assert (record.plan, record.cost, record.warnings) == (its_record.plan, its_record.cost, its_record.warnings)
    a_step, whole = 2 * 2, 2 * 2 * 4  # of the runs of two groups
    saved = [alone - paid for (_, _, paid), (_, _, alone) in found]
    assert saved == [0, 0, whole, 2 * a_step, whole, 0], "a tenth of four steps is none"


@pytest.mark.parametrize("sampler_name", ["dpmpp_2m_sde", *ADAPTIVE])
def test_a_sampler_that_draws_noise_and_one_that_chooses_its_steps(sampler_name: str) -> None:
    _, ((rows, record, paid), (expected, its_record, alone)) = renders(
        (0.9, 0.5), "off", groups=PAIR.only([0, 2]), sampler_name=sampler_name
    )
    assert_equal(rows, expected)
    assert record.evaluations == its_record.evaluations == alone > paid


def test_prompts_with_seeds_of_their_own() -> None:
    _, ((rows, _, _), (expected, _, _)) = renders((0.75, 0.5), "off", groups=replace(PAIR, seed_offsets=(1, 0, 1)))
    assert_equal(rows, expected)


def test_a_sampling_that_does_not_repeat_itself_renders_every_prompt_alone() -> None:
    def unseeded(args: dict[str, Any]) -> torch.Tensor:
        noise = np.random.default_rng().normal(size=args["denoised"].shape)
        return args["denoised"] + 0.1 * torch.from_numpy(noise).float()

    model = MODELS["sd15"]().clone()
    model.set_model_sampler_post_cfg_function(unseeded)
    for (_, record, _), (_, its_record, alone) in renders((0.75, 0.5), "off", model=model):
        assert record.warnings == its_record.warnings and "does not repeat itself" in record.warnings[-1]
        assert record.evaluations == its_record.evaluations == alone
