"""Trains the UNet from nothing, with the demo model as its teacher, and writes its weights and its card.

    cd tools && python -m unet_model.train --out DIR [--steps 8000] [--install]

Seeded; every stage is kept in DIR and goes on where it was stopped, also with more steps than before. `--install` puts
the weights and the card into benchmarks/data.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import comfyui

comfyui.load()

import torch
from comfyui_sage.sage_core.demo.judge import load_demo_judge
from comfyui_sage.sage_core.demo.model import load_demo_model
from demo_model.autoencoder import model_latents
from demo_model.card import About, write_card
from demo_model.dataset import TRAIN
from demo_model.encoded_texts import encoded_texts
from demo_model.evaluate import fidelity, unseen_scenes
from demo_model.steps import log
from torch import nn

from .model import WEIGHTS, load_unet_model
from .training import Examples, export, spoken_texts, train_unet

DATASET = replace(TRAIN, number=12_000)
"""The first of the demo model's drawings: passing them through the autoencoder takes longest on a CPU."""
ABOUT = About(
    "unet_model", "The UNet model",
    "A second text-to-image model on the demo model's scenes, for benchmarks and tests: Stable Diffusion 1.5 family "
    "(UNet of two levels, 64 and 128 channels, noise prediction, discrete schedule), with the demo model's text "
    "encoder and autoencoder. Trained from nothing by `tools/unet_model`, which also writes this page: the noise that "
    "it is to predict is what the demo model sees in drawings with noise, so it can hardly know more than its teacher. "
    "What differs is the network, what it predicts, and the schedule.", number=200,
)  # fmt: skip
JUDGING = "It is that of the demo model, whose card (`sage_core/demo/data/demo_model.md`) says how often it is wrong."


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for drawings, checkpoints and results")
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--install", action="store_true", help="put weights and card into benchmarks/data")
    options = parser.parse_args()
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights, judge, scenes = folder / WEIGHTS.name, load_demo_judge(), unseen_scenes(100, seed=1)

    def report(network: nn.Module, step: int) -> None:
        export(network, weights)
        log(folder, "fidelity", step=step, **fidelity(load_unet_model(weights), judge, scenes)[0])

    export(train_unet(examples(folder), folder, device, options.steps, report), weights)
    write_card(folder, ABOUT, load_unet_model(weights), judge, JUDGING)
    if options.install:
        WEIGHTS.parent.mkdir(exist_ok=True)
        for name in (weights.name, "unet_model.md", "unet_model.jpg"):
            shutil.copy(folder / name, WEIGHTS.parent / name)


def examples(folder: Path) -> Examples:
    """All of the dataset, as the model sees it."""
    _, clip, vae = load_demo_model()
    latents = model_latents(vae, DATASET.pictures(folder), folder / "latents.npy")
    texts, said = spoken_texts(DATASET)
    return Examples(latents, *encoded_texts(clip, texts), torch.from_numpy(said))


if __name__ == "__main__":
    main()
