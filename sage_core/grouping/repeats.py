"""Repeated prompts: which is the first of equal ones, and which prompts one stands for."""

from __future__ import annotations

from collections.abc import Sequence


def first_indices(texts: Sequence[str]) -> dict[str, int]:
    """For every different text the index of its first occurrence, in the texts' order."""
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        first.setdefault(text, index)
    return first


def copies_of(representative_of: Sequence[int]) -> list[list[int]]:
    """For every distinct prompt the prompts of the list that it represents; see `PromptGroups.distinct`."""
    copies: list[list[int]] = [[] for _ in range(max(representative_of, default=-1) + 1)]
    for prompt, distinct in enumerate(representative_of):
        copies[distinct].append(prompt)
    return copies
