"""The errors that panels show in the user's language: each is one that the pack raises, and none is forgotten."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
TEXTS = json.loads((REPO / "locales" / "en" / "main.json").read_text("utf-8"))["SAGE_errors"]
# Where nodes with a panel can fail.
SHOWN = (
    "sage_core/conditioning", "sage_core/grouping", "sage_core/prompts", "sage_core/sampling", "sage_core/training",
    "sage_core/file_names.py", "sage_core/output_space.py", "sage_core/socket_values.py", "sage_core/validation.py",
    "nodes/checked_inputs.py", "nodes/encoder_folder.py", "nodes/list_inputs.py", "nodes/output_path.py",
    "nodes/prompt_inputs.py",
)  # fmt: skip
# Faults of the pack itself, or of its files.
NOT_TRANSLATED = ("plan: ", "levels: ", "embeddings: ")
# The name of an input, which the page translates by itself.
_INPUT = r"(\w+: |VALUE(: )?)?"


def text_of(node: ast.expr) -> str | None:
    """A string of the source, with VALUE for each value of an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
    return None


def strings(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.expr) and (text := text_of(node)) is not None:
            yield text


def raised(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        error = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(error, ast.Call) and ast.unparse(error.func) in ("ValueError", "OSError", "Diverged"):
            yield text_of(error.args[0]) or ""


def is_of(source: str, template: str) -> bool:
    """Whether a string of the source gives this text, with the name of an input before it or without."""
    return re.fullmatch(_INPUT + re.escape(re.sub(r"\{\w+\}", "VALUE", template)), source) is not None


def python_files(*names: str) -> list[Path]:
    paths = [REPO / name for name in names]
    return [file for path in paths for file in ([path] if path.suffix else sorted(path.rglob("*.py")))]


def test_each_is_written_in_the_source() -> None:
    written = {text for file in python_files("sage_core", "nodes", "routes") for text in strings(file)}
    assert [text for text in TEXTS if not any(is_of(source, text) for source in written)] == []


def test_none_is_forgotten() -> None:
    errors = [(file, text) for file in python_files(*SHOWN) for text in raised(file)]
    assert len(errors) > 100
    forgotten = [
        f"{file.relative_to(REPO)}: {source}"
        for file, source in errors
        if source and not source.startswith(NOT_TRANSLATED) and not any(is_of(source, text) for text in TEXTS)
    ]
    assert forgotten == []
