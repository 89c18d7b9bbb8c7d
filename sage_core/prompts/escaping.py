"""Writes a prompt so that a prompt list reads it as it is."""

from __future__ import annotations

import re

from .braces import LINE_BREAK


def as_line(text: str) -> str:
    r"""A prompt as a line of a text that `parser.parse_text` reads as this prompt.

    Braces and bars are escaped. Of a sign that only means something twice ("//"), the second is the only alternative
    in braces: ``/{1$$/}``. A line break, with single white space in every line, is one too: ``{1$$\n}``.
    """
    line = re.sub(r"([{}|])", r"\\\1", text)
    line = re.sub(r"(?<=/)[/*]|(?<=_)_", lambda found: f"{{1$${found[0]}}}", line)
    line = line.replace("\n", f" {LINE_BREAK} ")
    if line.startswith("\\#"):
        return f"{{1$$\\#}}{line[2:]}"
    return f"\\{line}" if line.startswith("#") else line
