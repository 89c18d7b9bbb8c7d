"""Prompt lists from files."""

from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path

from .parser import parse_prompts
from .prompt_list import Prompt, PromptList
from .table import read_table

SUFFIXES = (".txt", ".csv", ".tsv")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_prompts(path: Path) -> PromptList:
    """Prompts of a text file (see `parse_prompts`), or of a .csv or .tsv file (see `read_table`).

    Raises:
        ValueError: the file cannot be read as text, has no prompt or too many, or is damaged; names the line.
    """
    try:
        listed = _parse(_read_text(path), path.suffix.lower())
    except (OSError, ValueError) as error:
        raise ValueError(f"prompt_file: {path.name}: {error}") from error
    return replace(listed, notes=tuple(f"prompt_file: {path.name}: {note}" for note in listed.notes))


def _parse(text: str, suffix: str) -> PromptList:
    if suffix in (".csv", ".tsv"):
        return read_table(text, "\t" if suffix == ".tsv" else None)
    return PromptList(tuple(map(Prompt, parse_prompts(text))))


def _read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a mark at its start."""
    if not path.is_file():
        raise ValueError(f"expected a text file, got {path}, which is none.")
    data = path.read_bytes()
    encoding = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(error.object[: error.start].decode(encoding)) from error
    if "\0" in text:  # UTF-16 without its mark
        raise _not_text(text[: text.index("\0")])
    return text


def _not_text(before: str) -> ValueError:
    """The error for what comes after some text."""
    line = before.count("\n") + 1
    return ValueError(
        f"line {line}: expected text in UTF-8, got another encoding. Open the file in your text editor or "
        "table program, and save as UTF-8."
    )
