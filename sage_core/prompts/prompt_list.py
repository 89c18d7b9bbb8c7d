"""A list of prompts, as files and nodes give it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """One prompt of a list.

    Attributes:
        text: the prompt.
        negative: its own negative prompt; empty where it has none.
        name: what its files are called; empty where it has none.
    """

    text: str
    negative: str = ""
    name: str = ""


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
