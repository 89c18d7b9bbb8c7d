"""The ways of rendering that are compared."""

from __future__ import annotations

from dataclasses import dataclass

from ..phrases import counted

# Shares that are compared, at most: every one is two renders of all prompts, and one in fewer steps.
_MOST_SHARES = 12


@dataclass(frozen=True)
class Setting:
    """A way of rendering.

    Attributes:
        share: 0 for every prompt alone.
    """

    steps: int
    share: float = 0.0
    correction: str = "off"

    @property
    def title(self) -> str:
        """How it is called on grids and in reports."""
        if not self.share:
            return f"alone, {counted(self.steps, 'step')}"
        return f"{self.percent} " + ("shared" if self.correction == "off" else "corrected")

    @property
    def percent(self) -> str:
        """The share as the user wrote it: "40%", "12.5%"."""
        return f"{100 * self.share:g}%"


def parse_shares(text: str) -> tuple[float, ...]:
    """Shares from a text such as "0.2, 0.4", in order and each once.

    Raises:
        ValueError: one is no number above 0 and up to 1, or there are none or too many.
    """
    found = set()
    for part in text.replace(";", ",").split(","):
        if not part.strip():
            continue
        try:
            share = float(part)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise ValueError(
                f"shares: expected numbers above 0 and up to 1, with commas between, got {part.strip()!r}."
            )
        found.add(share)
    if not 0 < len(found) <= _MOST_SHARES:
        raise ValueError(f"shares: expected 1 to {_MOST_SHARES} of them, got {len(found)}.")
    return tuple(sorted(found))
