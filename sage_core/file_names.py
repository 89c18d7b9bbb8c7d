"""Names that every file system can hold: the strictest rules of Windows, macOS and Linux together."""

from __future__ import annotations

import re

# In bytes of UTF-8: what Linux and macOS take, with the ending.
MOST_BYTES = 255
_FORBIDDEN = '<>:"|?*/\\'
_DEVICES = r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])"


def check_file_name(name: str, value: str, ending: str = "") -> None:
    """Refuse what cannot be the name of one file on every system.

    Args:
        name: of the input, for the error.
        value: the name without its folder.
        ending: what is added to it.

    Raises:
        ValueError: says what is wrong with it.
    """
    if not value.strip():
        raise ValueError(f"{name}: expected a name, got {value!r}.")
    bad = sorted({letter for letter in value if letter in _FORBIDDEN or ord(letter) < 32 or _is_surrogate(letter)})
    if bad:
        raise ValueError(
            f"{name}: expected a name without {' '.join(_FORBIDDEN)} and control characters, got {value!r} with "
            f"{', '.join(map(repr, bad))}."
        )
    if value[-1] in ". ":
        raise ValueError(f"{name}: expected a name that does not end with a dot or a space, got {value!r}.")
    if re.fullmatch(_DEVICES, value.split(".")[0].rstrip(), re.IGNORECASE):
        raise ValueError(f"{name}: expected a name that is no device of Windows (such as CON or NUL), got {value!r}.")
    check_length(name, value, ending)


def check_length(name: str, value: str, ending: str = "") -> None:
    """Refuse what is too long for the name of a file; arguments as of `check_file_name`."""
    length, most = len(value.encode(errors="surrogatepass")), MOST_BYTES - len(ending.encode())
    if length > most:
        raise ValueError(
            f"{name}: expected a name of at most {most} bytes (a letter can take four), got {length} bytes: "
            f"{value[:40]!r}..."
        )


def _is_surrogate(letter: str) -> bool:
    """Whether it is half of a letter, which no file name can hold."""
    return "\ud800" <= letter <= "\udfff"
