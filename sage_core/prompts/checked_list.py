"""Lists of prompts that are used as they are: from tables, JSON, and nodes that give a list."""

from __future__ import annotations

from collections.abc import Iterable

from ..phrases import counted
from ..validation import check_text
from .limits import check_size
from .lines import is_blank
from .prompt_list import Prompt, PromptList


def checked_list(prompts: Iterable[Prompt], *notes: str, required: bool = True) -> PromptList:
    """The prompts that are not blank, with a note on those that are and have a name or the like.

    Args:
        required: whether no prompt at all is an error.

    Raises:
        ValueError: there are too many or none, or one has signs that no text may have.
    """
    filled: list[Prompt] = []
    blank: list[Prompt] = []
    for prompt in prompts:
        (blank if is_blank(prompt.text) else filled).append(prompt)
    if required and not filled:
        raise ValueError("expected at least one prompt, got none.")
    check_size(len(filled), sum(len(prompt.text) for prompt in filled))
    for number, prompt in enumerate(filled, start=1):
        check_text(f"{prompt.text} {prompt.negative} {prompt.name}", f"prompt {number}")
    lost = sum(prompt != Prompt(prompt.text) for prompt in blank)
    return PromptList(tuple(filled), (*notes, *[f"{counted(lost, 'row')} without a prompt left out"] * (lost > 0)))
