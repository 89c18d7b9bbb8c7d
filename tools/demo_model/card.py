"""The model card: what the demo model and its judge reach, with pictures that went right and that went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from comfyui_sage.sage_core.demo.judge import DemoJudge
from comfyui_sage.sage_core.images.text import TextRenderer
from PIL import Image, ImageDraw

from .dataset import Dataset
from .drawing import STYLES
from .evaluate import fidelity, unseen_scenes
from .judging import drawing_accuracy
from .scenes import COLOURS, MATERIALS, SCENERIES, SUBJECTS, WEATHERS, Scene, caption

NUMBER = 1000
"""Pictures a row of the fidelity table."""
SAMPLERS = ("euler", "dpmpp_2m")
_TILE, _COLUMNS, _TEXT = 128, 8, 12


def write_card(folder: Path, weights: Path, judge: DemoJudge, test: Dataset, drawings: dict[str, np.ndarray]) -> None:
    """`demo_model.md` and `demo_model.jpg` in the folder.

    Args:
        drawings: of the test, by what is said after their style's name.
    """
    scenes = unseen_scenes(NUMBER)
    table, shown = {}, {}
    for sampler in SAMPLERS:
        table[f"{sampler}, 20 steps"], pictures, judged = fidelity(weights, judge, scenes, sampler=sampler)
        for kind in ("single", "count", "pair", "row"):
            chosen = [each for each, scene in zip(judged, scenes, strict=True) if scene.kind == kind]
            shown[f"{sampler}, {kind}"] = (len(chosen), float(np.mean([all(each.values()) for each in chosen])))
        if sampler == SAMPLERS[0]:
            _sheet(scenes, pictures, judged).save(folder / "demo_model.jpg", quality=88)
    judge_table = {
        style + how: drawing_accuracy(judge, test, pictures, style)
        for how, pictures in drawings.items() for style in STYLES
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps({"fidelity": table, "kinds": shown, "judge": judge_table}, indent=1))
    (folder / "demo_model.md").write_text(_text(table, shown, judge_table), "utf-8")


def _sheet(scenes: list[Scene], pictures: torch.Tensor, judged: list[dict[str, bool]]) -> Image.Image:
    """The first pictures as they come, then the first failures, with what was wrong."""
    wrong = [index for index, each in enumerate(judged) if not all(each.values())]
    parts = [(list(range(32)), "as they come"), (wrong[:16], "failures")]
    height = _TILE + 6 * TextRenderer(_TEXT).line
    sheet = Image.new("RGB", (_COLUMNS * (_TILE + 8), 6 * height + 60), "white")
    draw, text, title_text, top = ImageDraw.Draw(sheet), TextRenderer(_TEXT), TextRenderer(16), 0
    for chosen, title in parts:
        title_text.draw(draw, (4, top + 2), title, "black")
        for place, index in enumerate(chosen):
            x, y = place % _COLUMNS * (_TILE + 8) + 4, top + 28 + place // _COLUMNS * height
            array = (pictures[index].movedim(0, -1) * 255).round().byte().numpy()
            sheet.paste(Image.fromarray(array), (x, y))
            bad = ", ".join(name for name, right in judged[index].items() if not right)
            lines = text.wrap(caption(scenes[index]), _TILE) + ([f"wrong: {bad}"] if bad else [])
            for line, words in enumerate(lines):
                colour = (190, 30, 30) if words.startswith("wrong") else (30, 30, 30)
                text.draw(draw, (x, y + _TILE + 2 + line * text.line), words, colour)
        top += 28 + -(-len(chosen) // _COLUMNS) * height
    return sheet.crop((0, 0, sheet.width, top))


def _text(
    table: dict[str, dict[str, float]], kinds: dict[str, tuple[int, float]], judge: dict[str, dict[str, float]]
) -> str:
    rows = [f"- {name}: everything right in {rate:.1%} of {number} pictures" for name, (number, rate) in kinds.items()]
    return "\n".join([
        "# The demo model", "",
        "A text-to-image model for trying things without a download: drawn scenes at 128 x 128, rectified flow, Stable "
        "Diffusion 3 family (MMDiT of 3 blocks and width 192, CLIP text model of 3 layers and width 128, TAESD "
        "autoencoder of 16 channels). Trained from drawings made by `tools/demo_model`, which also writes this "
        "page. It knows nothing but what is listed here.", "",
        f"- subjects: {', '.join(SUBJECTS)}", f"- colours: {', '.join(COLOURS)}",
        f"- materials: {', '.join(MATERIALS)} (plain is not said)", "- sizes: small, large",
        "- places: on the left, on the right, at the top, at the bottom",
        f"- settings: {', '.join(SCENERIES.values())}; on a red, blue ... background",
        f"- weather: {', '.join(filter(None, WEATHERS.values()))}",
        "- two, three or four of one thing; two things, left of, right of, above or below each other; three in a row",
        "", "![Samples and failures](demo_model.jpg)", "",
        "## Fidelity", "",
        f"{NUMBER} prompts with a pair of subject and colour that was kept from training, CFG 4, scheduler simple, a "
        "seed each. Right means that the judge (below) sees everything that the prompt says; `all` asks for all of it "
        "at once.", "", _table(table), "", *rows, "",
        "## The judge", "",
        "A small network trained on drawings of both styles, some of them as the autoencoder gives them back. Right on "
        "real drawings that it has not seen, all of them with a pair of subject and colour that the demo model was "
        "never shown (sticker is the style that only the judge knows):", "", _table(judge), "",
        "`text_of_100`: of 100 captions, how often its own is the nearest to a drawing. The judge tells sizes of "
        "single things only; it knows no shapes but these and takes what it sees for the nearest of them; it sees "
        "middles on a grid of 8 pixels. A figure from it can be wrong by as much as its own errors on drawings.", "",
    ])  # fmt: skip


def _table(rows: dict[str, dict[str, float]]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for name, row in rows.items():
        lines.append([name, *(f"{100 * row[key]:.1f}%" if key in row else "" for key in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
