"""How faithful the clips are: prompts that were kept from training, looked at by the judge, frame by frame."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from comfyui_sage.sage_core.demo.judge import Seen, Verdict, load_demo_judge
from comfyui_sage.sage_core.demo.video import FRAMES, load_demo_video_model
from demo_model.card import table_of_rates
from demo_model.evaluate import render
from demo_model.judging import agreement, judge_pictures, rates
from demo_model.scenes import SUBJECTS, Scene, caption
from PIL import Image

from .clips import MOVES, clip_scene, draw_clip, move_of

CARD, SHEET = "demo_video.md", "demo_video.jpg"
_judge = lru_cache(load_demo_judge)
_LEAST = 16.0
"""How far a thing has to go from the first frame to the last, in pixels; drawn ones go 48."""


def unseen_clips(number: int, seed: int = 0) -> list[Scene]:
    """Scenes of clips with a pair of subject and colour that was kept from training."""
    return [clip_scene(np.random.default_rng([37, seed, index]), held_out=True) for index in range(number)]


def clip_fidelity(weights: Path, number: int, seed: int = 0) -> tuple[dict[str, float], torch.Tensor]:
    """Rates of clips in which every frame shows what the prompt says, and the thing moves as it should; the clips."""
    scenes = unseen_clips(number, seed)
    clips = render(
        load_demo_video_model(weights), [caption(scene) for scene in scenes], seed=seed, batch=number,
        latent_size=(16, FRAMES, 16, 16),
    )  # fmt: skip
    return rates([judged(scene, clip) for scene, clip in zip(scenes, clips, strict=True)]), clips


def judged(scene: Scene, clip: torch.Tensor) -> dict[str, bool]:
    """What is right in a clip, (FRAMES, 3, 128, 128) from 0 to 1: in every frame, but for the move."""
    verdicts, _, _ = judge_pictures(_judge(), clip)
    frames = [agreement(scene, verdict) for verdict in verdicts]
    right = {name: all(frame[name] for frame in frames) for name in frames[0] if name not in ("size", "place")}
    return {**right, "move": _moves(scene, verdicts)}


def _moves(scene: Scene, verdicts: list[Verdict]) -> bool:
    """Whether the thing goes where its subject goes; one that grows stays where it is."""
    if not verdicts[0].things or not verdicts[-1].things:
        return False
    first, last = verdicts[0].things[0], verdicts[-1].things[0]
    gone = {"rises": first.y - last.y, "falls": last.y - first.y, "goes right": last.x - first.x,
            "goes left": first.x - last.x}  # fmt: skip
    move = move_of(scene.things[0].subject)
    return gone[move] >= _LEAST if move in gone else _distance(first, last) < _LEAST


def _distance(first: Seen, last: Seen) -> float:
    return float(np.hypot(first.x - last.x, first.y - last.y))


def drawn_fidelity(number: int) -> dict[str, float]:
    """Rates of drawn clips of the same prompts: the most that the judge can see."""
    return rates([
        judged(scene, torch.from_numpy(draw_clip(scene, np.random.default_rng(index))).movedim(-1, 1).float() / 255)
        for index, scene in enumerate(unseen_clips(number))
    ])  # fmt: skip


def write_card(weights: Path, number: int = 100) -> None:
    """What the LoRA is and how faithful, as Markdown with a sheet of clips, beside the weights."""
    found, clips = clip_fidelity(weights, number)
    rows = (clips[:12] * 255).round().byte().permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    Image.fromarray(rows.numpy()).save(weights.with_name(SHEET), quality=88)
    moves = [f"- {move}: {', '.join(subjects)}" for move, subjects in subjects_by_move().items()]
    weights.with_name(CARD).write_text("\n".join([
        "# The demo model for clips", "", f"Clips of {FRAMES} frames, 128 x 128 pixels, with one thing that moves as "
        "its subject does. A LoRA (rank 32) of the demo model, whose network looks at all frames at once. Trained by "
        "`tools/video_model` on drawn clips, which also writes this page.", "", *moves, "",
        f"![Clips, a row each]({SHEET})", "", "## Fidelity", "",
        f"{number} prompts with a pair of subject and colour that was kept from training, euler, 20 steps, CFG 4, "
        "scheduler simple. Right means: in all frames, as the demo model's judge sees them; `move`: it goes where it "
        "should. The judge knows pictures with things in their places, not at the edge; the second row is what it says "
        "of drawn clips of the same prompts.", "",
        table_of_rates({"clips": found, "drawn clips": drawn_fidelity(number)}), "",
    ]), "utf-8")  # fmt: skip


def subjects_by_move() -> dict[str, list[str]]:
    """The subjects of every move."""
    return {move: [subject for subject in SUBJECTS if move_of(subject) == move] for move in MOVES}
