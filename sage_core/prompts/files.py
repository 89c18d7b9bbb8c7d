"""Prompt lists from text and CSV files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from .parser import MAX_PROMPTS, parse_prompts

SUFFIXES = (".txt", ".csv")
_COLUMN = "prompt"


def read_prompts(path: Path) -> tuple[str, ...]:
    """Prompts of a text file (see `parse_prompts`) or of a CSV file.

    A CSV file's prompts are in the column `prompt`, or in the first one if no column has that name (then the first
    line is a prompt too). They are used unchanged, without braces and comments; empty cells are skipped.

    Raises:
        ValueError: the file cannot be read as text, has no prompt or too many.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"prompt_file: expected a text file in UTF-8, got {path} ({error}).") from error
    if path.suffix.lower() == ".csv":
        return _from_csv(text, path)
    try:
        return parse_prompts(text)
    except ValueError as error:
        raise ValueError(f"prompt_file: {path.name}: {error}") from error


def _from_csv(text: str, path: Path) -> tuple[str, ...]:
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except csv.Error as error:
        raise ValueError(f"prompt_file: expected comma-separated values, got {path.name} ({error}).") from error
    names = [name.strip().lower() for name in lines[0]] if lines else []
    column, rest = (names.index(_COLUMN), lines[1:]) if _COLUMN in names else (0, lines)
    prompts = tuple(cell for line in rest if (cell := " ".join(line[column].split()) if column < len(line) else ""))
    if not 0 < len(prompts) <= MAX_PROMPTS:
        raise ValueError(f"prompt_file: expected 1 to {MAX_PROMPTS} prompts in {path.name}, got {len(prompts)}.")
    return prompts
