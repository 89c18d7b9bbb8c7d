"""Teaches the demo model large scenes, as a LoRA, and its judge to look at them; says how faithful both are.

    cd tools && python -m large_scenes.train --out DIR [--steps 9000] [--install]

Seeded; drawings, latents, judge and LoRA are kept in DIR, and the training goes on where it was stopped. `--install`
puts LoRA, judge and card into benchmarks/data.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import comfyui

comfyui.load()

import numpy as np
from demo_model.card import About, judge_rates, table_of_rates, write_card
from demo_model.evaluate import fidelity
from demo_model.scenes import Scene
from demo_model.steps import log

from .model import DATA, JUDGE, LORA, load_large_scenes_model
from .scenes import TEST, large_scene
from .training import PACE, examples, train, trained_judge


def unseen(number: int, seed: int = 0) -> list[Scene]:
    """Scenes with a pair of subject and colour that was kept from training."""
    return [large_scene(np.random.default_rng([43, seed, index]), held_out=True) for index in range(number)]


ABOUT = About(
    "large_scenes", "Large scenes",
    f"The demo model with a LoRA (rank {PACE.rank}) for pictures of 192 x 192 pixels, of three to five things in two "
    "rows, for benchmarks: harder than what the demo model draws. Trained by `tools/large_scenes`, which also writes "
    "this page.", 200, ("two rows, one above the other, of one to three things each; two or three of a kind",), unseen,
)  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for drawings, checkpoints and results")
    parser.add_argument("--steps", type=int, default=9_000)
    parser.add_argument("--install", action="store_true", help="put LoRA, judge and card into benchmarks/data")
    options = parser.parse_args()
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    judge, lora = trained_judge(folder), folder / LORA.name

    def report(step: int) -> None:
        log(folder, "fidelity", step=step, **fidelity(load_large_scenes_model(lora), judge, unseen(50, seed=1))[0])

    train(examples(folder), lora, options.steps, report)
    rates = judge_rates(judge, TEST, {"": TEST.pictures(folder)})
    judging = (
        "The demo model's judge after more training on drawings of large scenes. Right on drawings that it has not "
        "seen, all of them with a pair of subject and colour that the model was never shown:\n\n"
        f"{table_of_rates(rates)}"
    )
    write_card(folder, ABOUT, load_large_scenes_model(lora), judge, judging)
    if options.install:
        for name in (LORA.name, JUDGE.name, "large_scenes.md", "large_scenes.jpg"):
            shutil.copy(folder / name, DATA / name)


if __name__ == "__main__":
    main()
