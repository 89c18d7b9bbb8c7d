"""The card of a model: what it and its judge reach, with pictures that went right and that went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

SAMPLERS = ("euler", "dpmpp_2m")
_TILE, _COLUMNS, _TEXT = 128, 8, 12
SHOWN = (
    "sizes: small, large", "places: on the left, on the right, at the top, at the bottom",
    "two, three or four of one thing; two things, left of, right of, above or below each other; three in a row",
)  # fmt: skip


@dataclass(frozen=True)
class About:
    """
    Attributes:
        name: of the card's files.
        title, family: of the text.
        number: pictures a row of the fidelity table.
        shown: what can be in its pictures, besides subjects, colours, materials, settings and weather.
        scenes: some of those kept from training.
    """

    name: str
    title: str
    family: str
    number: int = 1000
    shown: tuple[str, ...] = SHOWN
    scenes: Callable[[int], list[Scene]] = unseen_scenes


def judge_rates(judge: DemoJudge, test: Dataset, drawings: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """How often the judge is right on drawings of each style.

    Args:
        drawings: of the test, by what is said after their style's name.
    """
    return {
        style + how: drawing_accuracy(judge, test, pictures, style)
        for how, pictures in drawings.items() for style, share in zip(STYLES, test.styles, strict=True) if share
    }  # fmt: skip


def write_card(folder: Path, about: About, parts: tuple[Any, Any, Any], judge: DemoJudge, judging: str) -> None:
    """`<name>.md` and `<name>.jpg` in the folder.

    Args:
        parts: MODEL, CLIP and VAE.
        judging: what the card says of the judge.
    """
    scenes = about.scenes(about.number)
    table, shown = {}, {}
    for sampler in SAMPLERS:
        table[f"{sampler}, 20 steps"], pictures, judged = fidelity(parts, judge, scenes, sampler=sampler)
        for kind in sorted({scene.kind for scene in scenes}):
            chosen = [each for each, scene in zip(judged, scenes, strict=True) if scene.kind == kind]
            shown[f"{sampler}, {kind}"] = (len(chosen), float(np.mean([all(each.values()) for each in chosen])))
        if sampler == SAMPLERS[0]:
            _sheet(scenes, pictures, judged).save(folder / f"{about.name}.jpg", quality=88)
    (folder / f"{about.name}.json").write_text(json.dumps({"fidelity": table, "kinds": shown}, indent=1))
    (folder / f"{about.name}.md").write_text(_text(about, table, shown, judging), "utf-8")


def _sheet(scenes: list[Scene], pictures: torch.Tensor, judged: list[dict[str, bool]]) -> Image.Image:
    """The first pictures as they come, then the first failures, with what was wrong."""
    wrong = [index for index, each in enumerate(judged) if not all(each.values())]
    parts = [(list(range(32)), "as they come"), (wrong[:16], "failures")]
    text, title_text, top = TextRenderer(_TEXT), TextRenderer(16), 0

    def words_under(index: int) -> list[tuple[str, tuple[int, int, int]]]:
        """Lines and their colours."""
        bad = ", ".join(name for name, right in judged[index].items() if not right)
        said = [(line, (30, 30, 30)) for line in text.wrap(caption(scenes[index]), _TILE)]
        return said + [(line, (190, 30, 30)) for line in text.wrap(f"wrong: {bad}" if bad else "", _TILE)]

    under = {index: words_under(index) for chosen, _ in parts for index in chosen}
    height = _TILE + (1 + max(map(len, under.values()))) * text.line
    sheet = Image.new("RGB", (_COLUMNS * (_TILE + 8), 6 * height + 60), "white")
    draw = ImageDraw.Draw(sheet)
    for chosen, title in parts:
        title_text.draw(draw, (4, top + 2), title, "black")
        for place, index in enumerate(chosen):
            x, y = place % _COLUMNS * (_TILE + 8) + 4, top + 28 + place // _COLUMNS * height
            array = (pictures[index].movedim(0, -1) * 255).round().byte().numpy()
            sheet.paste(Image.fromarray(array).resize((_TILE, _TILE)), (x, y))
            for line, (words, colour) in enumerate(under[index]):
                text.draw(draw, (x, y + _TILE + 2 + line * text.line), words, colour)
        top += 28 + -(-len(chosen) // _COLUMNS) * height
    return sheet.crop((0, 0, sheet.width, top))


def _text(about: About, table: dict[str, dict[str, float]], kinds: dict[str, tuple[int, float]], judging: str) -> str:
    rows = [f"- {name}: everything right in {rate:.1%} of {number} pictures" for name, (number, rate) in kinds.items()]
    return "\n".join([
        f"# {about.title}", "", f"{about.family} It knows nothing but what is listed here.", "",
        f"- subjects: {', '.join(SUBJECTS)}", f"- colours: {', '.join(COLOURS)}",
        f"- materials: {', '.join(MATERIALS)} (plain is not said)",
        f"- settings: {', '.join(SCENERIES.values())}; on a red, blue ... background",
        f"- weather: {', '.join(filter(None, WEATHERS.values()))}",
        *(f"- {line}" for line in about.shown), "", f"![Samples and failures]({about.name}.jpg)", "",
        "## Fidelity", "",
        f"{about.number} prompts with a pair of subject and colour that was kept from training, CFG 4, scheduler "
        "simple, a seed each. Right means that the judge (below) sees everything that the prompt says; `all` asks for "
        "all of it at once.", "", table_of_rates(table), "", *rows, "",
        "## The judge", "", judging, "",
    ])  # fmt: skip


def table_of_rates(rows: dict[str, dict[str, float]]) -> str:
    """Rates in percent, as Markdown."""
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for name, row in rows.items():
        lines.append([name, *(f"{100 * row[key]:.1f}%" if key in row else "" for key in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
