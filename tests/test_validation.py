"""Checks of inputs that need no ComfyUI."""

from __future__ import annotations

import pytest
import torch
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.validation import check_batch, check_text


@pytest.mark.parametrize("text", ["", "a red car", "雪の中の猫", "🦊🦊", "a\nb\tc", "\u200f\x1b"])
def test_any_letters_are_fine(text: str) -> None:
    check_text(text, "name")


@pytest.mark.parametrize("bad", ["\0", "\ud83d", "\udfff"])
def test_what_is_no_character(bad: str) -> None:
    with pytest.raises(ValueError, match=rf"^name: line 2: expected text, got a broken sign \(U\+{ord(bad):04X}\)"):
        check_text(f"a\nred{bad} car", "name")
    with pytest.raises(ValueError, match="^prompts: line 1: expected text, got a broken sign"):
        encode_prompts(object(), [f"a red{bad} car"])


@pytest.mark.parametrize(("images", "found"), [
    (torch.zeros(2, 8, 8), r"expected a batch of images .*, got \(2, 8, 8\)"),
    (torch.zeros(2, 0, 8, 3), r"none empty\), got \(2, 0, 8, 3\)"),
    (torch.full((1, 2, 2, 3), torch.nan), "expected finite values, got 12 NaN"),
])  # fmt: skip
def test_what_is_no_batch_of_images(images: torch.Tensor, found: str) -> None:
    check_batch(torch.zeros(2, 8, 8, 3), "images")
    with pytest.raises(ValueError, match=f"^images: .*{found}"):
        check_batch(images, "images")
