"""What was sampled, split into one part per prompt."""

from __future__ import annotations

from typing import Any

import comfy.utils
import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfyui_sage.sage_core.sampling import latents
from comfyui_sage.sage_core.split import split_images, split_latent
from models import randn

PROMPTS, VARIATIONS = 3, 2
ROWS = PROMPTS * VARIATIONS
LAYOUTS = {"image": (4, 6, 5), "video": (16, 3, 6, 5), "audio": (8, 9)}
"""Latents of one row."""


def rows_of(prompt: int) -> slice:
    return slice(prompt * VARIATIONS, (prompt + 1) * VARIATIONS)


@pytest.mark.parametrize("shape", LAYOUTS.values(), ids=LAYOUTS)
def test_every_prompt_gets_its_rows(shape: tuple[int, ...]) -> None:
    samples = randn(ROWS, *shape, seed=1)
    parts = split_latent({"samples": samples}, PROMPTS)
    assert len(parts) == PROMPTS
    for prompt, part in enumerate(parts):
        assert part.keys() == {"samples"}
        assert torch.equal(part["samples"], samples[rows_of(prompt)])


def test_one_prompt_gets_all() -> None:
    samples = randn(2, 4, 6, 5, seed=1)
    [only] = split_latent({"samples": samples}, 1)
    assert torch.equal(only["samples"], samples)


def test_video_with_sound() -> None:
    picture, sound = randn(ROWS, *LAYOUTS["video"], seed=1), randn(ROWS, *LAYOUTS["audio"], seed=2)
    parts = split_latent({"samples": NestedTensor([picture, sound])}, PROMPTS)
    for prompt, part in enumerate(parts):
        assert part["samples"].is_nested
        its_picture, its_sound = part["samples"].unbind()
        assert torch.equal(its_picture, picture[rows_of(prompt)])
        assert torch.equal(its_sound, sound[rows_of(prompt)])


def test_other_keys_stay_and_the_mark_of_several_prompts_goes() -> None:
    latent = {"samples": randn(ROWS, 4, 6, 5, seed=1), "type": "audio", "noise_mask": None, "sage_prompts": PROMPTS}
    before = dict(latent)
    for part in split_latent(latent, PROMPTS):
        assert part.keys() == {"samples", "type", "noise_mask"}
        assert part["type"] == "audio"
    assert latent == before


def test_every_prompt_gets_its_batch_indices() -> None:
    latent = {"samples": randn(ROWS, 4, 6, 5, seed=1), "batch_index": [4, 7] * PROMPTS}
    assert [part["batch_index"] for part in split_latent(latent, PROMPTS)] == [[4, 7]] * PROMPTS
    latent["batch_index"] = list(range(ROWS))
    assert [part["batch_index"] for part in split_latent(latent, PROMPTS)] == [[0, 1], [2, 3], [4, 5]]


MASKS = [
    ("image", (6, 5)), ("image", (1, 48, 40)), ("image", (ROWS, 48, 40)), ("image", (ROWS, 1, 6, 5)),
    ("image", (1, 1, 48, 40)), ("image", (2, 1, 12, 10)),
    ("video", (3, 6, 5)), ("video", (ROWS, 6, 5)), ("video", (1, 1, 6, 5)), ("video", (ROWS, 1, 3, 12, 10)),
    ("audio", (ROWS, 1, 9)), ("audio", (1, 1, 9)),
]  # fmt: skip


def as_comfyui_reads(mask: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    return comfy.utils.reshape_mask(mask.clone(), samples.shape)


@pytest.mark.parametrize("layout, shape", MASKS)
def test_a_mask_masks_the_same_after_the_split(layout: str, shape: tuple[int, ...]) -> None:
    mask, samples = randn(*shape, seed=2), randn(ROWS, *LAYOUTS[layout], seed=1)
    whole = as_comfyui_reads(mask, samples)
    for prompt, part in enumerate(split_latent({"samples": samples, "noise_mask": mask}, PROMPTS)):
        assert part["noise_mask"].shape[-2:] == mask.shape[-2:], "its resolution is kept"
        assert torch.equal(as_comfyui_reads(part["noise_mask"], part["samples"]), whole[rows_of(prompt)])


@pytest.mark.parametrize("with_sound", [True, False])
def test_masks_of_video_with_sound(with_sound: bool) -> None:
    samples = NestedTensor([randn(ROWS, *LAYOUTS["video"], seed=1), randn(ROWS, *LAYOUTS["audio"], seed=2)])
    masks = [randn(1, 1, 6, 5, seed=3), randn(ROWS, 1, 9, seed=4)][: 1 + with_sound]
    for prompt, part in enumerate(split_latent({"samples": samples, "noise_mask": NestedTensor(masks)}, PROMPTS)):
        found = part["noise_mask"].unbind()
        assert len(found) == len(masks)
        assert torch.equal(found[0], masks[0]), "it holds for all rows"
        if with_sound:
            assert torch.equal(found[1], masks[1][rows_of(prompt)])


def test_the_parts_of_a_sampler_are_the_rows_of_its_prompts() -> None:
    """What `latents.tile_mask` repeats for all prompts is what each prompt gets back."""
    mask, one = randn(VARIATIONS, 1, 48, 40, seed=1), randn(VARIATIONS, 4, 6, 5, seed=2)
    tiled: dict[str, Any] = {
        "samples": latents.tile(one, PROMPTS),
        "noise_mask": latents.tile_mask(mask, one, PROMPTS),
    }
    for part in split_latent(tiled, PROMPTS):
        assert torch.equal(part["samples"], one)
        assert torch.equal(part["noise_mask"], mask)


def test_images() -> None:
    images = torch.rand(ROWS, 8, 6, 3)
    parts = split_images(images, PROMPTS)
    assert len(parts) == PROMPTS
    assert all(torch.equal(part, images[rows_of(prompt)]) for prompt, part in enumerate(parts))


@pytest.mark.parametrize("rows", [1, 4, 0])
def test_rows_that_are_not_of_these_prompts(rows: int) -> None:
    with pytest.raises(ValueError, match=f"latent: expected one latent per prompt.* 3 prompts, got {rows} latents"):
        split_latent({"samples": torch.zeros(rows, 4, 6, 5)}, PROMPTS)
    with pytest.raises(ValueError, match=f"images: expected one image per prompt.* 3 prompts, got {rows} images"):
        split_images(torch.zeros(rows, 8, 6, 3), PROMPTS)


def test_rows_of_video_with_sound_are_counted() -> None:
    nested = NestedTensor([torch.zeros(4, *LAYOUTS["video"]), torch.zeros(4, *LAYOUTS["audio"])])
    with pytest.raises(ValueError, match="latent: .* got 4 latents"):
        split_latent({"samples": nested}, PROMPTS)


def test_images_that_are_no_batch() -> None:
    with pytest.raises(ValueError, match="images: expected a batch of images"):
        split_images(torch.zeros(3, 8, 6), PROMPTS)
