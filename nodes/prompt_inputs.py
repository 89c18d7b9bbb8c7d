"""The inputs that take prompts: typed, from a list, and from a file."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..sage_core.prompts.braces import ReadWildcard
from ..sage_core.prompts.checked_list import checked_list
from ..sage_core.prompts.files import read_prompts
from ..sage_core.prompts.parser import parse_items
from ..sage_core.prompts.prompt_list import PromptList
from ..sage_core.prompts.wildcards import wildcard_reader
from .file_state import file_state
from .prompt_files import input_folder, prompt_file_path, prompt_files

NO_FILE = "none"
_WILDCARDS = "wildcards"
folder_paths.add_model_folder_path(_WILDCARDS, str(Path(folder_paths.models_dir) / _WILDCARDS))
LIST_TIP = "If another node gives a list of texts, every text is one prompt as it is."
_EXAMPLE = """# one prompt per line; {a|b} makes every combination
a {red|blue|green} car in the {snow|desert}
a small {white|yellow} boat on the sea"""


def prompts_input() -> io.String.Input:
    return io.String.Input(
        "prompts", multiline=True, dynamic_prompts=False, default=_EXAMPLE,
        tooltip="One prompt per line. Blank lines, lines that start with # and a space, and what follows // are "
        "skipped. Words in braces with bars between them are alternatives: every combination becomes a prompt. For a "
        "brace or a bar itself, write a backslash before it. __colors__ takes every line of the file colors.txt in "
        f"models/{_WILDCARDS}. {LIST_TIP}",
    )  # fmt: skip


def prompt_file_input(other_columns: str = "") -> io.Combo.Input:
    """The choice of a file.

    Args:
        other_columns: a sentence on what the node does with them.
    """
    return io.Combo.Input(
        "prompt_file", options=[NO_FILE, *prompt_files()], default=NO_FILE, optional=True,
        tooltip="More prompts, added after those above, from a file in the input folder. A .txt file is written as "
        "above. Of a .csv or .tsv file the column 'prompt' is used, or else the first column with text, every cell as "
        f"it is. A .json file has a list of texts. {other_columns}Press R to see a new file.",
    )  # fmt: skip


def chosen_input() -> io.String.Input:
    """The choice of some prompts, for `only_chosen`."""
    return io.String.Input(
        "chosen", default="", optional=True,
        tooltip="The prompts that are used, as a JSON list of texts. Empty: all. The favourites on the "
        "panel of a sampler set it.",
    )  # fmt: skip


def prompts_fingerprint(prompts: Sequence[Any], prompt_file: str | None, *others: Any) -> Any:
    """What changes when the prompts do: by another text in a file or a wildcard, too, though its name is the same.

    Args:
        prompts: with None where another node gives them.
        prompt_file: None where another node gives the name: then ComfyUI must run the node to know.
        others: more texts that may name wildcards.
    """
    if prompt_file is None:
        return float("nan")
    typed = [text for text in prompts if isinstance(text, str)]
    # Which wildcards a text names is known of the typed prompts only.
    states = _wildcard_states() if len(typed) < len(prompts) or any(text != "" for text in others) else ()
    return sha256(repr((_read(typed, prompt_file, required=False), states)).encode()).hexdigest()


def all_prompts(items: Sequence[str], file: str, *, as_they_are: bool = False) -> PromptList:
    """The typed prompts or those of a list, then those of the file. With a file, nothing has to be typed.

    Args:
        as_they_are: whether the items are those of a list, see `parse_items`.

    Raises:
        ValueError: there is no prompt, or an input cannot be read.
    """
    return _read(items, file, required=file == NO_FILE, as_they_are=as_they_are)


def wildcards() -> ReadWildcard:
    """What reads the wildcards in the folders where packs of nodes look for them."""
    return wildcard_reader(_wildcard_folders())


def _wildcard_states() -> list[tuple[str, Any]]:
    """What changes when any wildcard does."""
    files = sorted(path for folder in _wildcard_folders() for path in folder.rglob("*.txt"))
    return [(str(path), file_state(path)) for path in files]


def _wildcard_folders() -> list[Path]:
    packs = [pack for root in folder_paths.get_folder_paths("custom_nodes") for pack in sorted(Path(root).glob("*"))]
    folders = [
        *map(Path, folder_paths.get_folder_paths(_WILDCARDS)),
        input_folder() / _WILDCARDS,
        Path(folder_paths.base_path) / _WILDCARDS,
        *(pack / name for pack in packs for name in (_WILDCARDS, f"custom_{_WILDCARDS}")),
    ]
    return [folder for folder in folders if folder.is_dir()]


def _read(items: Sequence[str], file: str, *, required: bool, as_they_are: bool = False) -> PromptList:
    read_wildcard = wildcards()
    typed = parse_items(items, read_wildcard, required=required, as_they_are=as_they_are)
    if file == NO_FILE:
        return typed
    listed = read_prompts(prompt_file_path(file), read_wildcard)
    return checked_list((*typed.prompts, *listed.prompts), *typed.notes, *listed.notes)
