"""The table of the SAGE paper again: what each way gains on a LoRA trained as usual, under the same sharing.

    python benchmarks/paper_table.py [--out benchmarks/results]

Renders nothing: it reads the tables that `lora_quality.py` has made, in benchmarks/results. The paper (arXiv
2509.15865) reports for its loss at 40% shared steps, against standard fine-tuning: Frechet distance 5.0% lower, text
score 5.4% higher, diversity 160% higher; and 25.5% fewer evaluations. Writes paper_table.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
SOURCES = {
    "lora_quality_euler.md": "euler, 864 pictures and three seeds per row",
    "lora_quality_corrected.md": "dpmpp_2m, 216 pictures and one seed per row",
    "lora_quality_unet.md": "Another model, a UNet that predicts noise: dpmpp_2m, 216 pictures and one seed per row",
    "lora_quality_rows_dpmpp_2m.md": "Three things in a row: dpmpp_2m, 96 pictures and three seeds per row",
    "lora_quality_large_scenes.md": "Two rows of things: dpmpp_2m, 96 pictures and three seeds per row",
}
STEPS = 20
BANDS = ("loosest third", "middle third", "tightest third")
WAYS = (("L_SAGE", False), ("plain", True), ("L_SAGE", True))
"""LoRA, and whether shared steps are corrected."""


@dataclass(frozen=True)
class Row:
    """A row of a table of `lora_quality.py`.

    Attributes:
        share: of the steps, in percent.
        saved: evaluations of `STEPS` steps of each prompt alone, in percent.
        interval: of what is right, half of it; 0 for a single seed.
        figures: the other columns by their names; means, where there are intervals.
    """

    lora: str
    steps: int
    share: int
    corrected: bool
    saved: float
    interval: float
    figures: dict[str, float]


def read_rows(path: Path) -> list[Row]:
    """The rows of a table of `lora_quality.py`."""
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in path.read_text("utf-8").splitlines() if line.startswith("| ")
    ]  # fmt: skip
    (lora, steps, share, saved, *names), *rows = lines
    assert (lora, steps, share, saved) == ("LoRA", "steps", "share", "saved"), path
    return [
        Row(
            row[0], int(row[1]), int(row[2].split("%")[0]), row[2].endswith("corrected"), float(row[3].rstrip("%")),
            float(row[4].partition("±")[2] or 0),
            {name: float(cell.split()[0]) for name, cell in zip(names, row[4:], strict=True)},
        )
        for row in rows
    ]  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """A line a share and way, against the plain LoRA with the same share and no correction."""
    lines = ["| shared | way | evaluations | all right, % (plain) | distance | text score | diversity (of each prompt "
             "alone) | distance, " + " | distance, ".join(BANDS) + " |", "|" + "---|" * 10]  # fmt: skip
    found = {(row.lora, row.share, row.corrected): row for row in rows}
    alone = found["plain", 0, False]
    for share in sorted({row.share for row in rows if row.share}):
        plain = found.get(("plain", share, False))
        for lora, corrected in WAYS:
            row = found.get((lora, share, corrected))
            if row is None or plain is None:
                continue
            way = f"{lora} LoRA{', corrected' if corrected else ''}"
            ours, theirs = row.figures, plain.figures
            cells = [
                f"{share}%", way, f"-{row.saved:.1f}%", f"{ours['all right']:.1f} ({theirs['all right']:.1f})",
                *(_change(ours[name], theirs[name]) for name in ("distance", "text score")),
                f"{_change(ours['diversity'], theirs['diversity'])} "
                f"({ours['diversity'] / alone.figures['diversity']:.0%})",
                *(_change(ours[f"distance, {band}"], theirs[f"distance, {band}"]) for band in BANDS),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _change(ours: float, theirs: float) -> str:
    """'-12%', in percent of theirs."""
    return f"{100 * (ours / theirs - 1):+.1f}%"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the table")
    options = parser.parse_args()
    text = ["# The paper's table again", "", "`python benchmarks/paper_table.py`, from the tables of "
            "`lora_quality.py`. Changes are against a LoRA trained as usual (plain), with the same share and without "
            "correction. Distance is the Fréchet distance to drawings in the style to learn: lower is better. The "
            "paper, at 40%: evaluations -25.5%, distance -5.0%, text score +5.4%, diversity +160%.", ""]  # fmt: skip
    for name, title in SOURCES.items():
        rows = [row for row in read_rows(RESULTS / name) if row.steps == STEPS]
        text += [f"## {title}", "", table(rows), ""]
    (options.out / "paper_table.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
