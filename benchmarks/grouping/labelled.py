"""The labelled prompt lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from comfyui_sage.sage_core.prompts.parser import parse_prompts

PROMPTS = Path(__file__).with_name("prompts.txt")


@dataclass(frozen=True)
class PromptList:
    """
    Attributes:
        kind: what makes the list hard.
        labels: the group of every prompt.
    """

    kind: str
    prompts: tuple[str, ...]
    labels: tuple[int, ...]


def prompt_lists(path: Path = PROMPTS) -> list[PromptList]:
    """All lists of the file: `[kind]` starts one, a blank line ends a group."""
    lists = []
    for block in path.read_text("utf-8").split("\n[")[1:]:
        kind, _, body = block.partition("]")
        groups = [parse_prompts(text) for text in body.strip().split("\n\n")]
        labels = tuple(number for number, prompts in enumerate(groups) for _ in prompts)
        lists.append(PromptList(kind, tuple(prompt for prompts in groups for prompt in prompts), labels))
    return lists


def one_list(lists: list[PromptList]) -> PromptList:
    """All of them as one list; groups of different lists stay different."""
    prompts, labels = [], []
    for each in lists:
        start = len(set(labels))
        prompts += each.prompts
        labels += [start + label for label in each.labels]
    return PromptList("everything", tuple(prompts), tuple(labels))
