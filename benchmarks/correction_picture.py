"""Draws what correction does: the same prompts alone, with fewer steps, shared, and shared and corrected.

    python benchmarks/correction_picture.py PICTURE.jpg [--sampler euler] [--cfg 4]

One group of eight unrelated prompts, from the same noise, with the demo model. Every row says what it cost.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import comfyui

comfyui.load()

import numpy as np
import torch
from comfyui_sage.sage_core.images.convert import tensor_to_picture
from fidelity import Rendering, Setting
from PIL import Image, ImageDraw, ImageFont
from scene_groups import BLOCKS, make_groups

PROMPTS, EDGE, LABEL = 8, 128, 26


def rows(sampler: str) -> dict[str, Setting]:
    """What is compared, by the words of its label."""
    return {
        "alone, 20 steps": Setting(sampler, 20),
        "alone, fewer steps": Setting(sampler, 6),
        "shared 80%, not corrected": Setting(sampler, 20, 0.8),
        "shared 80%, corrected": Setting(sampler, 20, 0.8, condition="auto", correction="on"),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--sampler", default="euler")
    parser.add_argument("--cfg", type=float, default=4.0)
    options = parser.parse_args()
    rendering = Rendering(options.cfg)
    groups = make_groups(BLOCKS["related"]._replace(sizes=(PROMPTS,)), range(1))
    group = next(group for group in groups if group.kind == "all")
    lines = rows(options.sampler)
    sheet = Image.new("RGB", (PROMPTS * EDGE, len(lines) * (EDGE + LABEL)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for line, (label, setting) in enumerate(lines.items()):
        found, evaluations = rendering([group], setting)
        top = line * (EDGE + LABEL)
        pen.text((6, top + 4), f"{label}: {evaluations / PROMPTS / 2:.1f} steps an image", "black", font)
        for column, each in enumerate(found[0]):
            picture = torch.from_numpy(np.moveaxis(each["picture"], 0, -1))
            sheet.paste(tensor_to_picture(picture), (column * EDGE, top + LABEL))
    sheet.save(options.picture, quality=90)


if __name__ == "__main__":
    main()
