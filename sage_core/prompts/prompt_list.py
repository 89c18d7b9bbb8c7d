"""A list of prompts, as files and nodes give it."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Of ComfyUI's samplers.
_SEEDS = 2**64


@dataclass(frozen=True)
class Prompt:
    """One prompt of a list.

    Attributes:
        text: the prompt.
        negative: its own negative prompt; empty where it has none.
        name: what its files are called; empty where it has none.
        seed_offset: what is added to the sampler's seed for it.
    """

    text: str
    negative: str = ""
    name: str = ""
    seed_offset: int = 0


@dataclass(frozen=True)
class PromptList:
    """Prompts in the user's order.

    Attributes:
        notes: what the user should know of how they were read.
    """

    prompts: tuple[Prompt, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The prompts alone."""
        return tuple(prompt.text for prompt in self.prompts)

    @property
    def seed_offsets(self) -> tuple[int, ...]:
        """For every prompt its own; empty where none has one."""
        offsets = tuple(prompt.seed_offset for prompt in self.prompts)
        return offsets if any(offsets) else ()


def seed_offset(value: object) -> int:
    """A seed offset as files write it: a whole number, also as 3.0, or a text with one; 0 for an empty text.

    Raises:
        ValueError: it is something else.
    """
    text = str(value).strip() or "0"
    if found := re.fullmatch(r"([+-]?[0-9]{1,20})(\.0*)?", text):
        return int(found[1])
    raise ValueError(f"expected a whole number as the seed offset, got {str(value)[:80]!r}.")


def own_seed(seed: int, offset: int) -> int:
    """The seed of a prompt with an offset; past the largest seed it goes on from 0."""
    return (seed + offset) % _SEEDS
