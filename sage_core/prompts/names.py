"""Short names of prompts, for files."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from .prompt_list import Prompt

# A letter can take three bytes, and a whole file name no more than 255.
_LONGEST = 60


def file_text(prompt: str) -> str:
    """The start of a prompt as a part of a file's name, such as "a-red-car".

    Letters (of any script), digits and "-" only, which every file system takes; at most 60.
    """
    letters = [letter if letter.isalnum() else "-" for letter in unicodedata.normalize("NFC", prompt)]
    words = [word for word in "".join(letters).split("-") if word]
    return "-".join(words)[:_LONGEST].strip("-") or "prompt"


def prompt_names(prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """The name of every prompt: its own, or the start of its text.

    Texts that start alike get a number ("a-red-car", "a-red-car_2"). Their names are also different from all others
    on file systems that do not tell "A" from "a".
    """
    taken = {prompt.name.casefold() for prompt in prompts}
    numbers: Counter[str] = Counter()

    def free(text: str) -> str:
        name, key = text, text.casefold()
        while name.casefold() in taken:
            numbers[key] = max(2, numbers[key] + 1)
            name = f"{text}_{numbers[key]}"
        taken.add(name.casefold())
        return name

    return tuple(prompt.name or free(file_text(prompt.text)) for prompt in prompts)
