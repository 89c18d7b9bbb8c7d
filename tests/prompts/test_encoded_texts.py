"""What is remembered of a text encoder."""

from __future__ import annotations

from typing import Any

import torch
from comfyui_sage.sage_core.prompts.encoded_texts import EncodedTexts


class Encoder:
    """Gives every text a tensor of 100 bytes, and counts."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def __call__(self, text: str) -> Any:
        self.encoded.append(text)
        return [[torch.zeros(1, 5, 4), {"pooled_output": torch.zeros(1, 5), "text": text}]]


def ask(remembered: EncodedTexts, encode: Encoder, texts: str) -> list[str]:
    """Ask for some texts of one letter; returns those that had to be encoded."""
    remembered.begin()
    encode.encoded.clear()
    for text in texts:
        assert remembered.get(text, encode)[0][1]["text"] == text
    return list(encode.encoded)


def test_a_list_that_is_too_long_is_remembered_in_part() -> None:
    """Not forgotten from the front, where it would be asked for next."""
    remembered, encode = EncodedTexts(most_bytes=350), Encoder()
    assert ask(remembered, encode, "abcde") == list("abcde")
    assert ask(remembered, encode, "abcde") == list("de")


def test_what_was_not_asked_for_makes_room() -> None:
    remembered, encode = EncodedTexts(most_bytes=300), Encoder()
    ask(remembered, encode, "abc")
    for _ in range(9):
        assert ask(remembered, encode, "a") == []
    assert ask(remembered, encode, "def") == list("def")
    assert ask(remembered, encode, "ade") == []
    assert ask(remembered, encode, "bf") == list("bf")
