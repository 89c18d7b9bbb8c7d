"""Drawn clips: one thing that rises, falls, passes by or grows, as its subject does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from comfyui_sage.sage_core.demo.video import FRAMES
from demo_model.dataset import drawn_once
from demo_model.drawing import SIZE, Spot, draw_at, layout
from demo_model.scenes import Scene, random_scene

_REACH = 24.0
"""How far from the middle a clip starts and ends, in pixels."""
_Move = Callable[[Spot, float], Spot]
MOVES: dict[str, _Move] = {
    "rises": lambda spot, at: spot._replace(y=spot.y - _REACH * at),
    "falls": lambda spot, at: spot._replace(y=spot.y + _REACH * at),
    "goes right": lambda spot, at: spot._replace(x=spot.x + _REACH * at),
    "goes left": lambda spot, at: spot._replace(x=spot.x - _REACH * at),
    "grows": lambda spot, at: spot._replace(radius=spot.radius * (0.85 + 0.3 * at)),
}
"""Where a thing is, from its spot in the middle of the clip and the time from -1 to 1."""
_SUBJECTS = {
    "rises": ("balloon", "rocket", "star", "moon"),
    "goes right": ("car", "boat"),
    "goes left": ("fish",),
    "grows": ("tree", "flower", "mushroom", "house"),
}


def move_of(subject: str) -> str:
    """The key of MOVES for a subject; all that is not listed falls."""
    return next((move for move, subjects in _SUBJECTS.items() if subject in subjects), "falls")


def clip_scene(rng: np.random.Generator, *, held_out: bool) -> Scene:
    """A scene with one thing, whose place is not said.

    Args:
        held_out: as in `random_scene`.
    """
    while True:
        scene = random_scene(rng, held_out=held_out)
        if scene.kind == "single":
            return replace(scene, place="centre")


def numbered_scene(index: int) -> tuple[Scene, np.random.Generator]:
    """The scene of a clip to learn from, as it follows from its number, and the generator to go on with."""
    rng = np.random.default_rng([31, index])
    return clip_scene(rng, held_out=False), rng


def numbered_clip(index: int) -> np.ndarray:
    """The clip of that number, as `draw_clip` gives it."""
    return draw_clip(*numbered_scene(index))


def draw_clip(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(FRAMES, 128, 128, 3) uint8; only the thing moves."""
    (spot,), state, move = layout(scene, rng), rng.bit_generator.state, MOVES[move_of(scene.things[0].subject)]
    frames = []
    for at in np.linspace(-1, 1, FRAMES):
        rng.bit_generator.state = state
        frames.append(draw_at(scene, [move(spot, float(at))], rng))
    return np.stack(frames)


def drawn_clips(folder: Path, number: int) -> np.ndarray:
    """The frames of all clips, (number x FRAMES, 128, 128, 3) uint8, drawn once and kept in the folder."""
    path, shape = folder / f"clips_{number}.npy", (number, FRAMES, SIZE, SIZE, 3)
    return drawn_once(path, numbered_clip, shape).reshape(-1, SIZE, SIZE, 3)
