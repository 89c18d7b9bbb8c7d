"""Scenes of three to five things in two rows, some of them two or three of a kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from demo_model.dataset import Dataset
from demo_model.scenes import BACKGROUNDS, SCENERIES, Scene, Thing, any_thing, any_weather, caption

ROWS = ((1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 2))
"""Things in the upper and in the lower row."""
_WORDS = 19
"""The demo model's text encoder has hardly seen longer captions: what they say last, it does not tell the model."""
_TWINS = 0.25
"""How often a row of two or three has two or three of a kind."""


def large_scene(rng: np.random.Generator, *, held_out: bool | None) -> Scene:
    """A scene of any kind of rows.

    Args:
        held_out: as in `demo_model.scenes.random_scene`.
    """
    while True:
        setting = str(rng.choice((*SCENERIES, *BACKGROUNDS)))
        rows = ROWS[rng.integers(len(ROWS))]
        weather = any_weather(rng, setting)
        scene = in_rows([run for number in rows for run in runs(number, rng)], rows[0], setting, weather, rng)
        if (held_out is None or scene.held_out == held_out) and is_read(scene):
            return scene


def is_read(scene: Scene) -> bool:
    """Whether the demo model's text encoder reads all of the caption."""
    return len(caption(scene).replace(",", " ,").split()) <= _WORDS


def runs(number: int, rng: np.random.Generator) -> tuple[int, ...]:
    """How many of a kind stand beside each other in a row of that many things."""
    return (number,) if number > 1 and rng.random() < _TWINS else (1,) * number


def in_rows(kinds: Sequence[int], above: int, setting: str, weather: str, rng: np.random.Generator) -> Scene:
    """Random things, no subject twice.

    Args:
        kinds: how many of each thing there are, from top left.
        above: as in Scene.
    """
    things: dict[str, Thing] = {}
    while len(things) < len(kinds):
        thing = any_thing(rng, setting)
        things.setdefault(thing.subject, thing)
    shown = [thing for thing, number in zip(things.values(), kinds, strict=True) for _ in range(number)]
    return Scene(tuple(shown), setting=setting, weather=weather, above=above)


class LargeDataset(Dataset):
    """Drawings of such scenes."""

    def random_scene(self, rng: np.random.Generator) -> Scene:
        """One of the scenes."""
        return large_scene(rng, held_out=self.held_out)


TRAIN = LargeDataset("large_train", 8_000, held_out=False)
"""What the model and the judge learn from."""
JUDGED = LargeDataset("large_judge", 4_000, held_out=None)
"""What the judge learns from besides: the pairs of subject and colour that are kept from the model."""
TEST = LargeDataset("large_test", 1_000, held_out=True)
"""What the judge is tested on."""
