"""Small pieces of report text, and the figure that all reports give."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, word: str) -> str:
    """A number and its noun, in the plural where needed: "1 prompt", "2 prompts"."""
    return f"{number} {word}" + ("" if number == 1 else "s")


def shorten(text: str, length: int = 300) -> str:
    """A text in one line of at most `length` characters, with an ellipsis where something is missing."""
    text = text.replace("\n", " ")
    return text if len(text) <= length else text[: length - 1] + "…"


def with_notes(report: str, notes: Iterable[str]) -> str:
    """A report with notes below, that also reads well as Markdown."""
    return "\n".join([report, *(f"\nNote: {note}" for note in notes)])


def saved_fraction(paid: float, baseline: float) -> float:
    """Which part of a baseline cost is saved, up to 1; negative where more was paid, 0 where there is no baseline."""
    return 1 - paid / baseline if baseline else 0.0
