"""Repeated prompts: which is the first of equal ones, and which prompts one stands for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence


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


def ranks(keys: Iterable[Hashable], are_same: Callable[[int, int], bool]) -> list[int]:
    """For every item its number among the different ones of its key, from 0; the first of equal items counts for all.

    Args:
        keys: of every item; items with different keys are different.
        are_same: whether two items with one key are equal, by their indices.
    """
    firsts: dict[Hashable, list[int]] = {}
    found = []
    for item, key in enumerate(keys):
        known = firsts.setdefault(key, [])
        rank = next((rank for rank, first in enumerate(known) if are_same(first, item)), len(known))
        if rank == len(known):
            known.append(item)
        found.append(rank)
    return found
