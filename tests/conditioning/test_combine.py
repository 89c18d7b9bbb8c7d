"""The group condition."""

from __future__ import annotations

import copy

import pytest
import torch
from comfyui_sage.sage_core.conditioning.combine import GROUP_CONDITIONS, group_conditioning, text_width
from hypothesis import given
from hypothesis import strategies as st
from models import clip_l, conditioning, latent, randn
from reference import assert_equal, comfy_ksampler, grouped, sage
from text_conditionings import assert_same, text


class TestMean:
    @given(st.integers(2, 7), st.sampled_from(GROUP_CONDITIONS))
    def test_of_equals_is_exact(self, count: int, mode: str) -> None:
        """What the law of identical prompts stands on: not even a rounding error."""
        one = text(1)
        combined, possible = group_conditioning([copy.deepcopy(one) for _ in range(count)], mode, 0)
        assert possible
        assert_same(combined, one)

    def test_of_different(self) -> None:
        members = [text(1), text(2), text(3)]
        ((found, extras),), possible = group_conditioning(members, "mean", 1)
        assert possible
        torch.testing.assert_close(found, torch.stack([member[0][0] for member in members]).mean(0))
        pooled = torch.stack([member[0][1]["pooled_output"] for member in members]).mean(0)
        torch.testing.assert_close(extras["pooled_output"], pooled)

    def test_a_shorter_text_is_repeated(self) -> None:
        short, long = text(1, tokens=77), text(2, tokens=154)
        for members in ([short, long], [long, short]):
            ((found, _),), possible = group_conditioning(members, "mean", 0)
            assert possible
            torch.testing.assert_close(found, (short[0][0].repeat(1, 2, 1) + long[0][0]) / 2)

    def test_cross_attention_does_not_notice_the_repeating(self) -> None:
        short = conditioning("sd15", seed=3, tokens=77)
        ((doubled, extras),), _ = group_conditioning([short, [[short[0][0].repeat(1, 2, 1), short[0][1]]]], "mean", 0)
        assert doubled.shape[1] == 154
        image = latent("sd15")
        assert_equal(comfy_ksampler("sd15", [[doubled, extras]], image), comfy_ksampler("sd15", short, image))

    @pytest.mark.parametrize("lengths", [(77, 5 * 77), (7, 8)])
    def test_lengths_that_need_too_much_repeating(self, lengths: tuple[int, int]) -> None:
        members = [text(index, tokens=tokens) for index, tokens in enumerate(lengths)]
        combined, possible = group_conditioning(members, "mean", 1)
        assert not possible
        assert combined is members[1]

    def test_without_pooled_embedding(self) -> None:
        members = [[[randn(1, 5, 4, seed=seed), {"pooled_output": None}]] for seed in (1, 2)]
        ((_, extras),), possible = group_conditioning(members, "mean", 0)
        assert possible
        assert extras["pooled_output"] is None

    def test_pooled_embedding_of_one_member_only(self) -> None:
        members = [text(1), text(2, pooled_output=None)]
        assert group_conditioning(members, "mean", 0) == (members[0], False)

    def test_half_precision_stays(self) -> None:
        members = [[[randn(1, 5, 4, seed=seed).half(), {}]] for seed in (1, 2)]
        ((found, _),), _ = group_conditioning(members, "mean", 0)
        assert found.dtype == torch.float16

    def test_several_entries_each_for_itself(self) -> None:
        members = [text(1) + text(2), text(3) + text(4)]
        combined, possible = group_conditioning(members, "mean", 0)
        assert possible
        for at, (found, _) in enumerate(combined):
            torch.testing.assert_close(found, (members[0][at][0] + members[1][at][0]) / 2)

    @pytest.mark.parametrize("mode", ["mean", "concat"])
    def test_different_numbers_of_entries(self, mode: str) -> None:
        members = [text(1) + text(2), text(3)]
        assert group_conditioning(members, mode, 1) == (members[1], False)

    def test_other_extras_are_the_medoids(self) -> None:
        members = [text(1, guidance=3.5, start_percent=0.1), text(2, guidance=5.0)]
        assert group_conditioning(members, "mean", 1)[0][0][1]["guidance"] == 5.0

    @pytest.mark.parametrize("mode", GROUP_CONDITIONS)
    def test_members_are_left_alone(self, mode: str) -> None:
        members = [text(1, tokens=77), text(2, tokens=154)]
        before = copy.deepcopy(members)
        combined, _ = group_conditioning(members, mode, 0)
        if mode != "medoid":
            combined[0][0].zero_()
            combined[0][1]["pooled_output"].zero_()
        assert_same(members, before)


class TestMasks:
    @staticmethod
    def masked(seed: int, tokens: int, attended: int) -> list:
        mask = torch.zeros(1, tokens, dtype=torch.long)
        mask[:, :attended] = 1
        return [[randn(1, tokens, 16, seed=seed), {"pooled_output": None, "attention_mask": mask}]]

    def test_equal_masks_stay(self) -> None:
        members = [self.masked(1, 10, 6), self.masked(2, 10, 6)]
        ((_, extras),), possible = group_conditioning(members, "mean", 0)
        assert possible
        assert torch.equal(extras["attention_mask"], members[0][0][1]["attention_mask"])

    @pytest.mark.parametrize("other", [(10, 7), (20, 6)])
    def test_no_mean_of_different_masks(self, other: tuple[int, int]) -> None:
        members = [self.masked(1, 10, 6), self.masked(2, *other)]
        assert group_conditioning(members, "mean", 0) == (members[0], False)

    @pytest.mark.parametrize("other", [(10, 6), (10, 7), (13, 13)])
    def test_concat_keeps_every_token_with_its_mask(self, other: tuple[int, int]) -> None:
        members = [self.masked(1, 10, 6), self.masked(2, *other)]
        ((found, extras),), possible = group_conditioning(members, "concat", 0)
        assert possible
        assert torch.equal(found, torch.cat([member[0][0] for member in members], dim=1))
        masks = [member[0][1]["attention_mask"] for member in members]
        assert torch.equal(extras["attention_mask"], torch.cat(masks, dim=1))

    def test_a_mask_of_one_member_only(self) -> None:
        members = [self.masked(1, 10, 6), [[randn(1, 10, 16, seed=2), {"pooled_output": None}]]]
        assert group_conditioning(members, "concat", 0) == (members[0], False)

    @pytest.mark.parametrize("mode", GROUP_CONDITIONS)
    def test_in_a_model_of_masked_text(self, mode: str) -> None:
        prompts = [conditioning("lumina", seed=1, tokens=24), conditioning("lumina", seed=2, tokens=18)]
        prompts.append(conditioning("lumina", seed=3, tokens=24))
        images = sage("lumina", grouped(prompts, [(0, 1), (2,)], group_condition=mode), latent("lumina"), share=0.5)
        assert torch.isfinite(images).all()
        images = sage("lumina", grouped(prompts, [(0, 2), (1,)], group_condition=mode), latent("lumina"), share=0.5)
        assert torch.isfinite(images).all()


class TestMedoidAndConcat:
    def test_the_medoid_is_a_members_own(self) -> None:
        members = [text(1), text(2, tokens=154)]
        assert group_conditioning(members, "medoid", 1) == (members[1], True)

    @pytest.mark.parametrize("mode", GROUP_CONDITIONS)
    def test_one_member_is_itself(self, mode: str) -> None:
        member = text(1)
        combined, possible = group_conditioning([member], mode, 0)
        assert combined is member
        assert possible

    def test_concat_is_tokens_in_a_row_and_the_mean_of_the_rest(self) -> None:
        members = [text(1, tokens=77), text(2, tokens=154)]
        ((found, extras),), possible = group_conditioning(members, "concat", 0)
        assert possible
        assert torch.equal(found, torch.cat([members[0][0][0], members[1][0][0]], dim=1))
        pooled = (members[0][0][1]["pooled_output"] + members[1][0][1]["pooled_output"]) / 2
        torch.testing.assert_close(extras["pooled_output"], pooled)

    def test_concat_of_different_widths(self) -> None:
        members = [[[randn(1, 5, width, seed=1), {}]] for width in (4, 6)]
        assert group_conditioning(members, "concat", 1) == (members[1], False)

    @pytest.mark.parametrize("mode", ["mean", "concat"])
    def test_without_text(self, mode: str) -> None:
        members = [[[None, {"pooled_output": randn(1, 8, seed=seed)}]] for seed in (1, 2)]
        ((found, extras),), possible = group_conditioning(members, mode, 0)
        assert possible
        assert found is None
        assert not torch.equal(extras["pooled_output"], members[0][0][1]["pooled_output"])

    @pytest.mark.parametrize("mode", ["mean", "concat"])
    @pytest.mark.parametrize("order", [1, -1])
    def test_text_of_one_member_only(self, mode: str, order: int) -> None:
        members = [text(1), [[None, dict(text(1)[0][1])]]][::order]
        assert group_conditioning(members, mode, 0) == (members[0], False)


class TestRealEncoder:
    def test_a_long_and_a_short_prompt(self) -> None:
        clip = clip_l()
        members = [
            clip.encode_from_tokens_scheduled(clip.tokenize(prompt)) for prompt in ("a red car", "a red car, " * 30)
        ]
        lengths = [member[0][0].shape[1] for member in members]
        assert lengths[0] < lengths[1]
        ((mean, extras),), possible = group_conditioning(members, "mean", 0)
        assert possible
        assert mean.shape[1] == lengths[1]
        assert extras["pooled_output"].shape == (1, 768)


def test_text_width() -> None:
    assert text_width(text(1)) == 16
    assert text_width([[None, {}]]) is None
