"""Extras of a template on every prompt."""

from __future__ import annotations

import copy
from typing import Any

import comfy.clip_vision
import comfy.sd
import node_helpers
import pytest
import torch
from comfy.ldm.flux.redux import ReduxImageEncoder
from comfyui_sage.sage_core.conditioning.template import apply_template, check_template
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from models import clip_l, conditioning, fill, flux_clip, latent, randn
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
        template = text(
            9, attention_mask=torch.ones(1, 77), conditioning_byt5small=randn(1, 3, 8, seed=1), guidance=5.0
        )
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


def check(template: Any, prompt: list | None = None, empty: list | None = None, piece: int | None = 77) -> None:
    """Check a template against a prompt, of an encoder that gives `empty` for a text without words."""
    check_template(template, prompt or text(1), lambda words: empty or text(2), piece)


class TestErrors:
    def test_a_template_of_another_encoder(self) -> None:
        with pytest.raises(ValueError, match=r"template: .*text width 16.*got width 32"):
            check([[randn(1, 77, 32, seed=1), {}]])

    @pytest.mark.parametrize("template, got", [([], "an empty one"), (None, "NoneType"), ("extras", "str")])
    def test_no_template(self, template: Any, got: str) -> None:
        with pytest.raises(ValueError, match=rf"template: expected a CONDITIONING .* got {got}"):
            check(template)

    def test_every_entry_is_looked_at(self) -> None:
        with pytest.raises(ValueError, match="got width 16, 32"):
            check(text(1) + [[randn(1, 77, 32, seed=1), {}]])

    @pytest.mark.parametrize("template", [
        text(3), text(3, tokens=154), text(3, tokens=40), [[None, {"guidance": 2.0}]],
        text(3, reference_latents=[randn(1, 4, 2, 2, seed=1)], attention_mask=torch.ones(1, 77)),
    ])  # fmt: skip
    def test_what_fits(self, template: list) -> None:
        check(template)


class TestWhatWouldBeLost:
    """Nothing but words is thrown away without a word."""

    LOST = ".*[Pp]rompt would replace .*Put Share Sampling before the sampler instead"

    def test_texts_for_regions(self) -> None:
        regions = text(8, area=(1, 1, 0, 0)) + text(9, area=(1, 1, 0, 1)) + text(8, area=(1, 1, 1, 1))
        with pytest.raises(ValueError, match=f"template: expected one text, got 2 different ones{self.LOST}"):
            check(regions)

    def test_areas_with_one_text_are_fine(self) -> None:
        check(text(8, area=(1, 1, 0, 0)) + text(8, area=(1, 1, 0, 1)) + [[None, {"area": (1, 1, 1, 1)}]])

    def test_as_many_texts_as_the_encoder_gives_for_one_prompt_are_fine(self) -> None:
        """LoRA hooks with a schedule on the CLIP: one entry per time range."""
        times = [{"clip_start_percent": 0.0, "clip_end_percent": 0.5}, {"clip_start_percent": 0.5}]
        prompt = [entry for seed, time in enumerate(times) for entry in text(seed, **time)]
        template = [entry for seed, time in enumerate(times) for entry in text(5 + seed, **time)]
        check(template, prompt, empty=prompt)

    def test_lyrics(self) -> None:
        """ACE-Step: a prompt's own lyrics are empty."""
        own = {"conditioning_lyrics": torch.tensor([[2]])}
        song = text(3, conditioning_lyrics=torch.tensor([[2, 71, 5]]), lyrics_strength=0.9)
        with pytest.raises(ValueError, match=rf"template: .* got lyrics \(conditioning_lyrics\){self.LOST}"):
            check(song, text(1, **own), empty=text(2, **own))
        no_lyrics = text(3, **own, lyrics_strength=0.9)
        check(no_lyrics, text(1, **own), empty=text(2, **own))

    def test_another_extra_that_the_prompts_have_too(self) -> None:
        hooks = object()
        with pytest.raises(ValueError, match=f"template: .* got hooks{self.LOST}"):
            check(text(3, hooks=object()), text(1, hooks=hooks), empty=text(2, hooks=hooks))
        check(text(3, hooks=hooks), text(1, hooks=hooks), empty=text(2, hooks=hooks))

    def test_an_extra_that_changes_with_the_words_is_a_part_of_the_text(self) -> None:
        """As HiDream's conditioning_llama3: every text has another one."""
        prompt, empty = text(1, words=randn(1, 4, seed=1)), text(2, words=randn(1, 4, seed=2))
        check(text(3, words=randn(1, 4, seed=3)), prompt, empty)

    def test_style_tokens_with_a_mask(self) -> None:
        style = text(3, tokens=154, attention_mask=torch.zeros(1, 155, 155), attention_mask_img_shape=(1, 1))
        with pytest.raises(ValueError, match=f"template: .* got one with style tokens{self.LOST}"):
            check(style, piece=None)

    def test_a_number_of_tokens_that_no_text_has(self) -> None:
        with pytest.raises(ValueError, match=rf"template: .*multiple of 77 tokens\), got 85 tokens{self.LOST}"):
            check(text(3, tokens=85))
        check(text(3, tokens=85), piece=None)


def style_tokens(plain: list, tokens: int, strength_type: str = "multiply", strength: float = 1.0) -> list:
    """A conditioning after ComfyUI's Apply Style Model, with a small Redux model and random vision."""
    redux = fill(ReduxImageEncoder(redux_dim=8, txt_in_features=plain[0][0].shape[-1]), seed=0)
    seen = comfy.clip_vision.Output()
    seen.last_hidden_state = randn(1, tokens, 8, seed=1)
    return comfy_nodes.StyleModelApply().apply_stylemodel(
        plain, comfy.sd.StyleModel(redux), seen, strength, strength_type
    )[0]


class TestWithRealEncoders:
    PROMPTS = ("a red car", "a blue car")

    def encode(self, clip: Any, words: str) -> list:
        return comfy_nodes.CLIPTextEncode().encode(clip, words)[0]

    @pytest.mark.parametrize("make", [clip_l, flux_clip])
    @pytest.mark.parametrize("words", ["", "a house", "a house on a hill with a long road and many trees " * 30])
    def test_a_text_of_any_length_is_fine(self, make: Any, words: str) -> None:
        groups = build_prompt_groups(make(), self.PROMPTS, template=self.encode(make(), words))
        assert any("text of the template" in note for note in groups.notes) == (len(words) > 100)

    def test_areas_with_one_text_are_fine(self) -> None:
        left, right = (
            comfy_nodes.ConditioningSetArea().append(self.encode(clip_l(), "a house"), 32, 64, x, 0, 1.0)[0]
            for x in (0, 32)
        )
        both = comfy_nodes.ConditioningCombine().combine(left, right)[0]
        assert len(build_prompt_groups(clip_l(), self.PROMPTS, template=both).conditionings[0]) == 2
        other = self.encode(clip_l(), "a tree")
        with pytest.raises(ValueError, match="template: expected one text, got 2 different ones"):
            build_prompt_groups(
                clip_l(), self.PROMPTS, template=comfy_nodes.ConditioningCombine().combine(left, other)[0]
            )

    @pytest.mark.parametrize("tokens", [8, 729])
    def test_style_tokens_on_clip(self, tokens: int) -> None:
        template = style_tokens(self.encode(clip_l(), "a house"), tokens)
        with pytest.raises(ValueError, match=rf"template: .*multiple of 77 tokens\), got {77 + tokens} tokens"):
            build_prompt_groups(clip_l(), self.PROMPTS, template=template)

    def test_style_tokens_on_t5_look_like_a_long_text(self) -> None:
        """T5 gives texts of any length from 256 tokens on, so only a note is possible."""
        template = style_tokens(self.encode(flux_clip(), "a house"), 729)
        groups = build_prompt_groups(flux_clip(), self.PROMPTS, template=template)
        (note,) = (note for note in groups.notes if "template" in note)
        assert "has 985 tokens, the prompts have 256 at most" in note and "Share Sampling" in note

    def test_weak_style_tokens_on_t5(self) -> None:
        template = style_tokens(self.encode(flux_clip(), "a house"), 729, "attn_bias", 0.5)
        with pytest.raises(ValueError, match="template: .* got one with style tokens"):
            build_prompt_groups(flux_clip(), self.PROMPTS, template=template)

    def test_guidance_and_reference_latents_on_t5_are_fine(self) -> None:
        template = node_helpers.conditioning_set_values(
            self.encode(flux_clip(), ""), {"guidance": 2.5, "reference_latents": [randn(1, 16, 8, 8, seed=1)]}
        )
        groups = build_prompt_groups(flux_clip(), self.PROMPTS, template=template)
        assert groups.notes == ()
        assert all(extras["guidance"] == 2.5 for conditioning in groups.conditionings for _, extras in conditioning)
