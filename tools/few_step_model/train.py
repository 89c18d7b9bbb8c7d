"""Distils the demo model into a LoRA for four to eight steps at CFG 1, and says how faithful it is.

    cd tools && python -m few_step_model.train --out DIR [--pairs 8000] [--steps 4000] [--install]

Rectified flow (Liu et al. 2023, "reflow") on the model's own pictures: straight lines from noise to the picture that
the model makes of it with CFG 4, so that few steps are enough and CFG is inside. Seeded; both stages are kept in DIR
and go on where they were stopped. `--install` puts the LoRA and its figures into benchmarks/data.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import comfyui

comfyui.load()

import torch
from comfyui_sage.sage_core.demo.judge import load_demo_judge
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.training.trainable_model import TrainableModel
from demo_model.averaged_lora import LoraPace, train_lora
from demo_model.captioned import velocity_loss
from demo_model.card import table_of_rates
from demo_model.evaluate import fidelity, unseen_scenes
from demo_model.steps import log

from .model import LORA, load_few_step_model
from .pairs import Pairs, make_pairs

CARD = "demo_few_steps.md"
FEW = (2, 4, 8)
BATCH, PACE = 32, LoraPace()
AT_THE_START = 0.25
"""The part of the examples that are noise alone: with few steps the first one decides the most."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for pairs, checkpoints and results")
    parser.add_argument("--pairs", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--install", action="store_true", help="put the LoRA into benchmarks/data")
    options = parser.parse_args()
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    pairs = make_pairs(load_demo_model(), folder, options.pairs)
    train(pairs, folder, options.steps)
    (folder / CARD).write_text(card(folder / LORA.name), "utf-8")
    if options.install:
        LORA.parent.mkdir(exist_ok=True)
        for name in (LORA.name, CARD):
            shutil.copy(folder / name, LORA.parent / name)


def train(pairs: Pairs, folder: Path, steps: int) -> None:
    """Train the LoRA, or go on with it, and write it now and then."""
    model, _, _ = load_demo_model()
    student = TrainableModel(model, bf16=False, gradient_checkpointing=False, offloading=False)

    def loss() -> torch.Tensor:
        return flow_loss(student.patcher.model, pairs)

    train_lora(student, {}, loss, folder / LORA.name, steps, PACE, lambda step: report(folder, step))


def flow_loss(model: Any, pairs: Pairs) -> torch.Tensor:
    """The velocity loss of noise and latents that belong together."""
    chosen = torch.randint(len(pairs.noise), (BATCH,))
    sigma = torch.where(torch.rand(BATCH) < AT_THE_START, 1.0, torch.rand(BATCH).clamp(min=0.02))
    found = (pairs.latents[chosen], pairs.noise[chosen], sigma, pairs.context[chosen], pairs.pooled[chosen])
    return velocity_loss(model, *found)


def report(folder: Path, step: int) -> None:
    """Log how much is right in pictures of prompts that were kept from training, by steps."""
    parts, judge, scenes = load_few_step_model(folder / LORA.name), load_demo_judge(), unseen_scenes(100, seed=1)
    for steps in FEW:
        log(folder, "fidelity", step=step, steps=steps, **fidelity(parts, judge, scenes, steps=steps, cfg=1.0)[0])


def card(lora: Path, number: int = 300) -> str:
    """What the LoRA is and how faithful, as Markdown."""
    judge, scenes = load_demo_judge(), unseen_scenes(number)
    plain, few = load_demo_model(), load_few_step_model(lora)
    rows = {"demo model, CFG 4, 20 steps": fidelity(plain, judge, scenes)[0]}
    for name, parts in (("demo model", plain), ("with the LoRA", few)):
        for steps in FEW:
            rows[f"{name}, CFG 1, {steps} steps"] = fidelity(parts, judge, scenes, steps=steps, cfg=1.0)[0]
    return "\n".join([
        "# A LoRA for few steps", "", "Makes the demo model draw in 2 to 8 steps without CFG, for benchmarks. "
        f"Trained by `tools/few_step_model` (reflow, rank {PACE.rank}), which also writes this page.", "",
        f"{number} prompts with a pair of subject and colour that was kept from training, euler, scheduler simple, one "
        "picture each, seen by the demo model's judge. `all`: everything is right.", "", table_of_rates(rows), "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
