"""Conditions of several clusters as one batch: built where ComfyUI would batch them, with the same result."""

from __future__ import annotations

import copy
from typing import Any

import comfy.conds
import comfy.sampler_helpers
import comfy.samplers
import pytest
import torch
from comfyui_sage.sage_core.conditioning.batch import batch_conds, batchable_classes
from models import MODELS, conditioning, controlnet, latent, randn
from reference import assert_equal

import nodes as comfy_nodes

SIGMA = {"audio": 5.0, "sd3": 0.7, "flux": 0.7, "lumina": 0.7, "video": 0.7}


@torch.no_grad()
def processed(family: str, positive: list, variations: int = 1) -> dict[str, list[dict[str, Any]]]:
    """What ComfyUI makes of a prompt and the negative prompt for a run of `variations` rows."""
    model, image = MODELS[family]().model, latent(family, batch=variations)["samples"]
    pair = {"positive": positive, "negative": conditioning(family, seed=1)}
    conds = {kind: comfy.sampler_helpers.convert_cond(cond) for kind, cond in pair.items()}
    return comfy.samplers.process_conds(model, image, conds, image.device, image, None, 5)


@torch.no_grad()
def evaluate(family: str, conds: dict[str, list], x: torch.Tensor) -> torch.Tensor:
    """Cond and uncond through ComfyUI."""
    patcher = MODELS[family]()
    sigma = torch.full((len(x),), SIGMA.get(family, 3.0))
    options = {"transformer_options": {}}
    patcher.pre_run()
    try:
        kinds = [conds["positive"], conds["negative"]]
        return torch.stack(comfy.samplers.calc_cond_batch(patcher.model, kinds, x, sigma, options))
    finally:
        patcher.cleanup()


def noise(family: str, rows: int) -> torch.Tensor:
    return randn(rows, *latent(family)["samples"].shape[1:], seed=4)


def assert_same_as_alone(family: str, prompts: list[list], variations: int = 2) -> None:
    conds = [processed(family, prompt, variations) for prompt in prompts]
    assert batchable_classes(conds, variations) == [list(range(len(prompts)))]
    x = noise(family, len(prompts) * variations)
    together = evaluate(family, batch_conds(conds, variations), x)
    alone = [evaluate(family, cond, part) for cond, part in zip(conds, x.split(variations), strict=True)]
    assert_equal(together, torch.cat(alone, dim=1))
    assert not torch.allclose(alone[0][0], alone[0][1], atol=1e-4), "the condition has to matter"


@pytest.mark.parametrize("variations", [1, 3])
@pytest.mark.parametrize("family", sorted(MODELS))
def test_every_family(family: str, variations: int) -> None:
    assert_same_as_alone(family, [conditioning(family, seed=seed) for seed in (10, 11, 12)], variations)


class TestTogether:
    def test_unequal_lengths_where_attention_does_not_mind(self) -> None:
        assert_same_as_alone("sd15", [conditioning("sd15", seed=n, tokens=n) for n in (77, 154, 77, 231)])

    def test_different_guidance(self) -> None:
        prompts = [conditioning("flux", seed=10), conditioning("flux", seed=10)]
        prompts[1][0][1]["guidance"] = 8.0
        assert_same_as_alone("flux", prompts)
        x = noise("flux", 1).repeat(2, 1, 1, 1)
        weak, strong = evaluate("flux", batch_conds([processed("flux", prompt) for prompt in prompts], 1), x)[0]
        assert not torch.allclose(weak, strong, atol=1e-4)

    def test_the_same_area_time_range_and_strength(self) -> None:
        def dressed(seed: int) -> list:
            area = comfy_nodes.ConditioningSetArea().append(conditioning("sd15", seed=seed), 32, 48, 8, 0, 0.7)[0]
            timed = comfy_nodes.ConditioningSetTimestepRange().set_range(area, 0.1, 1.0)[0]
            return timed + conditioning("sd15", seed=seed + 20)

        assert_same_as_alone("sd15", [dressed(10), dressed(11)])

    def test_the_same_mask(self) -> None:
        mask = torch.zeros(1, 64, 64)
        mask[:, 16:48] = 1

        def dressed(seed: int) -> list:
            masked = comfy_nodes.ConditioningSetMask().append(conditioning("sd15", seed=seed), mask, "default", 1.0)[0]
            return masked + conditioning("sd15", seed=seed + 20)

        assert_same_as_alone("sd15", [dressed(10), dressed(11)])

    def test_prompts_of_several_entries(self) -> None:
        assert_same_as_alone(
            "sd15", [conditioning("sd15", seed=n) + conditioning("sd15", seed=n + 50) for n in (10, 11)]
        )

    def test_one_controlnet(self) -> None:
        control = controlnet()
        conds = [processed("sd15", [[text, {**extras, "control": control}]]) for text, extras in prompts(3)]
        assert batchable_classes(conds, 1) == [[0, 1, 2]]


def prompts(count: int) -> list[list]:
    """Entries [text, extras] of SD1.5 prompts."""
    return [conditioning("sd15", seed=10 + index)[0] for index in range(count)]


def classes(first: dict[str, Any], second: dict[str, Any]) -> list[list[int]]:
    """Classes of two prompts with these extras."""
    entries = prompts(2)
    conds = [
        processed("sd15", [[text, {**own, **extras}]])
        for (text, own), extras in zip(entries, (first, second), strict=True)
    ]
    return batchable_classes(conds, 1)


class TestApart:
    @pytest.mark.parametrize(
        "first, second",
        [
            ({"area": (4, 4, 0, 0)}, {"area": (4, 4, 4, 0)}),
            ({"area": (4, 4, 0, 0)}, {}),
            ({"strength": 0.5}, {"strength": 0.6}),
            ({"start_percent": 0.1}, {"start_percent": 0.2}),
            ({"end_percent": 0.8}, {}),
            ({"mask": torch.ones(1, 64, 64)}, {"mask": torch.zeros(1, 64, 64)}),
            ({"mask": torch.ones(1, 64, 64)}, {}),
            ({"gligen": ("position", None, [(torch.ones(1, 4), 1, 1, 0, 0)])},
             {"gligen": ("position", None, [(torch.zeros(1, 4), 1, 1, 0, 0)])}),
            ({"gligen": ("position", None, [])}, {"gligen": ("position", None, [(torch.ones(1, 4), 1, 1, 0, 0)])}),
        ],
    )  # fmt: skip
    def test_different_extras(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        assert classes(first, second) == [[0], [1]]
        assert classes(first, copy.deepcopy(first)) == [[0, 1]]

    def test_different_controlnets(self) -> None:
        one, other = controlnet(), copy.copy(controlnet())
        assert classes({"control": one}, {"control": other}) == [[0], [1]]

    @pytest.mark.parametrize(
        "hints, variations, together", [(1, 1, True), (1, 2, True), (2, 2, True), (2, 1, False), (3, 2, False)]
    )
    def test_controlnet_images_that_comfyui_would_distribute_differently(
        self, hints: int, variations: int, together: bool
    ) -> None:
        control = controlnet().copy().set_cond_hint(torch.rand(hints, 3, 64, 64))
        conds = [processed("sd15", [[text, {**extras, "control": control}]], variations) for text, extras in prompts(2)]
        assert batchable_classes(conds, variations) == ([[0, 1]] if together else [[0], [1]])

    def test_lengths_that_need_too_much_repeating(self) -> None:
        conds = [processed("sd15", conditioning("sd15", seed=n, tokens=n)) for n in (77, 78, 77)]
        assert batchable_classes(conds, 1) == [[0, 2], [1]]

    def test_unequal_lengths_under_a_mask(self) -> None:
        conds = [processed("lumina", conditioning("lumina", seed=1, tokens=n)) for n in (24, 18, 24, 18)]
        assert batchable_classes(conds, 1) == [[0, 2], [1, 3]]

    def test_different_numbers_of_entries(self) -> None:
        one = conditioning("sd15", seed=10)
        conds = [processed("sd15", one), processed("sd15", one + one)]
        assert batchable_classes(conds, 1) == [[0], [1]]

    def test_different_constants(self) -> None:
        conds = [processed("sd15", [entry]) for entry in prompts(3)]
        for cond, value in zip(conds, (1, 2, 1), strict=True):
            cond["positive"][0]["model_conds"]["constant"] = comfy.conds.CONDConstant(value)
        assert batchable_classes(conds, 1) == [[0, 2], [1]]

    def test_a_condition_that_one_lacks(self) -> None:
        conds = [processed("sd15", [entry]) for entry in prompts(2)]
        conds[1]["positive"][0]["model_conds"]["extra"] = comfy.conds.CONDRegular(torch.zeros(1, 3))
        assert batchable_classes(conds, 1) == [[0], [1]]

    def test_different_negatives(self) -> None:
        conds = [processed("sd15", [entry]) for entry in prompts(2)]
        conds[1]["negative"][0]["strength"] = 0.5
        assert batchable_classes(conds, 1) == [[0], [1]]


class TestBatch:
    def test_one_cluster_is_itself(self) -> None:
        cond = processed("sd15", conditioning("sd15", seed=10), variations=2)
        assert batch_conds([cond], 2) is cond

    def test_rows_are_cluster_major(self) -> None:
        conds = [processed("sd15", [entry], variations=2) for entry in prompts(2)]
        ((found,),) = [batch_conds(conds, 2)["positive"]]
        texts = [text for text, _ in prompts(2)]
        expected = torch.cat([texts[0], texts[0], texts[1], texts[1]])
        assert torch.equal(found["model_conds"]["c_crossattn"].cond, expected)

    def test_a_condition_of_its_own(self) -> None:
        """ComfyUI and patches remember conditions by their uuid."""
        conds = [processed("sd15", [entry]) for entry in prompts(2)]
        identities = {cond["positive"][0]["uuid"] for cond in conds}
        assert batch_conds(conds, 1)["positive"][0]["uuid"] not in identities

    def test_its_parts_are_left_alone(self) -> None:
        conds = [processed("sd15", [entry]) for entry in prompts(2)]
        batch_conds(conds, 1)["positive"][0]["model_conds"].clear()
        for cond, (text, _) in zip(conds, prompts(2), strict=True):
            assert torch.equal(cond["positive"][0]["model_conds"]["c_crossattn"].cond, text)

    def test_no_clusters(self) -> None:
        assert batchable_classes([], 1) == []
