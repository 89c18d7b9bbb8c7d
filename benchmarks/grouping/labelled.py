"""The labelled prompt lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from comfyui_sage.sage_core.prompts.parser import parse_prompts

PROMPTS = Path(__file__).with_name("prompts.txt")
BOILERPLATE = Path(__file__).with_name("boilerplate.txt")
_WITH = "with: "


@dataclass(frozen=True)
class PromptList:
    """
    Attributes:
        kind: what makes the list hard.
        prompts: as an artist would write them.
        labels: the group of every prompt.
        bare: the prompts without what is written around all of them.
    """

    kind: str
    prompts: tuple[str, ...]
    labels: tuple[int, ...]
    bare: tuple[str, ...] = ()


def prompt_lists(path: Path = PROMPTS) -> list[PromptList]:
    """All lists of the file: `[kind]` starts one, a blank line ends a group, "with:" says what is around prompts."""
    lists = []
    for block in path.read_text("utf-8").split("\n[")[1:]:
        kind, _, body = block.partition("]")
        lines = body.strip().split("\n")
        around = [line.removeprefix(_WITH) for line in lines if line.startswith(_WITH)] or ["{}"]
        body = "\n".join(line for line in lines if not line.startswith(_WITH))
        groups = [parse_prompts(text) for text in body.split("\n\n")]
        labels = tuple(number for number, prompts in enumerate(groups) for _ in prompts)
        bare = tuple(prompt for prompts in groups for prompt in prompts)
        prompts = tuple(around[at % len(around)].replace("{}", prompt) for at, prompt in enumerate(bare))
        lists.append(PromptList(kind, prompts, labels, bare))
    return lists


def one_list(lists: list[PromptList]) -> PromptList:
    """All of them as one list; groups of different lists stay different."""
    prompts, labels = [], []
    for each in lists:
        start = len(set(labels))
        prompts += each.prompts
        labels += [start + label for label in each.labels]
    return PromptList("everything", tuple(prompts), tuple(labels))
