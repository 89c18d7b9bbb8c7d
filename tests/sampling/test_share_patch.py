"""The laws of sharing under ComfyUI's own samplers, by a patch of the model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.sampling.latent_rows import MARK
from evaluations import count_evaluations
from models import MODELS, conditioning, randn
from reference import (
    SAMPLERS,
    SOME_SAMPLERS,
    assert_equal,
    comfy_ksampler,
    difference,
    different,
    grouped,
    ksampler_for_each,
    sage,
    sampler_settings,
    small,
)
from shared_graphs import ONE_GROUP, PAIR_AND_ONE, ksampler, shared

import nodes as comfy_nodes


@pytest.mark.parametrize("sampler_name", SAMPLERS)
class TestEverySampler:
    def test_share_0(self, sampler_name: str) -> None:
        image, prompts = small("sd15"), different("sd15", 3)
        out = ksampler(shared("sd15", prompts, image, share=0.0), **sampler_settings(sampler_name))
        assert_equal(out["samples"], ksampler_for_each("sd15", prompts, image, sampler_name))

    def test_the_sage_sampler_and_its_evaluations(self, sampler_name: str) -> None:
        image, prompts, settings = small("sd15"), different("sd15", 3), sampler_settings(sampler_name)
        groups, model = grouped(prompts, PAIR_AND_ONE), MODELS["sd15"]()
        for correction in ("on", "off") if sampler_name in SOME_SAMPLERS else ("on",):
            with count_evaluations(model) as at_once:
                expected = sage("sd15", groups, image, share=0.5, correction=correction, **settings)
            with count_evaluations(model) as under_the_sampler:
                out = ksampler(shared("sd15", prompts, image, correction=correction), **settings)
            assert_equal(out["samples"], expected)
            assert sorted(under_the_sampler.timesteps) == sorted(at_once.timesteps)


@pytest.mark.parametrize("family", sorted(MODELS))
@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m_sde"])
def test_every_family(family: str, sampler_name: str) -> None:
    image, prompts, settings = small(family, batch=2), different(family, 3), sampler_settings(sampler_name)
    expected = sage(family, grouped(prompts, PAIR_AND_ONE), image, share=0.5, **settings)
    assert_equal(ksampler(shared(family, prompts, image), **settings)["samples"], expected)


class TestNegatives:
    PROMPTS = 3

    def alone(self, prompts: list, negatives: list, image: dict, **settings: Any) -> torch.Tensor:
        return torch.cat([
            comfy_ksampler("sd15", positive, image, negative=negative, **settings)
            for positive, negative in zip(prompts, negatives, strict=True)
        ])  # fmt: skip

    def test_one_per_prompt(self) -> None:
        image, prompts = small("sd15"), different("sd15", 3)
        negatives = [conditioning("sd15", seed=30 + index) for index in range(3)]
        inputs = shared("sd15", prompts, image, share=0.0, negatives=negatives)
        assert_equal(ksampler(inputs)["samples"], self.alone(prompts, negatives, image))
        assert inputs.groups.negatives == tuple(negatives)

    def test_equal_prompts_with_different_negatives_differ_only_by_them(self) -> None:
        image, one = small("sd15"), conditioning("sd15", seed=10)
        negatives = [conditioning("sd15", seed=30 + index) for index in range(3)]
        for names in ((), ("one text",) * 3):
            inputs = shared(
                "sd15", [one] * 3, image, share=1e-9, correction="on", negatives=negatives, partition=ONE_GROUP,
                names=names,
            )  # fmt: skip
            assert_equal(ksampler(inputs)["samples"], self.alone([one] * 3, negatives, image))

    @pytest.mark.parametrize("share", [0.0, 0.5])
    @pytest.mark.parametrize("correction", ["off", "on"])
    def test_the_evaluations_are_those_planned(self, share: float, correction: str, caplog: Any) -> None:
        prompts, model = different("sd15", 3), MODELS["sd15"]()
        negatives = [conditioning("sd15", seed=30 + index) for index in range(3)]
        inputs = shared("sd15", prompts, small("sd15"), share=share, correction=correction, negatives=negatives)
        with count_evaluations(model) as evaluations, caplog.at_level("INFO"):
            ksampler(inputs)
        assert f"{evaluations.rows} done, {evaluations.rows} planned" in caplog.text

    def test_none_are_zeroed_prompts(self) -> None:
        image, prompts = small("sd15"), different("sd15", 3)
        zeroed = [comfy_nodes.ConditioningZeroOut().zero_out(prompt)[0] for prompt in prompts]
        inputs = shared("sd15", prompts, image, share=0.0, negatives=[])
        assert_equal(ksampler(inputs)["samples"], self.alone(prompts, zeroed, image))

    def test_equal_ones_are_one(self) -> None:
        one = conditioning("sd15", seed=1)
        inputs = shared("sd15", different("sd15", 3), small("sd15"), negatives=[conditioning("sd15", seed=1)] * 3)
        assert torch.equal(inputs.negative[0][0], one[0][0])
        assert MARK not in inputs.negative[0][1]


class TestSecondPass:
    def test_every_row_keeps_its_prompt(self) -> None:
        """Hires: upscaled, then the same model and conditionings again."""
        image, prompts, inputs = small("sd15", batch=2), different("sd15", 3), None
        inputs = shared("sd15", prompts, image)
        first = ksampler(inputs)
        larger = comfy_nodes.LatentUpscaleBy().upscale(first, "nearest-exact", 1.5)[0]
        second = ksampler(inputs, image=larger, denoise=0.5)
        for prompt, rows in zip(prompts, larger["samples"].chunk(3), strict=True):
            expected = comfy_ksampler("sd15", prompt, {"samples": rows}, denoise=0.5)
            assert_equal(second["samples"][:2], expected)
            second = {"samples": second["samples"][2:]}

    def test_another_share_sampling_goes_on_with_what_the_first_has_made(self) -> None:
        """Two experts: the other model, the conditionings and rows of the first."""
        image, prompts = small("sd15"), different("sd15", 3)
        first = shared("sd15", prompts, image)
        rows = ksampler(first)
        second = shared("sd15", [first.positive], rows, negatives=[first.negative])
        out = ksampler(second, denoise=0.5)
        expected = [
            comfy_ksampler("sd15", prompt, {"samples": row}, denoise=0.5)
            for prompt, row in zip(prompts, rows["samples"].split(1), strict=True)
        ]
        assert_equal(out["samples"], torch.cat(expected))

    def test_a_sage_sampler_goes_on_with_the_rows(self) -> None:
        image, prompts = small("sd15"), different("sd15", 3)
        rows = ksampler(shared("sd15", prompts, image))
        groups = grouped(prompts, ONE_GROUP)
        out = sage("sd15", groups, rows, share=0.5, denoise=0.5, latent_rows="auto")
        assert len(out) == 3
        assert_equal(out[1:2], comfy_ksampler("sd15", prompts[1], {"samples": rows["samples"][1:2]}, denoise=0.5))


class TestStarts:
    def test_a_latent_per_prompt(self) -> None:
        """A picture to change per prompt; those with the same picture share."""
        prompts = different("sd15", 3)
        pictures = [{"samples": torch.full((1, 4, 8, 8), value)} for value in (0.1, 0.2, 0.1)]
        inputs = shared("sd15", prompts, pictures, partition=ONE_GROUP)
        model = MODELS["sd15"]()
        with count_evaluations(model) as evaluations:
            out = ksampler(inputs, denoise=0.6)["samples"]
        assert_equal(out[1:2], comfy_ksampler("sd15", prompts[1], pictures[1], denoise=0.6))
        pair = grouped([prompts[0], prompts[2]], [(0, 1)])
        assert_equal(out[[0, 2]], sage("sd15", pair, pictures[0], share=0.5, denoise=0.6))
        assert evaluations.rows == 2 * (8 + 4 + 2 * 4)

    def test_masks_of_their_own(self) -> None:
        prompts = different("sd15", 2)
        masks = [torch.zeros(1, 8, 8), torch.ones(1, 8, 8)]
        masks[0][:, :4] = 1
        pictures = [{"samples": torch.full((1, 4, 8, 8), 0.3), "noise_mask": mask} for mask in masks]
        out = ksampler(shared("sd15", prompts, pictures, partition=((0, 1),)), denoise=0.7)["samples"]
        for at in range(2):
            assert_equal(out[at : at + 1], comfy_ksampler("sd15", prompts[at], pictures[at], denoise=0.7))

    @pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 8, 8), (1, 1, 2, 8, 8), (8, 8), (1, 16, 16)])
    @pytest.mark.parametrize("correction", ["off", "on"])
    def test_masks_of_their_own_for_videos(self, shape: tuple[int, ...], correction: str) -> None:
        """A stack is the frames of a video, as Set Latent Noise Mask gives it."""
        prompts = different("video", 2)
        pictures = [
            {**small("video", seed=3 + at), "noise_mask": (randn(*shape, seed=at) > 0).float()} for at in range(2)
        ]
        inputs = shared("video", prompts, pictures, partition=((0, 1),), correction=correction)
        out = ksampler(inputs, denoise=0.7)["samples"]
        for at in range(2):
            assert_equal(out[at : at + 1], comfy_ksampler("video", prompts[at], pictures[at], denoise=0.7))

    def test_masks_of_other_sizes(self) -> None:
        prompts = different("sd15", 2)
        masks = [(randn(*shape, seed=1) > 0).float() for shape in ((1, 64, 64), (16, 16))]
        pictures = [{**small("sd15", batch=2, seed=3), "noise_mask": mask} for mask in masks]
        out = ksampler(shared("sd15", prompts, pictures, partition=((0, 1),)), denoise=0.7)["samples"]
        alone = [
            comfy_ksampler("sd15", prompt, picture, denoise=0.7)
            for prompt, picture in zip(prompts, pictures, strict=True)
        ]
        assert_equal(out, torch.cat(alone))

    @pytest.mark.parametrize("sampler_name", ["euler", "euler_ancestral", "dpmpp_2m_sde"])
    def test_variations_of_an_odd_size(self, sampler_name: str) -> None:
        """PyTorch draws other numbers for a batch than for its rows, where a row is no multiple of 16 numbers."""
        prompts, image = different("sd15", 3), small("sd15", batch=2, h=5, w=7)
        out = ksampler(shared("sd15", prompts, image, share=0.0), **sampler_settings(sampler_name))["samples"]
        assert_equal(out, ksampler_for_each("sd15", prompts, image, sampler_name))

    @pytest.mark.parametrize("family", ["flux", "sd3"])
    def test_an_empty_latent_beside_a_picture(self, family: str) -> None:
        """ComfyUI scales a whole batch, but not an empty one."""
        prompts, starts = different(family, 2), [small(family), small(family, seed=3)]
        out = ksampler(shared(family, prompts, starts, partition=((0, 1),)), denoise=0.6)["samples"]
        for at in range(2):
            assert_equal(out[at : at + 1], comfy_ksampler(family, prompts[at], starts[at], denoise=0.6))


class TestBetween:
    """Nodes between Share Sampling and the sampler."""

    def test_what_they_set_is_set_for_every_prompt(self) -> None:
        image, prompts = small("sd15"), different("sd15", 3)
        inputs = shared("sd15", prompts, image, share=0.0)
        area = {"area": (8, 4, 0, 0), "strength": 0.7, "set_area_to_bounds": False}
        inputs = inputs._replace(positive=[[text, {**extras, **area}] for text, extras in inputs.positive])
        expected = [comfy_ksampler("sd15", [[text, {**extras, **area}] for text, extras in prompt], image)
                    for prompt in prompts]  # fmt: skip
        assert_equal(ksampler(inputs)["samples"], torch.cat(expected))

    def test_what_they_add_is_added_for_every_prompt(self) -> None:
        image, prompts, more = small("sd15"), different("sd15", 3), conditioning("sd15", seed=40)
        inputs = shared("sd15", prompts, image, share=0.0)
        inputs = inputs._replace(positive=inputs.positive + more)
        expected = [comfy_ksampler("sd15", prompt + more, image) for prompt in prompts]
        assert_equal(ksampler(inputs)["samples"], torch.cat(expected))

    def test_changed_texts_are_refused(self) -> None:
        inputs = shared("sd15", different("sd15", 3), small("sd15"))
        zeroed = comfy_nodes.ConditioningZeroOut().zero_out(inputs.positive)[0]
        with pytest.raises(ValueError, match="positive: expected the texts that Share Sampling has given"):
            ksampler(inputs._replace(positive=zeroed))

    def test_a_sampler_without_the_model_is_refused(self) -> None:
        inputs = shared("sd15", different("sd15", 3), small("sd15"))
        with pytest.raises(ValueError, match="holds the conditionings of 3 prompts"):
            ksampler(inputs._replace(model=MODELS["sd15"]()))

    def test_other_rows_are_refused(self) -> None:
        inputs = shared("sd15", different("sd15", 3), small("sd15"))
        (repeated,) = comfy_nodes.RepeatLatentBatch().repeat(inputs.latent, 2)
        for latent, rows in ((small("sd15"), 1), (repeated, 6)):
            with pytest.raises(
                ValueError, match=f"latent_image: expected the 3 rows .* got {rows}. Connect its latent"
            ):
                ksampler(inputs._replace(latent=latent))

    def test_a_prompt_alone_has_any_rows(self) -> None:
        (prompt,) = different("sd15", 1)
        inputs = shared("sd15", [prompt], small("sd15"), partition=((0,),))
        (repeated,) = comfy_nodes.RepeatLatentBatch().repeat(inputs.latent, 2)
        expected = comfy_ksampler("sd15", prompt, repeated)
        assert_equal(ksampler(inputs._replace(latent=repeated))["samples"], expected)

    def test_conditionings_that_stand_for_themselves_are_sampled_as_ever(self) -> None:
        inputs, image = shared("sd15", different("sd15", 3), small("sd15")), small("sd15")
        one = conditioning("sd15", seed=10)
        out = ksampler(inputs._replace(positive=one, negative=conditioning("sd15", seed=1), latent=image))
        assert_equal(out["samples"], comfy_ksampler("sd15", one, image))


def test_equal_prompts_equal_the_ksampler() -> None:
    image, one = small("sd15", batch=2), conditioning("sd15", seed=10)
    for share, correction in ((0.5, "off"), (1.0, "off"), (0.7, "on")):
        inputs = shared("sd15", [one] * 3, image, partition=ONE_GROUP, share=share, correction=correction)
        assert_equal(ksampler(inputs)["samples"], comfy_ksampler("sd15", one, image).repeat(3, 1, 1, 1))


def test_sharing_shows() -> None:
    image, prompts = small("sd15"), different("sd15", 3)
    out = ksampler(shared("sd15", prompts, image, partition=ONE_GROUP))["samples"]
    assert difference(out, ksampler_for_each("sd15", prompts, image, "euler")) > 1e-3
