"""Prompt lists from JSON."""

from __future__ import annotations

import json
from typing import Any

from .checked_list import checked_list
from .lines import single_spaced, single_spaced_lines
from .prompt_list import Prompt, PromptList, seed_offset
from .table import find_columns


def read_json(text: str) -> PromptList:
    """Prompts of a JSON file, with their negative prompts, names and seed offsets.

    A list of texts, or of objects with the keys that a table has as columns (see `read_table`), or an object with such
    a list under "prompts". Prompts are used unchanged, without braces and comments; items without one are left out.

    Raises:
        ValueError: this is no JSON, an item is something else (the message counts from 1), or there are too many
            prompts or none.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"line {error.lineno}: expected JSON, got an error at character {error.colno}: {error.msg}."
        ) from None
    except RecursionError:
        raise ValueError("expected a JSON list of prompts, got one that is nested too deep.") from None
    if isinstance(found, dict) and "text" in (keys := find_columns(list(found))):
        found = list(found.values())[keys["text"]]
    if not isinstance(found, list):
        raise ValueError(f'expected a JSON list, or an object with a list under "prompts", got {type(found).__name__}.')
    return checked_list(_prompt(number, item) for number, item in enumerate(found, start=1))


def _prompt(number: int, item: Any) -> Prompt:
    if isinstance(item, str):
        return Prompt(_unchanged(item))
    keys = find_columns(list(item)) if isinstance(item, dict) else {}
    if "text" not in keys:
        raise ValueError(f'item {number}: expected a text, or an object with the key "prompt", got {_shown(item)}.')
    names = list(item)
    # null is an empty text, as programs write an empty cell.
    fields = {field: "" if item[names[at]] is None else item[names[at]] for field, at in keys.items()}
    try:
        offset = seed_offset(fields.pop("seed_offset", 0))
    except ValueError as error:
        raise ValueError(f"item {number}: {error}") from None
    for field, value in fields.items():
        if not isinstance(value, str):
            raise ValueError(f"item {number}: expected a text as {names[keys[field]]!r}, got {_shown(value)}.")
    texts = {field: (single_spaced if field == "name" else _unchanged)(value) for field, value in fields.items()}
    return Prompt(**texts, seed_offset=offset)


def _unchanged(text: str) -> str:
    """A text as it is; one of several lines with single white space."""
    return single_spaced_lines(text) if len(text.splitlines()) > 1 else text.strip()


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
