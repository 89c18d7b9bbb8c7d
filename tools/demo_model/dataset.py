"""Drawings on disk: which scene and which spots a picture has follows from its number alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .drawing import STYLES, Spot, draw_at, layout, side
from .scenes import Scene, random_scene


@dataclass(frozen=True)
class Dataset:
    """Scenes of any kind, but for two rows of things.

    Attributes:
        name: of the file, and part of the seed.
        number: of pictures.
        held_out: as in `random_scene`.
        styles: shares of the STYLES.
        seed: another seed, other pictures.
    """

    name: str
    number: int
    held_out: bool | None
    styles: tuple[float, ...] = (1.0, 0.0)
    seed: int = 0

    def scene(self, index: int) -> tuple[Scene, list[Spot], str, np.random.Generator]:
        """Scene, spots, style, and the generator to go on with."""
        rng = np.random.default_rng([self.seed, *self.name.encode(), index])
        scene = self.random_scene(rng)
        style = str(rng.choice(STYLES, p=self.styles))
        return scene, layout(scene, rng), style, rng

    def random_scene(self, rng: np.random.Generator) -> Scene:
        """One of the scenes."""
        return random_scene(rng, held_out=self.held_out)

    def picture(self, index: int) -> np.ndarray:
        """(side, side, 3) uint8."""
        scene, spots, style, rng = self.scene(index)
        return draw_at(scene, spots, rng, style)

    def pictures(self, folder: Path, workers: int = 2) -> np.ndarray:
        """All pictures, (number, side, side, 3) uint8, drawn once and kept in the folder."""
        pixels = side(self.scene(0)[0])
        return drawn_once(folder / f"{self.name}.npy", self.picture, (self.number, pixels, pixels, 3), workers)


def drawn_once(
    path: Path, draw: Callable[[int], np.ndarray], shape: tuple[int, ...], workers: int = 2
) -> np.ndarray:  # fmt: skip
    """What `draw` makes of every number up to the first of `shape`, uint8, from the file if it is there."""
    if not path.exists():
        part = path.with_suffix(".part.npy")
        pages = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        with ProcessPoolExecutor(workers) as pool:
            for index, drawn in enumerate(pool.map(draw, range(shape[0]), chunksize=32)):
                pages[index] = drawn
        pages.flush()
        part.rename(path)
    return np.load(path, mmap_mode="r")


TRAIN = Dataset("train", 36_000, held_out=False)
"""What the demo model learns from."""
JUDGE = Dataset("judge", 20_000, held_out=None, styles=(0.5, 0.5))
"""What the judge learns from besides: the pairs kept from the model, and the second style."""
TEST = Dataset("test", 2_000, held_out=True, styles=(0.5, 0.5))
"""What the autoencoder and the judge are tested on."""
