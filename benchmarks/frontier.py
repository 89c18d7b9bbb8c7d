"""Who wins at which budget: the best result of each way to save evaluations, at 2 to 20 steps paid for an image.

    python benchmarks/frontier.py [--out benchmarks/results]

Renders nothing: it reads the tables that `correction.py` and `lora_quality.py` have made, in benchmarks/results. The
best of a way is the row within the budget that has most pictures with everything right; of rows within one standard
error of that (its own or theirs: it is 0 where all are right), the one whose pictures are most like those of every
prompt alone in all steps (of LoRAs, like drawings of the style). Among the ways the winner is found in the same way.
Writes frontier.md and frontier.png.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import paper_table

RESULTS = Path(__file__).resolve().parent / "results"
BUDGETS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20)
ALONE, PLAIN, CORRECTED = "fewer steps, alone", "sharing, not corrected", "sharing, corrected"
WAYS = {
    ALONE: r"alone", "a cache, alone": r"alone, \w+Cache", PLAIN: r"shared(, fixed)?", "tree": r"shared, tree",
    "sharing with a cache": r"shared, .*Cache", CORRECTED: r"corrected, .*",
}  # fmt: skip
LORA_WAYS = {
    f"{lora} LoRA, {way}": f"{lora}, {how}"
    for lora in ("plain", "L_SAGE")
    for way, how in (("fewer steps", "alone"), ("shared", "shared"), ("corrected", "corrected"))
}
LORAS = {**paper_table.SOURCES, "lora_quality_dpmpp_2m.md": "dpmpp_2m, 216 pictures and three seeds per row"}
COLOURS = ("black", "#999999", "#d55e00", "#e69f00", "#cc79a7", "#0072b2")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        how: alone, shared or corrected, and in which mode.
        paid: steps an image.
        right, error: pictures with everything right, in percent, and the standard error of that; of LoRAs, half the
            interval over their seeds.
        unlike: pixel error to the picture alone in all steps, x 1000; of LoRAs, the Fréchet distance to drawings.
    """

    how: str
    steps: int
    share: str
    paid: float
    right: float
    error: float
    unlike: float


def read_tables(path: Path) -> dict[str, list[Row]]:
    """The rows of a file, by the title of their table."""
    found: dict[str, list[Row]] = {}
    title = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.split("|")][1:-1]
        if len(cells) < 6 or not re.fullmatch(r"[0-9.]+", cells[3]):
            continue
        right, error = map(float, cells[4].split("±"))
        unlike = float(cells[5].split()[0])
        found.setdefault(title, []).append(
            Row(cells[0], int(cells[1]), cells[2], float(cells[3]), right, error, unlike)
        )
    return found


def read_loras(path: Path) -> list[Row]:
    """The rows of a table of LoRAs."""
    return [
        Row(
            f"{row.lora}, {'corrected' if row.corrected else 'shared' if row.share else 'alone'}", row.steps,
            f"{row.share}%" if row.share else "", paper_table.STEPS * (1 - row.saved / 100), row.figures["all right"],
            row.interval, row.figures["distance"],
        )
        for row in paper_table.read_rows(path)
    ]  # fmt: skip


def best(rows: Sequence[Row]) -> Row | None:
    """The best of some rows, see above; None of none."""
    if not rows:
        return None
    most = max(rows, key=lambda row: (row.right, -row.unlike))
    as_good = (row for row in rows if row.right >= most.right - max(most.error, row.error))
    return min(as_good, key=lambda row: (row.unlike, row.paid))


def at_budget(rows: Sequence[Row], budget: float, ways: Mapping[str, str]) -> dict[str, Row]:
    """The best row of each way that costs no more."""
    found = {}
    for way, pattern in ways.items():
        affordable = [row for row in rows if row.paid <= budget + 0.05 and re.fullmatch(pattern, row.how)]
        if (row := best(affordable)) is not None:
            found[way] = row
    return found


def table(rows: Sequence[Row], ways: Mapping[str, str]) -> str:
    """A line a budget, a column a way; the winner is bold."""
    lines = [f"| steps paid, at most | {' | '.join(ways)} |", "|" + "---|" * (1 + len(ways))]
    for budget in (each for each in BUDGETS if each <= max(row.paid for row in rows)):
        found = at_budget(rows, budget, ways)
        winner = best(list(found.values()))
        cells = []
        for way in ways:
            row = found.get(way)
            text = "" if row is None else f"{row.right:.1f} ± {row.error:.1f} ({_setting(row)}; {row.unlike:g})"
            cells.append(f"**{text}**" if row is not None and row is winner else text)
        if winner is not None:
            lines.append(f"| {budget} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _setting(row: Row) -> str:
    shared = f", {row.share} shared" if row.share else ""
    mode = f" {word}" if (word := row.how.rpartition(", ")[2]) in ("auto", "tree") else ""
    return f"{row.steps} steps{shared}{mode}"


def plot(tables: dict[str, list[Row]], path: Path) -> None:
    """What the best row of each way has right, against the budget; a panel a table."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = 3
    lines = -(-len(tables) // columns)
    height = 3.5 * lines
    figure, panels = pyplot.subplots(lines, columns, figsize=(4.6 * columns, height), sharey=True, squeeze=False)
    for panel in panels.flat[len(tables) :]:
        panel.set_visible(False)
    for panel, (title, rows) in zip(panels.flat, tables.items(), strict=False):
        for (way, pattern), colour in zip(WAYS.items(), COLOURS, strict=True):
            paid = sorted({row.paid for row in rows if re.fullmatch(pattern, row.how)})
            right = [max(row.right for row in rows if row.paid <= at and re.fullmatch(pattern, row.how)) for at in paid]
            if paid:
                panel.step(paid, right, where="post", marker="o", markersize=3, color=colour, label=way)
        panel.set_title(textwrap.fill(title, 56), fontsize=9)
        panel.set_xlim(0, 20.5)
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("pictures with everything right, %")
    drawn = {line.get_label(): line for panel in panels.flat for line in panel.get_lines()}
    figure.legend(drawn.values(), drawn.keys(), loc="lower center", ncols=len(WAYS), fontsize=8)
    figure.supxlabel("steps paid for an image", y=0.35 / height, fontsize=10)
    figure.tight_layout(rect=(0, 0.55 / height, 1, 1))
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the table and the plot")
    options = parser.parse_args()
    tables = {
        f"{title} ({path.stem.removeprefix('correction_')})": rows
        for path in sorted(RESULTS.glob("correction_*.md")) for title, rows in read_tables(path).items()
    }  # fmt: skip
    text = ["# Who wins at which budget", "", "`python benchmarks/frontier.py`, from the tables of `correction.py`. In "
            "every cell: pictures with everything right, % ± standard error (how; pixel error x 1000). Bold: the best "
            "of all ways at this budget; ways within one standard error of it can be as good. Where a title says "
            "\"earlier correction\", corrected rows were rendered before the difference of uncond faded with guidance.",
            "",
            "![Pictures with everything right against steps paid](frontier.png)", ""]  # fmt: skip
    for title, rows in tables.items():
        text += [f"## {title}", "", table(rows, WAYS), ""]
    text += ["# With LoRAs for a style", "", "The same from the tables of `lora_quality.py`: ± half the 95% interval "
             "over three seeds (0 where there is one), and the Fréchet distance to drawings in that style in the "
             "place of the pixel error.", ""]  # fmt: skip
    for name, title in LORAS.items():
        text += [f"## {title}", "", table(read_loras(RESULTS / name), LORA_WAYS), ""]
    (options.out / "frontier.md").write_text("\n".join(text), encoding="utf-8")
    plot(tables, options.out / "frontier.png")


if __name__ == "__main__":
    main()
