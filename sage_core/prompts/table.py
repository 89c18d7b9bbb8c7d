"""Prompt lists from tables: CSV in its dialects, and lists with commas that are no tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..phrases import shorten
from .checked_list import checked_list
from .lines import single_spaced, single_spaced_lines
from .prompt_list import Prompt, PromptList, seed_offset

# Between cells, where a file does not say it. Prompts have commas too, so they come last.
_SEPARATORS = ("\t", ";", ",")
# Where the first row names the columns.
_OTHER_SEPARATORS = ("|",)
# The line with which Excel says it.
_SEPARATOR_LINE = r'"?sep=(.)"?\s*'
# Names of the columns, best first; in files also with capitals, "_" or a plural "s".
_NAMES = {
    "text": (
        "prompt", "positive", "text", "positive prompt", "caption", "description", "image prompt", "prompt text",
    ),
    "negative": ("negative", "negative prompt"),
    "name": ("name",),
    "seed_offset": ("seed offset",),
}  # fmt: skip
# Names of columns that only count the rows.
_COUNTS = ("id", "nr", "no", "number", "index", "#")
_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NUMBER = r"[-+\d.,]*"
# Of the name of a column; what has more is a prompt with commas.
_MOST_WORDS = 3
# A cell and the comma before it; the group is an unquoted one.
_CELL = r'(?:^|,)(?: *"(?:[^"]|"")*"|([^,]*))'


@dataclass(frozen=True)
class _Row:
    """A row that is not blank.

    Attributes:
        line: number of its first line, from 1.
        text: the row as it is in the file.
    """

    line: int
    cells: list[str]
    text: str

    def cell(self, at: int) -> str:
        """A cell with single white space in every line; empty where the row has none there."""
        return single_spaced_lines(self.cells[at]) if at < len(self.cells) else ""

    def whole(self) -> str:
        """The only cell, or the whole row where there are more."""
        return self.cell(0) if len(self.cells) == 1 else single_spaced_lines(self.text)

    def rest_of(self, text: int) -> str:
        """What follows a prompt without quotes after a comma and a space, and so may be its rest; empty if nothing.

        Args:
            text: place of the prompt.
        """
        cells = list(re.finditer(_CELL, self.text))[text : text + 2]
        if len(cells) < 2 or cells[0][1] is None or not cells[1][0].startswith(", "):
            return ""
        return (cells[1][1] or "").strip()


def read_table(text: str, separator: str | None = None) -> PromptList:
    """Prompts of a CSV file, with their negative prompts, names and seed offsets.

    The first row names the columns. If no name is known there, the prompts are in the first column of a table that has
    more than numbers. But where the rows have different numbers of cells, or a space after a comma, this is a list of
    prompts with commas, and every row is one. Prompts are used unchanged, without braces and comments; rows without
    one are left out.

    Args:
        separator: between cells; None finds it.

    Raises:
        ValueError: a quote is not closed, a row has too many cells or a prompt with commas, a seed offset is no whole
            number, or there are too many prompts or none.
    """
    lines = list(io.StringIO(text, newline=""))
    declared = re.fullmatch(_SEPARATOR_LINE, lines[0], re.IGNORECASE) if lines else None
    if declared:
        separator, lines[0] = declared[1], "\n"
    if separator is not None:
        return _below_header(lines, (separator,)) or _without_header(lines, (separator,))
    return _below_header(lines, _SEPARATORS + _OTHER_SEPARATORS) or _without_header(lines, _SEPARATORS)


def _below_header(lines: Sequence[str], separators: Iterable[str]) -> PromptList | None:
    """The prompts of a table whose first row names their column; None where it does not."""
    headers = ((separator, _header(lines, separator)) for separator in separators)
    named = [(separator, header) for separator, header in headers if _is_header(header, separator)]
    if not named:
        return None
    separator, header = max(named, key=lambda each: len(each[1]))
    columns, rows = find_columns(header), _rows(lines, separator, skip_spaces=True)
    first = next(rows)
    if len(header) == 1:
        return checked_list(Prompt(row.whole()) for row in rows)
    unused = [single_spaced(cell) for at, cell in enumerate(header) if at not in columns.values()]
    unused = [name for name in unused if name and name.lower().rstrip(".") not in _COUNTS]
    notes = [f"columns not used: {shorten(', '.join(unused))}"] * bool(unused)
    is_tight = separator == "," and ", " not in first.text
    return checked_list((_prompt(row, columns, len(header), is_tight=is_tight) for row in rows), *notes)


def _without_header(lines: Sequence[str], separators: Sequence[str]) -> PromptList:
    """The prompts of a table or a list whose first row is a prompt already."""
    for separator in separators:
        if _is_table(rows := _rows_if_any(lines, separator)):
            at, width = _first_text(rows), len(rows[0].cells)
            place = f"the {_PLACES[at]}" if at < len(_PLACES) else f"column {at + 1}"
            note = f"no column is called prompt; {place} of the {width} columns was used"
            return checked_list((Prompt(row.cell(at)) for row in rows), note)
    rows = list(_rows(lines, separators[-1]))
    note = "no column is called prompt; every line is one prompt"
    return checked_list((Prompt(row.whole()) for row in rows), *[note] * any(len(row.cells) > 1 for row in rows))


def _is_table(rows: Sequence[_Row]) -> bool:
    """Whether the separators of some rows are no punctuation.

    Programs write as many in every row, and no space after them.
    """
    widths = {len(row.cells) for row in rows}
    is_prose = any(cell.startswith(" ") for row in rows for cell in row.cells[1:])
    return len(rows) > 1 and len(widths) == 1 and 1 not in widths and not is_prose


def _first_text(rows: Sequence[_Row]) -> int:
    """The first column that has more than numbers below the first row, which may name it; 0 where there is none."""
    columns = range(len(rows[0].cells))
    return next((at for at in columns if not all(re.fullmatch(_NUMBER, row.cell(at)) for row in rows[1:])), 0)


def _header(lines: Sequence[str], separator: str) -> list[str]:
    """The cells of the first row; none where it cannot be read."""
    try:
        return next((row.cells for row in _rows(lines, separator, skip_spaces=True)), [])
    except ValueError:
        return []


def _is_header(cells: Sequence[str], separator: str) -> bool:
    """Whether the cells of a first row name the columns, one of them that of the prompts."""
    columns = find_columns(cells)
    if "text" not in columns:
        return False
    is_clear = len(columns) > 1 or single_spaced(cells[columns["text"]]).lower() in ("prompt", "prompts")
    return is_clear or separator != "," or all(len(cell.split()) <= _MOST_WORDS for cell in cells)


def find_columns(header: Sequence[str]) -> dict[str, int]:
    """The places of the known columns, by field of a prompt; capitals, "_" and a plural "s" make no difference."""
    names = [single_spaced(cell.replace("_", " ").lower()).removesuffix("s") for cell in header]
    found = ((field, next((name for name in known if name in names), None)) for field, known in _NAMES.items())
    return {field: names.index(name) for field, name in found if name is not None}


def _prompt(row: _Row, columns: Mapping[str, int], width: int, *, is_tight: bool) -> Prompt:
    """The prompt of a row.

    Args:
        is_tight: whether no space may follow a comma between cells.

    Raises:
        ValueError: the row has more cells than the header, or a space after a comma, so that a prompt would be cut; or
            a seed offset is no whole number.
    """
    if any(cell.strip() for cell in row.cells[width:]):
        raise ValueError(
            f'line {row.line}: expected {width} cells, as in the first row, got {len(row.cells)}. Put quotes (") '
            "around every prompt."
        )
    if is_tight and (rest := row.rest_of(columns["text"])):
        raise ValueError(
            f"line {row.line}: expected no space after a comma between cells, as in the first row, got "
            f'{rest[:40]!r} after one. Put quotes (") around every prompt.'
        )
    fields: dict[str, Any] = {field: row.cell(at) for field, at in columns.items()}
    try:
        offset = seed_offset(fields.get("seed_offset", 0))
    except ValueError as error:
        raise ValueError(f"line {row.line}: {error}") from None
    return Prompt(**{**fields, "name": single_spaced(fields.get("name", "")), "seed_offset": offset})


def _rows_if_any(lines: Sequence[str], separator: str) -> list[_Row]:
    """The rows; none where the quotes say that this is not the separator."""
    try:
        return list(_rows(lines, separator))
    except ValueError:
        return []


def _rows(lines: Sequence[str], separator: str, *, skip_spaces: bool = False) -> Iterator[_Row]:
    """The rows that are not blank.

    Args:
        skip_spaces: whether spaces after a separator are no part of the cell.

    Raises:
        ValueError: names the line where a quote is not closed.
    """
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=skip_spaces, strict=True)
    start = 0
    try:
        for cells in reader:
            text = "".join(lines[start : reader.line_num])
            if text.strip():
                yield _Row(start + 1, cells, text)
            start = reader.line_num
    except csv.Error as error:
        raise ValueError(
            f'line {start + 1}: expected a closing quote (") for every opening one, with nothing after it in the cell, '
            f"got: {error}. Put quotes around the whole cell, and write two for a quote inside it."
        ) from error
