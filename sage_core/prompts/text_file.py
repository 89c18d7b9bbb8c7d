"""Texts from files."""

from __future__ import annotations

import codecs
from pathlib import Path

# More than any list of prompts may have; see `limits.MAX_CHARACTERS`.
_MOST_BYTES = 200_000_000
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a mark at its start.

    Raises:
        ValueError: this is no plain file, it is too large, or in another encoding; names the line.
        OSError: it cannot be read.
    """
    if not path.is_file():  # a pipe would have to be waited for
        raise ValueError(f"expected a text file, got {path}, which is none.")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"expected at most {_MOST_BYTES} bytes, got {size}.")
    data = path.read_bytes()
    encoding = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(error.object[: error.start].decode(encoding, "replace")) from error
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
