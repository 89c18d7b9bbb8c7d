"""Notes on lists of prompts."""

from __future__ import annotations

import pytest
from comfyui_sage.sage_core.prompts.notes import list_notes, unused_notes
from comfyui_sage.sage_core.prompts.prompt_list import Prompt


@pytest.mark.parametrize("line", [
    "Negative prompt: blurry", "negative prompt: x", "Steps: 20, Sampler: Euler a, CFG scale: 7",
    '--prompt "a car" --negative_prompt "blurry"', "a car\nNegative prompt: blurry",
])  # fmt: skip
def test_what_other_programs_write(line: str) -> None:
    (note,) = list_notes(["a car", line])
    assert note.startswith("1 prompt with what looks like the negative prompt or the settings of another program")


def test_plain_prompts_have_no_notes() -> None:
    assert list_notes(["a negative prompt: none", "steps: 20 of them", "a car -- negative"]) == []
    assert unused_notes([Prompt("a car", seed_offset=3)]) == []


def test_what_is_not_used_is_counted() -> None:
    rest = "in the file, which is not used here; Prompt List gives it out"
    prompts = [Prompt("a", "no"), Prompt("b", "no", "x"), Prompt("c")]
    assert unused_notes(prompts) == [f"2 prompts with a negative prompt {rest}", f"1 prompt with a name {rest}"]
