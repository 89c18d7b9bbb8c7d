"""Renders the example workflows and saves, beside each, what it makes as one .jpg: its thumbnail.

Run by scripts/make_thumbnails.sh with ComfyUI's Python.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
from comfyui_server import Server, serve
from install_comfyui import REPO
from PIL import Image, ImageDraw, ImageFont
from workflow_to_api import saves_grid, to_api

WORKFLOWS = REPO / "example_workflows"
SIDE = 640
PAPER, INK = "#f4f1ea", "#333333"


def square(images: Sequence[Image.Image], caption: str) -> Image.Image:
    """The pictures row by row, as large as fits; the caption stands in the first free cell."""
    columns = math.ceil(math.sqrt(len(images)))
    cell = SIDE // columns
    picture = Image.new("RGB", (columns * cell, columns * cell), PAPER)
    for index, image in enumerate(images):
        tile = image.convert("RGB").resize((cell, cell), Image.Resampling.LANCZOS)
        picture.paste(tile, (index % columns * cell, index // columns * cell))
    if len(images) < columns**2:
        row, column = divmod(len(images), columns)
        middle = ((column + 0.5) * cell, (row + 0.5) * cell)
        font = ImageFont.load_default(cell // 7)
        ImageDraw.Draw(picture).multiline_text(middle, caption, INK, font, anchor="mm", align="center", spacing=8)
    return picture


def film(paths: Sequence[Path]) -> Image.Image:
    """As many of the clips, evenly chosen, as each has frames, a row each."""
    clips = []
    for path in paths:
        with av.open(str(path)) as file:
            clips.append([frame.to_image() for frame in file.decode(video=0)])
    number = len(clips[0])
    return square([frame for row in range(number) for frame in clips[row * len(clips) // number]], "")


def thumbnail(server: Server, workflow: Path) -> Image.Image:
    """Runs the workflow and draws what it saved: its comparison grid, or else its pictures in a square."""
    graph = to_api(json.loads(workflow.read_text("utf-8")), server.get("/object_info"))
    outputs = server.queue(graph)
    for node, output in outputs.items():
        if saves_grid(graph, node):
            return Image.open(server.files(output)[0]).convert("RGB")
    files = [path for output in outputs.values() for path in server.files(output)]
    if files[0].suffix == ".mp4":
        return film(files)
    # A line of the grouping report begins "24 prompts in 6 groups (".
    lines = [line for output in outputs.values() for text in output.get("text", []) for line in text.splitlines()]
    counts = next(line for line in lines if " prompts in " in line).partition(" (")[0]
    return square([Image.open(path) for path in files], counts.replace(" in ", "\n"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the folder of ComfyUI")
    parser.add_argument("names", nargs="*", help="of workflows; all of them if none is given")
    args = parser.parse_args()
    chosen = [WORKFLOWS / f"{name}.json" for name in args.names] or [
        workflow for workflow in sorted(WORKFLOWS.glob("*.json")) if "SageDemoModel" in workflow.read_text("utf-8")
    ]
    with tempfile.TemporaryDirectory() as folder, serve(args.root, Path(sys.executable), Path(folder)) as server:
        for workflow in chosen:
            target = workflow.with_suffix(".jpg")
            thumbnail(server, workflow).save(target, quality=90, optimize=True)
            print(f"{target.relative_to(REPO)}: {target.stat().st_size // 1024} kB", flush=True)


if __name__ == "__main__":
    main()
