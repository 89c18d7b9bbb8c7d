"""Training examples from the outputs of ComfyUI's dataset nodes, or a clear error."""

from __future__ import annotations

import math

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

    def test_an_empty_image(self) -> None:
        with pytest.raises(ValueError, match=r"latents: expected images, got an empty one of shape \(1, 4, 0, 8\)"):
            make_training_set(latents(0), [conditioning(0)])

    def test_captions_of_two_encoders(self) -> None:
        other = [[torch.zeros(1, 4, 6), {}]]
        with pytest.raises(ValueError, match="positive: expected captions of one text width, got 6 and 8"):
            make_training_set(latents(8, 8), [conditioning(0), other])


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
        assert found.groups.notes == ()


def between(angle: float) -> list:
    """A caption's conditioning at an angle, in degrees: two of them are similar up to about 30 degrees."""
    vector = torch.zeros(1, 8)
    vector[0, 0], vector[0, 1] = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return [[vector[None], {"pooled_output": vector}]]


class TestSizes:
    def test_another_size_takes_no_ones_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The image in the middle is nearest to the first one, but they cannot share: the first and third do."""
        monkeypatch.setattr("comfyui_sage.sage_core.training.dataset.auto_threshold", lambda *_: math.cos(0.5))
        positive = [between(0), between(10), between(25), between(45)]
        found = make_training_set(latents(8, 16, 8, 16), positive)
        assert found.groups.partition == ((0, 2), (1,), (3,))
        early = make_training_set(latents(8, 16, 8, 16), positive, within_sizes=False)
        assert early.groups.partition == ((0,), (1,), (2,), (3,))

    def test_who_is_alone_because_of_the_size_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        positive = [conditioning(at, like=1) for at in range(3)] + [conditioning(3, like=2)]
        found = make_training_set(latents(8, 8, 16, 8), positive)
        assert found.groups.partition == ((0, 1), (2,), (3,))
        (note,) = found.groups.notes
        assert note == (
            "Images without a group (plain term only) because no similar image has their size: 1 of 4. "
            "Sizes of the latents: 3 of 8 x 8, 1 of 16 x 8. Give the images of a group one size."
        )
        assert note in caplog.text

    def test_groups_from_the_socket(self) -> None:
        groups = build_prompt_groups(clip_l(), CAPTIONS, threshold_mode="fixed", threshold=-1.0)
        found = make_training_set(latents(8, 16, 8, 24), [conditioning(at) for at in range(4)], groups)
        assert found.groups.partition == ((0, 2), (1,), (3,))
        assert found.groups.notes[-1].startswith("Images without a group")


def test_copies_of_what_inference_mode_made_have_gradients() -> None:
    with torch.inference_mode():
        made = [[torch.ones(2), {"pooled_output": torch.ones(2), "nested": [torch.ones(2)]}]]
    copy = training_copy(made)
    weight = torch.ones(2, requires_grad=True)
    total = (copy[0][0] * weight + copy[0][1]["pooled_output"] * weight + copy[0][1]["nested"][0] * weight).sum()
    total.backward()
    assert torch.equal(weight.grad, torch.full((2,), 3.0))
