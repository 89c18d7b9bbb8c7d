"""Only pictures of all prompts are saved under the prompts' names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfyui_sage.sage_core.images.saveable import check_pictures, variations_to_save


@pytest.mark.parametrize("stated", [None, 2])
def test_all_images_of_all_prompts(stated: int | None) -> None:
    assert variations_to_save(torch.zeros(6, 8, 8, 3), 3, stated) == 2


@pytest.mark.parametrize("images, stated, message", [
    (2, None, "images: expected one image per prompt, .* 3 prompts, got 2 images. .*Split by Prompt.*Save Image"),
    (7, None, "images: expected .* got 7 images. .*Split by Prompt"),
    (2, 1, "images: expected .* got 2 images. .*Split by Prompt"),
    (15, 1, "images: expected 1 of each of the 3 prompts .*batch_size.*, got 15 images. .*Create Video and Save Video"),
    (3, 2, "images: expected 2 of each of the 3 prompts .*, got 3 images. .*Split by Prompt"),
])  # fmt: skip
def test_a_selection_or_frames(images: int, stated: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        variations_to_save(torch.zeros(images, 8, 8, 3), 3, stated)


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (2, 16, 1, 8, 8)])
def test_latents_of_pictures(shape: tuple[int, ...]) -> None:
    check_pictures(torch.zeros(shape))


@pytest.mark.parametrize("samples, got", [
    (torch.zeros(2, 16, 3, 8, 8), r"videos \(3 latent frames\)"),
    (NestedTensor([torch.zeros(2, 16, 1, 8, 8), torch.zeros(2, 8, 9)]), "video with sound"),
])  # fmt: skip
def test_latents_of_videos(samples: Any, got: str) -> None:
    with pytest.raises(ValueError, match=f"prefix: expected latents of pictures, got {got}. .*Split by Prompt.*Video"):
        check_pictures(samples)
