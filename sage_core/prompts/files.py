"""Prompt lists from files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .braces import ReadWildcard
from .json_list import read_json
from .parser import no_wildcards, parse_text
from .prompt_list import PromptList
from .table import read_table
from .text_file import read_text

SUFFIXES = (".txt", ".csv", ".tsv", ".json")


def read_prompts(path: Path, read_wildcard: ReadWildcard = no_wildcards) -> PromptList:
    """Prompts of a text file (`parse_text`), of a .csv or .tsv file (`read_table`), or of a .json file (`read_json`).

    Raises:
        ValueError: the file cannot be read as text, has no prompt or too many, or is damaged; names the line.
    """
    try:
        listed = _parse(read_text(path), path.suffix.lower(), read_wildcard)
    except (OSError, ValueError) as error:
        raise ValueError(f"prompt_file: {path.name}: {error}") from error
    return replace(listed, notes=tuple(f"prompt_file: {path.name}: {note}" for note in listed.notes))


def _parse(text: str, suffix: str, read_wildcard: ReadWildcard) -> PromptList:
    if suffix == ".json":
        return read_json(text)
    if suffix in (".csv", ".tsv"):
        return read_table(text, "\t" if suffix == ".tsv" else None)
    return parse_text(text, read_wildcard)
