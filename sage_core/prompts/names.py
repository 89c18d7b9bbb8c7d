"""Short names of prompts, for files."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..file_names import check_length
from .differences import labels
from .prompt_list import Prompt, PromptList

# Of a name that is made from a prompt.
MOST_LETTERS = 60
# What savers add to a name.
_FOLLOWS = "_00001_.png"
# Choose between two forms of the letter before them; they are no letters of their own.
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def file_text(prompt: str, most_bytes: int = 4 * MOST_LETTERS) -> str:
    """The start of a prompt as a part of a file's name, such as "a-red-car".

    Letters (of any script, with their marks), digits and "-" only, which every file system takes. A prompt without
    any, of emoji, is named after these ("automobile").

    Args:
        most_bytes: of the name in UTF-8; it has at most 60 letters in any case.
    """
    symbols = (unicodedata.name(letter, "").lower() for letter in prompt if unicodedata.category(letter)[0] == "S")
    text = _words(prompt) or _words(" ".join(symbols)) or "prompt"
    return text[:MOST_LETTERS].encode()[:most_bytes].decode(errors="ignore").strip("-")


def _words(text: str) -> str:
    """The words of a text, with "-" between them; empty if it has no letters and digits."""
    words = "".join(map(_in_a_name, unicodedata.normalize("NFC", text))).split("-")
    return "-".join(word for word in words if any(map(str.isalnum, word)))


def _in_a_name(letter: str) -> str:
    """A letter, digit or mark as it is; nothing for what cannot be seen; "-" for everything else."""
    kind = unicodedata.category(letter)
    if kind == "Cf" or ord(letter) in _VARIATION_SELECTORS:
        return ""
    return letter if letter.isalnum() or kind in ("Mn", "Mc") else "-"


def prompt_names(prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """The name of every prompt: its own, or its text by what differs from the others, see `differences.labels`.

    Texts that read alike get a number ("a-red-car", "a-red-car_2"). Their names are also different from all others
    on file systems that do not tell "A" from "a".

    Raises:
        ValueError: a given name leaves the output folder, or is too long for a file; names the prompt.
    """
    for number, prompt in enumerate(prompts, start=1):
        _check_name(f"name of prompt {number}", prompt.name)
    taken = {prompt.name.casefold() for prompt in prompts}
    numbers: Counter[str] = Counter()

    def free(text: str) -> str:
        name, key = text, text.casefold()
        while name.casefold() in taken:
            numbers[key] = max(2, numbers[key] + 1)
            name = f"{text}_{numbers[key]}"
        taken.add(name.casefold())
        return name

    texts = labels([prompt.text for prompt in prompts], MOST_LETTERS)
    return tuple(prompt.name or free(file_text(text)) for prompt, text in zip(prompts, texts, strict=True))


def _check_name(where: str, name: str) -> None:
    """Refuse what no saver can take: it would fail after everything has been sampled. A name may have folders.

    Args:
        where: whose name it is, for the error.
        name: empty where a prompt has none of its own.
    """
    *folders, file = name.split("/")
    if ".." in (*folders, file) or (folders and not folders[0]):
        raise ValueError(f"{where}: expected a name inside the output folder, got {name!r}.")
    check_length(where, file, _FOLLOWS)


def named(listed: PromptList) -> PromptList:
    """A list whose prompts all have a name, see `prompt_names`."""
    named_prompts = zip(listed.prompts, prompt_names(listed.prompts), strict=True)
    return replace(listed, prompts=tuple(replace(prompt, name=name) for prompt, name in named_prompts))
