"""The inputs that take prompts: typed, from a list, and from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..sage_core.prompts.files import SUFFIXES, read_prompts
from ..sage_core.prompts.parser import parse_items
from ..sage_core.prompts.prompt_list import Prompt, PromptList
from .file_state import file_state

NO_FILE = "none"
LIST_TIP = "If another node gives a list of texts, every text is one prompt as it is."
_EXAMPLE = """# one prompt per line; {a|b} makes every combination
a {red|blue|green} car in the {snow|desert}
a small {white|yellow} boat on the sea"""


def prompts_input() -> io.String.Input:
    return io.String.Input(
        "prompts", multiline=True, dynamic_prompts=False, default=_EXAMPLE,
        tooltip="One prompt per line. Blank lines and lines that start with # are skipped. Words in braces with bars "
        "between them are alternatives: every combination becomes a prompt. For a brace or a bar itself, write a "
        f"backslash before it. {LIST_TIP}",
    )  # fmt: skip


def prompt_file_input(other_columns: str = "") -> io.Combo.Input:
    """The choice of a file.

    Args:
        other_columns: a sentence on what the node does with them.
    """
    return io.Combo.Input(
        "prompt_file", options=[NO_FILE, *_prompt_files()], default=NO_FILE, optional=True,
        tooltip="More prompts, added after those above, from a file in the input folder. A .txt file is written as "
        "above. Of a .csv or .tsv file the column 'prompt' is used, or else the first column, with every cell as it "
        f"is. {other_columns}Press R to see a new file.",
    )  # fmt: skip


def file_fingerprint(prompt_file: str | None) -> Any:
    """What changes when a file of prompts changes, though its name is the same.

    Args:
        prompt_file: None where another node gives the name: then ComfyUI must run the node to know.
    """
    if prompt_file is None:
        return float("nan")
    return "" if prompt_file == NO_FILE else file_state(_input_folder() / prompt_file)


def all_prompts(items: Sequence[str], file: str) -> PromptList:
    """The typed prompts or those of a list, then those of the file. With a file, nothing has to be typed.

    Raises:
        ValueError: there is no prompt, or an input cannot be read.
    """
    typed = tuple(map(Prompt, parse_items(items, required=file == NO_FILE)))
    if file == NO_FILE:
        return PromptList(typed)
    listed = read_prompts(_input_folder() / Path(file).name)
    return PromptList((*typed, *listed.prompts), listed.notes)


def _input_folder() -> Path:
    return Path(folder_paths.get_input_directory())


def _prompt_files() -> list[str]:
    folder = _input_folder()
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
