"""Extras of a template on every prompt."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.conditioning.template import apply_template, check_template
from models import conditioning, latent, randn
from reference import assert_equal, comfy_ksampler, difference
from text_conditionings import assert_same, text

import nodes as comfy_nodes


class TestTemplate:
    def test_every_extra_of_the_template_and_the_prompts_own_text(self) -> None:
        control, area = object(), (8, 8, 0, 0)
        template = text(9, guidance=5.0, control=control, area=area, start_percent=0.2)
        prompt = text(1)
        ((found, extras),) = apply_template(prompt, template)
        assert found is prompt[0][0]
        assert extras["pooled_output"] is prompt[0][1]["pooled_output"]
        assert (extras["guidance"], extras["area"], extras["start_percent"]) == (5.0, area, 0.2)
        assert extras["control"] is control

    def test_the_templates_text_is_not_used(self) -> None:
        template = text(9, attention_mask=torch.ones(1, 77), guidance=5.0)
        prompt = [[randn(1, 77, 16, seed=1), {}]]
        assert apply_template(prompt, template)[0][1] == {"guidance": 5.0}

    def test_several_entries(self) -> None:
        template = text(8, area=(1, 1, 0, 0)) + text(9, area=(1, 1, 0, 1))
        prompt = text(1)
        applied = apply_template(prompt, template)
        assert [extras["area"] for _, extras in applied] == [(1, 1, 0, 0), (1, 1, 0, 1)]
        assert all(found is prompt[0][0] for found, _ in applied)

    def test_a_prompt_of_several_entries_gets_the_template_in_each(self) -> None:
        prompt = text(1) + text(2)
        applied = apply_template(prompt, text(8, area=1) + text(9, area=2))
        assert [extras["area"] for _, extras in applied] == [1, 2, 1, 2]

    def test_neither_is_changed(self) -> None:
        prompt, template = text(1), text(9, guidance=5.0)
        before = copy.deepcopy((prompt, template))
        applied = apply_template(prompt, template)
        applied[0][1]["guidance"] = 1.0
        assert_same((prompt, template), before)

    def test_equals_comfyui_nodes_on_the_prompt(self) -> None:
        """Area and time range on a template, against the same nodes on the prompt itself."""

        def dressed(plain: list) -> list:
            area = comfy_nodes.ConditioningSetArea().append(plain, 32, 64, 0, 0, 1.0)[0]
            return comfy_nodes.ConditioningSetTimestepRange().set_range(area, 0.1, 0.9)[0]

        prompt = conditioning("sd15", seed=1)
        applied = apply_template(prompt, dressed(conditioning("sd15", seed=2)))
        image = latent("sd15")
        expected = comfy_ksampler("sd15", dressed(prompt), image)
        assert_equal(comfy_ksampler("sd15", applied, image), expected, tolerance=0)

    def test_guidance_reaches_the_model(self) -> None:
        image, prompt = latent("flux"), conditioning("flux", seed=1)
        wanted = conditioning("flux", seed=1)
        wanted[0][1]["guidance"] = 9.0
        del prompt[0][1]["guidance"]
        applied = apply_template(prompt, [[None, {"guidance": 9.0}]])
        found = comfy_ksampler("flux", applied, image)
        assert_equal(found, comfy_ksampler("flux", wanted, image), tolerance=0)
        assert difference(found, comfy_ksampler("flux", conditioning("flux", seed=1), image)) > 1e-3


class TestErrors:
    def test_a_template_of_another_encoder(self) -> None:
        with pytest.raises(ValueError, match=r"template: .*text width 16.*got width 32"):
            check_template([[randn(1, 77, 32, seed=1), {}]], text(1))

    @pytest.mark.parametrize("template, got", [([], "an empty one"), (None, "NoneType"), ("extras", "str")])
    def test_no_template(self, template: Any, got: str) -> None:
        with pytest.raises(ValueError, match=rf"template: expected a CONDITIONING .* got {got}"):
            check_template(template, text(1))

    def test_every_entry_is_looked_at(self) -> None:
        with pytest.raises(ValueError, match="got width 16, 32"):
            check_template(text(1) + [[randn(1, 77, 32, seed=1), {}]], text(2))

    @pytest.mark.parametrize("template", [text(3), [[None, {"guidance": 2.0}]], text(3, tokens=154)])
    def test_what_fits(self, template: list) -> None:
        check_template(template, text(1))
