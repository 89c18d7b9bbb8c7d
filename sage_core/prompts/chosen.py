"""Takes some prompts of a list: those that the user has chosen on a panel.

The choice is a JSON list of texts. As pins do, it holds texts, not numbers, so that it survives edits of the list.
"""

from __future__ import annotations

import json
from dataclasses import replace

from ..phrases import counted
from .lines import single_spaced
from .prompt_list import PromptList

_EXPECTED = "a JSON list of prompts"
_ALL = 'For all prompts, press "All prompts"'


def only_chosen(listed: PromptList, chosen: str) -> PromptList:
    """The chosen prompts of a list in its order, with a note; the list itself where nothing is chosen.

    Args:
        chosen: what the input `chosen` holds; an empty text is no choice.

    Raises:
        ValueError: it is no list of texts, or none of them is in the list.
    """
    if not chosen.strip():
        return listed
    texts = _texts(chosen)
    prompts = tuple(prompt for prompt in listed.prompts if single_spaced(prompt.text) in texts)
    lost = len(texts - {single_spaced(prompt.text) for prompt in prompts})
    if not prompts:
        raise ValueError(f"chosen: expected prompts that are in the list, got {lost} that are not. {_ALL}.")
    note = f"only {len(prompts)} of {counted(len(listed.prompts), 'prompt')}: your favourites. {_ALL}"
    if lost:
        note += f". {counted(lost, 'favourite')} no longer in the list"
    return replace(listed, prompts=prompts, notes=(*listed.notes, note))


def _texts(chosen: str) -> set[str]:
    """The texts of a choice, in one line each: older graphs hold them so."""
    try:
        found = json.loads(chosen)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"chosen: expected {_EXPECTED}, got text that is no JSON ({error}).") from None
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"chosen: expected {_EXPECTED}, got {chosen[:80]!r}.")
    return set(map(single_spaced, found))
