"""Checks of inputs that need no ComfyUI."""

from __future__ import annotations

import pytest
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.validation import check_text


@pytest.mark.parametrize("text", ["", "a red car", "雪の中の猫", "🦊🦊", "a\nb\tc", "\u200f\x1b"])
def test_any_letters_are_fine(text: str) -> None:
    check_text("name", text)


@pytest.mark.parametrize("bad", ["\0", "\ud83d", "\udfff"])
def test_what_is_no_character(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^name: expected letters and signs, got '.*, which is no character, in 'a r"):
        check_text("name", f"a red{bad} car")
    with pytest.raises(ValueError, match="^prompts: expected letters and signs"):
        encode_prompts(object(), [f"a red{bad} car"])
