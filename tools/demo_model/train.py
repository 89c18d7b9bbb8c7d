"""Trains the demo model and its judge from nothing: draws scenes, learns, writes weights, card and sample grid.

    cd tools && python -m demo_model.train --out DIR [--steps 24000] [--install]

Seeded; every stage is kept in DIR and goes on where it was stopped. About three hours on two cores with bf16
instructions, minutes on a GPU. The autoencoder starts from the one in the pack, unless `--fresh` is given (then it
needs about four times its steps). `--install` puts the weights into the pack.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import comfyui

comfyui.load()

import torch
from comfyui_sage.sage_core.demo import judge, model
from safetensors.torch import load_file

from .autoencoder import encode, normalise, preview_fit, restore, train_autoencoder
from .card import About, judge_rates, table_of_rates, write_card
from .dataset import JUDGE, TEST, TRAIN
from .denoiser import export, train_denoiser
from .evaluate import fidelity, unseen_scenes
from .judging import save_judge, train_judge
from .steps import log

ABOUT = About(
    "demo_model", "The demo model",
    "A text-to-image model for trying things without a download: drawn scenes at 128 x 128, rectified flow, Stable "
    "Diffusion 3 family (MMDiT of 3 blocks and width 192, CLIP text model of 3 layers and width 128, TAESD "
    "autoencoder of 16 channels). Trained from drawings made by `tools/demo_model`, which also writes this page.",
)  # fmt: skip


def judging(rates: dict[str, dict[str, float]]) -> str:
    """What the card says of the judge."""
    return "\n".join([
        "A small network trained on drawings of both styles, some of them as the autoencoder gives them back. Right on "
        "real drawings that it has not seen, all of them with a pair of subject and colour that the demo model was "
        "never shown (sticker is the style that only the judge knows):", "", table_of_rates(rates), "",
        "`text_of_100`: of 100 captions, how often its own is the nearest to a drawing. The judge tells sizes of "
        "single things only; it knows no shapes but these and takes what it sees for the nearest of them; it sees "
        "middles on a grid of 8 pixels. A figure from it can be wrong by as much as its own errors on drawings.",
    ])  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for drawings, checkpoints and results")
    parser.add_argument("--steps", type=int, default=24_000, help="of the denoiser")
    parser.add_argument("--fresh", action="store_true", help="do not start from the pack's own autoencoder")
    parser.add_argument("--install", action="store_true", help="put the weights into the pack")
    options = parser.parse_args()
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    judged = JUDGE.pictures(folder)
    known = load_file(model.WEIGHTS) if model.WEIGHTS.exists() and not options.fresh else {}
    init = {key.removeprefix("vae."): value.float() for key, value in known.items() if key.startswith("vae.")}
    autoencoder = train_autoencoder(judged, folder, device, init)
    drawings = TRAIN.pictures(folder)
    judge_file = folder / judge.WEIGHTS.name
    if not judge_file.exists():
        restored = restore(autoencoder, judged, folder / "restored.npy", device)  # what a model's picture can be like
        sets = [(TRAIN, drawings), (JUDGE, judged), (JUDGE, restored)]
        save_judge(train_judge(sets, folder, device), judge_file)
    demo_judge = judge.load_demo_judge(judge_file)

    raw = encode(autoencoder, drawings, folder / "latents.npy", device)
    normalise(autoencoder, torch.from_numpy(raw[:5000].astype("f4")))
    latents = ((raw - raw[:5000].mean(dtype="f4")) / raw[:5000].std(dtype="f4")).astype("f2")
    preview = preview_fit(latents[:500], drawings[:500])
    weights_file = folder / model.WEIGHTS.name
    scenes = unseen_scenes(100, seed=1)

    def report(weights: dict[str, torch.Tensor], step: int) -> None:
        export({**weights, **preview}, autoencoder, weights_file)
        log(folder, "fidelity", step=step, **fidelity(model.load_demo_model(weights_file), demo_judge, scenes)[0])

    weights = train_denoiser(TRAIN, latents, folder, device, options.steps, report)
    export({**weights, **preview}, autoencoder, weights_file)
    tests = TEST.pictures(folder)
    restored = restore(autoencoder, tests, folder / "test_restored.npy", device)
    rates = judge_rates(demo_judge, TEST, {"": tests, ", through the autoencoder": restored})
    write_card(folder, ABOUT, model.load_demo_model(weights_file), demo_judge, judging(rates))
    if options.install:
        for name in (weights_file.name, judge_file.name, "demo_model.md", "demo_model.jpg"):
            shutil.copy(folder / name, model.WEIGHTS.parent / name)
    print(json.dumps({"weights": str(weights_file)}))


if __name__ == "__main__":
    main()
