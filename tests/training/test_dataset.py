"""Training examples from the outputs of ComfyUI's dataset nodes, or a clear error."""

from __future__ import annotations

import pytest
import torch
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.training.dataset import make_training_set, training_copy
from models import clip_l

CAPTIONS = ("a red car in the snow", "a blue car in the snow", "a bowl of ramen", "a red car in the snow")


def conditioning(seed: int, like: int | None = None) -> list:
    """The same seed gives the same embeddings."""
    base = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(like if like is not None else seed))
    own = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(100 + seed))
    return [[base + 0.05 * own, {"pooled_output": (base + 0.05 * own).mean(1)}]]


def latents(*sizes: int) -> list[dict]:
    return [{"samples": torch.full((1, 4, size, 8), float(at))} for at, size in enumerate(sizes)]


class TestImagesAndCaptions:
    def test_one_each(self) -> None:
        found = make_training_set(latents(8, 8, 8), [conditioning(at) for at in range(3)])
        assert [float(latent.mean()) for latent in found.latents] == [0, 1, 2]
        assert len(found.groups.conditionings) == 3

    def test_batches_and_nested_lists_are_the_same(self) -> None:
        batch = [{"samples": torch.stack([torch.full((4, 8, 8), float(at)) for at in range(3)])}]
        entries = [conditioning(at)[0] for at in range(3)]
        for positive in ([[entry] for entry in entries], [[[entry] for entry in entries]], [entries]):
            found = make_training_set(batch, positive)
            assert [float(latent.mean()) for latent in found.latents] == [0, 1, 2]
            for each, entry in zip(found.groups.conditionings, entries, strict=True):
                assert torch.equal(each[0][0], entry[0])

    def test_one_caption_for_all(self) -> None:
        found = make_training_set(latents(8, 8), [conditioning(0)])
        assert found.groups.partition == ((0, 1),)

    def test_another_number(self) -> None:
        with pytest.raises(ValueError, match=r"positive: expected one conditioning per image \(3\).*got 2"):
            make_training_set(latents(8, 8, 8), [conditioning(0), conditioning(1)])

    def test_none_at_all(self) -> None:
        with pytest.raises(ValueError, match="latents: expected at least one image, got none"):
            make_training_set([], [conditioning(0)])

    def test_a_broken_image(self) -> None:
        broken = latents(8)
        broken[0]["samples"][0, 0, 0, 0] = torch.nan
        with pytest.raises(ValueError, match="latents: expected finite values, got 1 NaN"):
            make_training_set(broken, [conditioning(0)])


class TestGroups:
    def test_alike_conditionings_are_together(self) -> None:
        positive = [conditioning(0, like=1), conditioning(1, like=1), conditioning(2, like=2), conditioning(3, like=1)]
        assert make_training_set(latents(8, 8, 8, 8), positive).groups.partition == ((0, 1, 3), (2,))

    def test_from_the_socket(self) -> None:
        groups = build_prompt_groups(clip_l(), CAPTIONS, threshold_mode="fixed", threshold=-1.0)
        found = make_training_set(latents(8, 8, 8, 8), [conditioning(at) for at in range(4)], groups)
        assert found.groups.partition == ((0, 1, 2, 3),)
        assert found.groups.prompts == CAPTIONS

    def test_of_another_number(self) -> None:
        groups: PromptGroups = build_prompt_groups(clip_l(), CAPTIONS)
        with pytest.raises(ValueError, match=r"groups: expected one prompt per image \(2\), got 4 prompts"):
            make_training_set(latents(8, 8), [conditioning(0), conditioning(1)], groups)

    def test_members_of_other_sizes_part(self) -> None:
        found = make_training_set(latents(8, 16, 8, 16), [conditioning(at, like=1) for at in range(4)])
        assert found.groups.partition == ((0, 2), (1, 3))
        assert found.shapes() == [[0, 2], [1, 3]]


def test_copies_of_what_inference_mode_made_have_gradients() -> None:
    with torch.inference_mode():
        made = [[torch.ones(2), {"pooled_output": torch.ones(2), "nested": [torch.ones(2)]}]]
    copy = training_copy(made)
    weight = torch.ones(2, requires_grad=True)
    total = (copy[0][0] * weight + copy[0][1]["pooled_output"] * weight + copy[0][1]["nested"][0] * weight).sum()
    total.backward()
    assert torch.equal(weight.grad, torch.full((2,), 3.0))
