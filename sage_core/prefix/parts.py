"""Parts of one group on several machines: the shared steps run once, and every part goes on from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..grouping.prompt_groups import PromptGroups
from ..sampling.prefix import Prefix
from .extend import extend_prefix
from .file import save_prefix


class NotShareable(ValueError):
    """Nobody else can go on from these shared steps."""


def write_shared_steps(prefix: Prefix, path: Path) -> None:
    """Write a prefix for `part_of`. Of the prompts' conditionings, which are large, it has only one.

    Raises:
        NotShareable: every prompt starts from noise of its own, or the prefix holds what is no plain data.
        OSError: the file cannot be written.
    """
    if prefix.job.start_of:
        raise NotShareable("prefix: every prompt starts from noise of its own.")
    groups = prefix.groups
    slim = replace(groups, conditionings=(groups.conditionings[0],) * len(groups.prompts), template=None)
    try:
        save_prefix(replace(prefix, groups=slim), path)
    except ValueError as error:
        raise NotShareable(str(error)) from error


def part_of(shared: Prefix, groups: PromptGroups) -> Prefix:
    """The prefix of some of the prompts whose shared steps another one has.

    Args:
        shared: read from a file of `write_shared_steps`.
        groups: some of its prompts, with their own conditionings.
    """
    return extend_prefix(shared, groups.prompts, groups.conditionings, groups.embeddings)[0]
