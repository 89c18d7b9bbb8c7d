"""From a prompt list to groups, with the connected CLIP and with a sentence model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.grouping.report import grouping_report
from comfyui_sage.sage_core.prompts.embedding_models import Embed
from comfyui_sage.sage_core.prompts.parser import parse_prompts
from comfyui_sage.sage_core.vectors import normalize
from models import clip_l, conditioning

TOPICS = [
    ["a red car in the snow", "a crimson car in the snow", "a red automobile on a snowy road"],
    ["portrait of an elderly fisherman", "a portrait of an old fisherman", "close portrait of an aged fisherman"],
    ["a bowl of ramen noodles", "a steaming bowl of ramen", "ramen noodles in a bowl"],
    ["an astronaut on the moon", "astronaut walking on the moon", "an astronaut standing on the lunar surface"],
]
PARAPHRASES = tuple(text for number in range(3) for text in (topic[number] for topic in TOPICS))


def texts(groups: Any) -> set[frozenset[str]]:
    return {frozenset(groups.prompts[index] for index in members) for members in groups.partition}


class TestAutoWithASentenceModel:
    def test_paraphrases_of_four_topics(self, minilm: Embed) -> None:
        groups = build_prompt_groups(clip_l(), PARAPHRASES, encoder="sentence", embed=minilm)
        assert texts(groups) == {frozenset(topic) for topic in TOPICS}

    def test_all_unrelated_stay_alone(self, minilm: Embed) -> None:
        prompts = tuple(topic[0] for topic in TOPICS) + ("a wedding bouquet", "circuit board, macro", "two wrestlers")
        assert len(build_prompt_groups(clip_l(), prompts, embed=minilm).partition) == len(prompts)

    def test_near_copies_are_one_group(self, minilm: Embed) -> None:
        prompts = parse_prompts("a {|small|very small} dog {on|upon|sitting on} {the|a} lawn")
        assert len(build_prompt_groups(clip_l(), prompts, embed=minilm).partition) == 1

    def test_every_prompt_of_a_matrix_has_someone_to_share_with(self, minilm: Embed) -> None:
        prompts = parse_prompts("a {red|blue|green|white} car in the {snow|rain}")
        assert min(map(len, build_prompt_groups(clip_l(), prompts, embed=minilm).partition)) > 1

    @pytest.mark.parametrize("prompts, count", [(tuple(TOPICS[0][:2]), 1), ((TOPICS[0][0], TOPICS[1][0]), 2)])
    def test_two_prompts(self, minilm: Embed, prompts: tuple[str, ...], count: int) -> None:
        assert len(build_prompt_groups(clip_l(), prompts, embed=minilm).partition) == count

    @pytest.mark.parametrize("times", [1, 2, 500])
    def test_one_text(self, minilm: Embed, times: int) -> None:
        groups = build_prompt_groups(clip_l(), ("a dog",) * times, embed=minilm)
        assert groups.partition == (tuple(range(times)),)
        assert -1 <= groups.threshold <= 1

    def test_what_all_prompts_repeat_does_not_put_them_into_one_group(self, minilm: Embed) -> None:
        around = "product photography, a {} {}, seamless white background, softbox lighting, high-end retouching"
        products = (("leather", "backpack"), ("canvas", "backpack"), ("gold", "wristwatch"), ("silver", "wristwatch"))
        prompts = tuple(around.format(*product) for product in products)
        groups = build_prompt_groups(clip_l(), prompts, embed=minilm)
        assert texts(groups) == {frozenset(prompts[:2]), frozenset(prompts[2:])}
        assert "seamless white background" in groups.set_aside
        assert "without what most prompts repeat: high-end retouching, product photography" in grouping_report(groups)
        whole = build_prompt_groups(clip_l(), prompts, embed=minilm, compare="whole prompts")
        assert texts(whole) == {frozenset(prompts)}
        assert not whole.set_aside

    def test_the_order_of_the_prompts_does_not_matter(self, minilm: Embed) -> None:
        there = build_prompt_groups(clip_l(), PARAPHRASES, embed=minilm)
        back = build_prompt_groups(clip_l(), PARAPHRASES[::-1], embed=minilm)
        assert texts(there) == texts(back)
        assert there.threshold == pytest.approx(back.threshold, abs=1e-5)

    def test_every_language_and_length(self, minilm: Embed) -> None:
        prompts = ("🦊 in the ❄️", "كلب في الثلج", "雪の中の猫", "a very long story, " * 1100)
        groups = build_prompt_groups(clip_l(), prompts, embed=minilm)
        assert sorted(index for members in groups.partition for index in members) == [0, 1, 2, 3]


class TestClip:
    def test_a_prompt_that_was_chosen_is_named_as_in_its_list(self) -> None:
        around = "masterpiece, best quality, highly detailed, a {} beyond a hill, shot on 35mm film, soft light, wide"
        prompts = tuple(around.format(what) for what in ("dog", "house", "tree"))
        whole = build_prompt_groups(clip_l(), prompts)
        chosen = build_prompt_groups(clip_l(), prompts[1:2], whole_list=prompts)
        assert chosen.labels(40) == ["a house beyond a hill"]
        assert chosen.set_aside == whole.set_aside
        np.testing.assert_allclose(chosen.embeddings[0], whole.embeddings[1], atol=1e-5)

    def test_equal_prompts_are_together_and_share_a_conditioning(self) -> None:
        groups = build_prompt_groups(clip_l(), ("a dog", "a house", "a dog"), threshold_mode="fixed", threshold=1.0)
        assert groups.partition == ((0, 2), (1,))
        assert groups.conditionings[0] is groups.conditionings[2]

    def test_threshold_fixed(self) -> None:
        prompts = ("a dog", "a house", "a tree")
        for threshold, count in ((-1.0, 1), (1.0, 3)):
            groups = build_prompt_groups(clip_l(), prompts, threshold_mode="fixed", threshold=threshold)
            assert len(groups.partition) == count
            assert groups.threshold == threshold

    def test_settings_are_remembered(self) -> None:
        groups = build_prompt_groups(
            clip_l(), ("a dog",), encoder="clip", threshold_mode="fixed", threshold=0.3, group_condition="concat"
        )
        assert (groups.encoder, groups.threshold_mode, groups.group_condition) == ("clip", "fixed", "concat")
        assert groups.embeddings.shape == (1, 768)
        assert groups.notes == ()

    def test_max_group_size(self) -> None:
        prompts = tuple(f"prompt {index}" for index in range(7))
        groups = build_prompt_groups(clip_l(), prompts, threshold_mode="fixed", threshold=-1.0, max_group_size=3)
        assert max(map(len, groups.partition)) <= 3

    def test_progress_counts_different_texts(self) -> None:
        progress: list[int] = []
        build_prompt_groups(clip_l(), ("a", "b", "a"), on_prompt=progress.append)
        assert progress == [1, 2]

    def test_the_conditionings_are_the_clips_whatever_measures(self) -> None:
        def embed(prompts: Sequence[str]) -> np.ndarray:
            return normalize(np.eye(30)[: len(prompts)])

        prompts = ("a dog", "a house")
        by_clip, by_other = build_prompt_groups(clip_l(), prompts), build_prompt_groups(clip_l(), prompts, embed=embed)
        assert by_other.embeddings.shape == (2, 30)
        for a, b in zip(by_clip.conditionings, by_other.conditionings, strict=True):
            assert torch.equal(a[0][0], b[0][0])


class TestTemplate:
    def test_extras_are_applied_to_every_prompt(self) -> None:
        template = conditioning("sd15", seed=1)
        template[0][1] |= {"guidance": 2.0, "strength": 0.5}
        groups = build_prompt_groups(clip_l(), ("a dog", "a house"), template=template)
        plain = build_prompt_groups(clip_l(), ("a dog", "a house"))
        for found, own in zip(groups.conditionings, plain.conditionings, strict=True):
            assert found[0][1]["guidance"] == 2.0
            assert found[0][1]["strength"] == 0.5
            assert torch.equal(found[0][0], own[0][0])
            assert torch.equal(found[0][1]["pooled_output"], own[0][1]["pooled_output"])
        assert groups.partition == plain.partition

    def test_of_another_encoder(self) -> None:
        with pytest.raises(ValueError, match=r"template: .*connected CLIP \(text width 768\), got width 2048"):
            build_prompt_groups(clip_l(), ("a dog",), template=conditioning("sdxl", seed=1))


class TestNotes:
    LONG = "a very long story, " * 100  # 77 tokens times more than 4

    def test_a_group_that_cannot_have_a_mean(self) -> None:
        prompts = ("a house", "a dog", self.LONG)
        groups = build_prompt_groups(clip_l(), prompts, threshold_mode="fixed", threshold=-1.0)
        (note,) = groups.notes
        assert note.startswith("group 1: ")
        assert "mean is not possible" in note
        assert any(groups.condition((0, 1, 2)) is own for own in groups.conditionings)

    @pytest.mark.parametrize("mode", ["medoid", "concat"])
    def test_no_note_where_lengths_do_not_matter(self, mode: str) -> None:
        groups = build_prompt_groups(
            clip_l(), ("a dog", self.LONG), threshold_mode="fixed", threshold=-1.0, group_condition=mode
        )
        assert groups.notes == ()


class TestSharedPrompts:
    PROMPTS = PARAPHRASES[:8] + ("a wedding bouquet",)

    def test_each_is_for_the_group_that_it_is_most_like(self, minilm: Embed) -> None:
        own = ("some noodles", "a car in winter")
        groups = build_prompt_groups(clip_l(), self.PROMPTS, embed=minilm, shared_prompts=own)
        plain = build_prompt_groups(clip_l(), self.PROMPTS, embed=minilm)
        assert groups.partition == plain.partition
        found = {text: set(members) for members, text, _ in groups.shared_prompts}
        assert found == {"a car in winter": set(TOPICS[0][:2]), "some noodles": set(TOPICS[2][:2])}
        for members in groups.partition:
            text = next((text for texts, text, _ in groups.shared_prompts if texts == groups.texts(members)), None)
            if text is None:
                assert torch.equal(groups.condition(members)[0][0], plain.condition(members)[0][0])
            else:
                encoded = clip_l().encode_from_tokens_scheduled(clip_l().tokenize(text))
                assert torch.equal(groups.condition(members)[0][0], encoded[0][0])
                assert f"- shared steps under: {text}" in grouping_report(groups)
        assert groups.notes == ()

    def test_two_for_one_group(self, minilm: Embed) -> None:
        own = ("a vehicle", "a car in winter")
        groups = build_prompt_groups(clip_l(), self.PROMPTS, embed=minilm, shared_prompts=own)
        assert [text for _, text, _ in groups.shared_prompts] == ["a car in winter"]
        assert groups.notes == ("shared_prompts without a group of their own, so not used: a vehicle",)

    def test_no_group_to_be_for(self, minilm: Embed) -> None:
        prompts = ("a dog", "a wedding bouquet", "a dog")  # a repeat is rendered with the first, and shares nothing
        groups = build_prompt_groups(clip_l(), prompts, embed=minilm, shared_prompts=("a car",))
        assert groups.shared_prompts == ()
        assert groups.notes == ("shared_prompts without a group of their own, so not used: a car",)

    def test_with_the_extras_of_the_template(self) -> None:
        template = conditioning("sd15", seed=1)
        template[0][1] |= {"guidance": 2.0}
        groups = build_prompt_groups(
            clip_l(), ("a dog", "a cat"), threshold_mode="fixed", threshold=-1.0, template=template,
            shared_prompts=("an animal",),
        )  # fmt: skip
        assert groups.condition((0, 1))[0][1]["guidance"] == 2.0


class TestErrors:
    @pytest.mark.parametrize(
        "setting, message",
        [
            ({"threshold_mode": "automatic"}, "threshold_mode: expected one of auto, fixed, got 'automatic'"),
            ({"group_condition": "sum"}, "group_condition: expected one of mean, medoid, concat, auto, got 'sum'"),
            ({"threshold_mode": "fixed", "threshold": 1.5}, "threshold: expected .* from -1 to 1, got 1.5"),
            ({"max_group_size": -2}, "max_group_size: expected 0 .* got -2"),
            ({"template": []}, "template: expected a CONDITIONING with at least one entry, got an empty one"),
        ],
    )
    def test_settings(self, setting: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            build_prompt_groups(clip_l(), ("a dog",), **setting)

    def test_no_clip(self) -> None:
        with pytest.raises(ValueError, match="clip: expected a text encoder, got None"):
            build_prompt_groups(None, ("a dog",))

    @pytest.mark.parametrize("mode", ["auto", "fixed"])
    def test_an_encoder_that_overflows(self, mode: str) -> None:
        def broken(prompts: Sequence[str]) -> np.ndarray:
            rows = np.eye(30, dtype=np.float32)[: len(prompts)].copy()
            rows[-1, 0] = np.nan
            return rows

        with pytest.raises(ValueError, match="encoder: expected finite embeddings, got NaN .* prompt 'a house'"):
            build_prompt_groups(clip_l(), ("a dog", "a house"), embed=broken, threshold_mode=mode)
