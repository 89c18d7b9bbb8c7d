"""Teaches the demo model clips of drawn things that move, as a LoRA, and says how faithful they are.

    cd tools && python -m video_model.train --out DIR [--clips 2500] [--steps 9000] [--install]

Seeded; the drawings, their latents and the LoRA are kept in DIR, and the training goes on where it was stopped.
`--install` puts the LoRA and its card into sage_core/demo/data.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import comfyui

comfyui.load()

from comfyui_sage.sage_core.demo.video import WEIGHTS

from .evaluate import CARD, SHEET, write_card
from .training import drawn, train


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for drawings, checkpoints and results")
    parser.add_argument("--clips", type=int, default=2500)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--install", action="store_true", help="put the LoRA into sage_core/demo/data")
    options = parser.parse_args()
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    train(drawn(folder, options.clips), folder / WEIGHTS.name, options.steps)
    write_card(folder / WEIGHTS.name)
    if options.install:
        for name in (WEIGHTS.name, CARD, SHEET):
            shutil.copy(folder / name, WEIGHTS.parent / name)


if __name__ == "__main__":
    main()
