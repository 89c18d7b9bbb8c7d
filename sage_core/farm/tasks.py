"""Cuts the groups of a list into tasks."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..grouping.partition import Partition

# Prompts in a task: more would lose much at a crash, fewer would waste a GPU's batches.
_MOST, _FEWEST = 64, 8
# Tasks of a worker, at least: more end closer together.
_TURNS = 3

# Indices of the groups that are rendered together.
Task = tuple[int, ...]


class Part(NamedTuple):
    """Some prompts of a large group, whose shared steps have run already.

    Attributes:
        shared: what an engine has given for them, see `Engine.share`.
    """

    prompts: tuple[int, ...]
    shared: Any


class Shard(NamedTuple):
    """One of several parts of a job; `number` counts from 1."""

    number: int
    total: int

    def of(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Every so-manieth task: the parts together are all tasks, each once."""
        return tasks[self.number - 1 :: self.total]


def parse_shard(text: str) -> Shard:
    """A shard as it is typed, "2/8".

    Raises:
        ValueError: it is something else.
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    shard = Shard(int(match[1]), int(match[2])) if match else None
    if shard is None or not 1 <= shard.number <= shard.total:
        raise ValueError(f"shard: expected a number and how many there are, such as 1/4, 2/4 to 4/4, got {text!r}.")
    return shard


def default_split(prompts: int, workers: int) -> int:
    """The most prompts in a task, where the user has not said: with several workers few enough that all have work.

    Args:
        prompts: of the whole list.
    """
    if workers == 1:
        return _MOST
    return min(_MOST, max(_FEWEST, -(-prompts // (_TURNS * workers))))


def make_tasks(partition: Partition, split: int) -> list[Task]:
    """Groups together, in their order, up to a number of prompts; a larger group is a task of its own.

    Args:
        split: most prompts in a task of several groups.
    """
    tasks: list[Task] = []
    room = 0
    for group, members in enumerate(partition):
        if tasks and len(members) <= room:
            tasks[-1] = (*tasks[-1], group)
        else:
            tasks.append((group,))
            room = split
        room -= len(members)
    return tasks


def shrinking_tasks(groups: Iterable[int], partition: Partition, split: int, workers: int) -> Iterator[Task]:
    """Tasks for several workers that each take the next one: smaller ones towards the end, so that all end together.

    The largest groups come first. A task is made when it is taken.

    Args:
        split: most prompts in a task of several groups.
    """
    waiting = deque(sorted(groups, key=lambda group: -len(partition[group])))
    left = sum(len(partition[group]) for group in waiting)
    while waiting:
        room = min(split, -(-left // (_TURNS * workers)))
        task = [waiting.popleft()]
        size = len(partition[task[0]])
        while waiting and size + len(partition[waiting[0]]) <= room:
            size += len(partition[waiting[0]])
            task.append(waiting.popleft())
        left -= size
        yield tuple(task)


def divided(prompts: Sequence[int], texts: Sequence[str], split: int, workers: int) -> list[tuple[int, ...]]:
    """The parts in which several workers render the prompts of one group; a part for each of them if that is enough.

    Args:
        texts: of the whole list. Equal prompts stay together: they are rendered once.
        split: a group of at most so many different prompts stays whole, and no part has more.
    """
    equal: dict[str, list[int]] = {}
    for prompt in prompts:
        equal.setdefault(texts[prompt], []).append(prompt)
    different = list(equal.values())
    size = len(different) if len(different) <= split else min(split, -(-len(different) // workers))
    return [
        tuple(prompt for copies in different[start : start + size] for prompt in copies)
        for start in range(0, len(different), size)
    ]


def prompts_of(work: Task | Part, partition: Partition) -> list[int]:
    """The prompts of a task or a part, in the order of the list."""
    return sorted(work.prompts if isinstance(work, Part) else (prompt for group in work for prompt in partition[group]))
