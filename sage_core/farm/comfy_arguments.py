"""The arguments that a farm's workers start ComfyUI with, as one text."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path


def joined(arguments: Sequence[str]) -> str:
    """The arguments of this process as a text for others, which may be started in another folder."""
    return json.dumps([str(Path(each).absolute()) if each and Path(each).exists() else each for each in arguments])


def split(text: str, *, is_windows: bool = os.name == "nt") -> list[str]:
    r"""The arguments of a text: as `joined` gives them, or as they are typed.

    Args:
        is_windows: a backslash is a part of a path there.

    Raises:
        ValueError: a quote is not closed; says so.
    """
    try:
        if text.startswith("["):
            return json.loads(text)
        parts = shlex.split(text, posix=not is_windows)
    except ValueError as error:
        raise ValueError(f"comfy-args: expected arguments as they are typed, got {text!r}: {error}.") from None
    return [part[1:-1] if is_windows and part[:1] == part[-1:] == '"' else part for part in parts]
