"""Groups to tasks, and tasks to shards."""

from __future__ import annotations

import pytest
from comfyui_sage.sage_core.farm.tasks import (
    Shard,
    default_split,
    divided,
    make_tasks,
    parse_shard,
    prompts_of,
    shrinking_tasks,
)
from hypothesis import given
from hypothesis import strategies as st

PARTITION = ((0, 3, 4), (1,), (2, 5), (6, 7, 8, 9, 10), (11,))


def test_whole_groups_up_to_the_split() -> None:
    assert make_tasks(PARTITION, 4) == [(0, 1), (2,), (3,), (4,)]
    assert make_tasks(PARTITION, 64) == [(0, 1, 2, 3, 4)]
    assert make_tasks((), 4) == []


def test_the_prompts_of_a_task_are_in_the_order_of_the_list() -> None:
    assert prompts_of((0, 2), PARTITION) == [0, 2, 3, 4, 5]


def test_shrinking_tasks_begin_large_and_end_small() -> None:
    assert list(shrinking_tasks(range(5), PARTITION, 4, 2)) == [(3,), (0,), (2,), (1,), (4,)]
    sizes = [len(task) for task in shrinking_tasks(range(100), [(group,) for group in range(100)], 8, 2)]
    assert sizes[:7] == [8] * 7 and sizes[-1] == 1 and sizes == sorted(sizes, reverse=True) and sum(sizes) == 100


def test_left_to_itself_the_split_gives_all_workers_work() -> None:
    assert [default_split(prompts, 1) for prompts in (1, 10_000)] == [64, 64]
    assert [default_split(prompts, 2) for prompts in (1, 16, 60, 10_000)] == [8, 8, 10, 64]


def test_a_large_group_has_a_part_for_every_worker() -> None:
    """If these are small enough; equal prompts are in one part."""
    texts = [f"prompt {index % 10}" for index in range(14)]
    group = range(2, 14)
    assert divided(group, texts, 10, 4) == [(2, 12, 3, 13, 4, 5, 6, 7, 8, 9, 10, 11)]
    assert divided(group, texts, 9, 4) == [(2, 12, 3, 13, 4), (5, 6, 7), (8, 9, 10), (11,)]
    assert divided(group, texts, 2, 4) == [(2, 12, 3, 13), (4, 5), (6, 7), (8, 9), (10, 11)]


@given(st.lists(st.integers(1, 9), max_size=20), st.integers(1, 12), st.integers(1, 7))
def test_shards_together_are_all_tasks(sizes: list[int], split: int, count: int) -> None:
    partition = tuple(tuple(range(sum(sizes[:at]), sum(sizes[: at + 1]))) for at in range(len(sizes)))
    tasks = make_tasks(partition, split)
    assert [group for task in tasks for group in task] == list(range(len(sizes)))
    assert all(len(task) == 1 or len(prompts_of(task, partition)) <= split for task in tasks)
    shards = [task for number in range(count) for task in Shard(number + 1, count).of(tasks)]
    assert sorted(shards) == sorted(tasks)


def test_a_shard_as_it_is_typed() -> None:
    assert parse_shard("2/8") == Shard(2, 8)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match=r"shard: expected a number and how many"):
        parse_shard(text)
