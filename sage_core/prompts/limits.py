"""How large a list of prompts may be."""

from __future__ import annotations

# A longer list is probably a mistake: braces multiply quickly.
MAX_PROMPTS = 100_000
# Of all prompts together: 500 letters in each of the most prompts.
MAX_CHARACTERS = 50_000_000


def check_size(prompts: int, characters: int) -> None:
    """Refuse a list that is too large.

    Args:
        characters: of all prompts together.

    Raises:
        ValueError: says what is too large.
    """
    if prompts > MAX_PROMPTS:
        raise ValueError(f"expected at most {MAX_PROMPTS} prompts in all, got more.")
    if characters > MAX_CHARACTERS:
        raise ValueError(
            f"expected at most {MAX_CHARACTERS} characters in all prompts together, got more. Braces and wildcards "
            "repeat the text around them for every combination."
        )
