"""Draws the small image set that the pack carries for its training example: a style the demo model has never seen.

    cd tools && python -m demo_model.style_set

Writes sage_core/demo/data/demo_images.png: one sheet of 128 x 128 pictures, with their captions in its text.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .drawing import SIZE, draw
from .scenes import Scene, Thing, caption

FILE = Path(__file__).resolve().parents[2] / "sage_core" / "demo" / "data" / "demo_images.png"
COLUMNS = 4


def scenes() -> list[Scene]:
    """Eight groups of four; colours, subjects or settings differ in a group."""
    by_colour = [
        ("car", "snow", ("red", "blue", "green", "yellow")), ("boat", "sea", ("white", "yellow", "pink", "red")),
        ("flower", "field", ("red", "blue", "purple", "pink")),
        ("balloon", "sunset", ("red", "yellow", "pink", "blue")),
        ("umbrella", "city", ("red", "purple", "green", "yellow")),
    ]  # fmt: skip
    made = [Scene((Thing(subject, each),), setting=at) for subject, at, colours in by_colour for each in colours]
    made += [Scene((Thing(subject, "red"),), setting="desert") for subject in ("house", "cup", "rocket", "mushroom")]
    made += [Scene((Thing("star", "yellow"),), setting=at) for at in ("night", "room", "blue", "pink")]
    heart = Scene((Thing("heart", "pink"),), setting="white")
    return made + [replace(heart, count=count) for count in (1, 2, 3, 4)]


def main() -> None:
    """Draws, and writes beside and renames."""
    chosen = scenes()
    sheet = Image.new("RGB", (COLUMNS * SIZE, len(chosen) // COLUMNS * SIZE))
    for index, scene in enumerate(chosen):
        row, column = divmod(index, COLUMNS)
        picture = draw(scene, np.random.default_rng([11, index]), "sticker")
        sheet.paste(Image.fromarray(picture), (column * SIZE, row * SIZE))
    texts = PngInfo()
    texts.add_text("captions", json.dumps([caption(scene) for scene in chosen]))
    part = FILE.with_suffix(".part")
    sheet.save(part, "PNG", pnginfo=texts, optimize=True)
    part.replace(FILE)
    print(FILE, FILE.stat().st_size, file=sys.stderr)


if __name__ == "__main__":
    main()
