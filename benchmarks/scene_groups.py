"""Groups of scenes for the benchmarks, by what differs between their prompts. Import it after `comfyui.load`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from demo_model.scenes import BACKGROUNDS, COLOURS, SCENERIES, SUBJECTS, Scene, Thing, allowed
from fidelity import Group, related_scenes
from large_scenes.scenes import in_rows, is_read, large_scene


class Block(NamedTuple):
    """Groups whose figures are one table.

    Attributes:
        kinds: names of different lengths, as the length seeds the scenes: two of one length would begin with the same.
        scenes: different scenes of a kind, by kind and number.
    """

    title: str
    sizes: tuple[int, ...]
    kinds: tuple[str, ...]
    scenes: Callable[[str, int, np.random.Generator], tuple[Scene, ...]]


def make_groups(block: Block, seeds: Iterable[int], prompts: int = 24) -> list[Group]:
    """The groups of a block; every seed has its own scenes and noises.

    Args:
        prompts: of every kind, size and seed; at least one group of each.
    """
    made = []
    for seed, size, kind in itertools.product(seeds, block.sizes, block.kinds):
        for number in range(max(1, prompts // size)):
            rng = np.random.default_rng([seed, size, number, len(kind)])
            made.append(Group(kind, block.scenes(kind, size, rng), 1000 * (1 + seed) + number))
    return made


def row_scenes(kind: str, size: int, rng: np.random.Generator) -> tuple[Scene, ...]:
    """Rows of three different things in one setting; one of them, or all, are others in every scene."""
    setting = str(rng.choice((*SCENERIES, *BACKGROUNDS)))
    first = row_of_things(setting, rng)
    place = int(rng.integers(3))
    scenes: dict[Scene, None] = {}
    while len(scenes) < size:
        things = row_of_things(setting, rng)
        if kind == "one of three":
            things = tuple(things[place] if at == place else thing for at, thing in enumerate(first))
        if len({thing.subject for thing in things}) == 3:
            scenes[Scene(things, setting=setting)] = None
    return tuple(scenes)


def row_of_things(setting: str, rng: np.random.Generator) -> tuple[Thing, ...]:
    """Three different things that can be seen in a setting."""
    while True:
        subjects = rng.permutation(SUBJECTS)[:3]
        things = tuple(Thing(str(subject), str(rng.choice(COLOURS))) for subject in subjects)
        if allowed(things, setting):
            return things


def large_scenes(kind: str, size: int, rng: np.random.Generator) -> tuple[Scene, ...]:
    """Two rows of things in one setting; one kind of thing, or all, are others in every scene."""
    first = large_scene(rng, held_out=None)
    numbers = [len(list(equal)) for _, equal in itertools.groupby(first.things)]
    place = int(rng.integers(len(numbers)))
    start = sum(numbers[:place])
    scenes: dict[Scene, None] = {}
    while len(scenes) < size:
        other = in_rows(numbers, first.above, first.setting, first.weather, rng)
        if kind == "one of two rows":
            end = start + numbers[place]
            if other.things[start].subject in {thing.subject for thing in first.things}:
                continue
            other = replace(first, things=first.things[:start] + other.things[start:end] + first.things[end:])
        if is_read(other):
            scenes[other] = None
    return tuple(scenes)


def unrelated_scenes(size: int, rng: np.random.Generator) -> tuple[Scene, ...]:
    """Different scenes, every part of each drawn for itself."""
    scenes: dict[Scene, None] = {}
    while len(scenes) < size:
        things = (Thing(str(rng.choice(SUBJECTS)), str(rng.choice(COLOURS))),)
        setting = str(rng.choice((*SCENERIES, *BACKGROUNDS)))
        if allowed(things, setting):
            scenes[Scene(things, setting=setting)] = None
    return tuple(scenes)


BLOCKS = {
    "pairs": Block("groups of 2", (2,), ("subject", "all"), related_scenes),
    "related": Block("groups of 4 and 8", (4, 8), ("subject", "all"), related_scenes),
    "unrelated": Block(
        "groups of 16 and 32, unrelated", (16, 32), ("unrelated",), lambda _, size, rng: unrelated_scenes(size, rng)
    ),
    "rows": Block("groups of 4 and 8, three things in a row", (4, 8), ("one of three", "three of three"), row_scenes),
    "large": Block(
        "groups of 4 and 8, two rows of things", (4, 8), ("one of two rows", "two whole rows"), large_scenes
    ),
}
