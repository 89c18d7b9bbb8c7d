"""Corrected sharing against its rivals: every prompt alone in fewer steps or with a cache; sharing uncorrected.

    python benchmarks/correction.py --out DIR [--samplers euler dpmpp_2m uni_pc dpmpp_2m_sde] [--seeds 3]
        [--first-seed 0] [--cfg 4] [--steps 20] [--model demo] [--blocks pairs related unrelated rows large]

Groups of 2, and groups of 4 and 8 prompts, whose subject, or subject, colour and setting differ; groups of 16 and 32
unrelated prompts; groups of 4 and 8 with three things in a row, of which one or all differ: few steps draw these badly;
and the same with three to five things in two rows (with the model large_scenes). They are rendered with one of
`rendered_models` and looked at by the judge. Beside what is right there is how like each picture is to the one that its
prompt gets alone, from the same noise, in all steps: mean squared error of the pixels, and cosine distance of the
judge's features. Errors are standard errors over groups.
Resumable: what is in DIR/correction.json is not rendered again. Writes a table (correction.md) and a plot
(correction.png).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import numpy as np
from clips import ClipRendering
from fidelity import Rendering, Setting, cost_axis, summary
from rendered_models import MODELS
from results_file import Kept
from scene_groups import BLOCKS, Block, make_groups
from step_caches import CACHES

SAMPLERS = ("euler", "dpmpp_2m", "uni_pc", "dpmpp_2m_sde")
FEWER = (10, 8, 6, 5, 4, 3, 2)


def settings(sampler: str, steps: int) -> list[Setting]:
    """Alone, without correction, and with it: as the nodes offer it."""

    def corrected(steps: int, share: float, mode: str = "fixed") -> Setting:
        return Setting(sampler, steps, share, condition="auto", mode=mode, correction="on")

    found = [
        Setting(sampler, steps),
        *(Setting(sampler, fewer) for fewer in FEWER if steps // 5 <= fewer < steps),
        *(Setting(sampler, steps, share, cache=cache) for cache in CACHES for share in (0.0, 0.4)),
        *(Setting(sampler, steps, share) for share in (0.4, 0.6, 0.8)),
        *(Setting(sampler, steps, share, mode="tree") for share in (0.4, 0.6)),
        *(corrected(steps, share) for share in (0.4, 0.6, 0.7, 0.8, 0.9)),
        *(corrected(steps, share, "auto") for share in (0.4, 0.7)),
    ]
    if steps == 20:
        found += [Setting(sampler, 10, 0.4), corrected(10, 0.8)]
    return found


def likeness(found: list[list[dict[str, Any]]], alone: list[list[dict[str, Any]]]) -> dict[str, float]:
    """Mean squared error of the pixels (0 to 1), and cosine distance of the features, to the pictures of `alone`."""
    pairs = [(a, b) for mine, theirs in zip(found, alone, strict=True) for a, b in zip(mine, theirs, strict=True)]
    errors = [float(((a["picture"] - b["picture"]) ** 2).mean()) for a, b in pairs]
    cosines = [
        float(a["features"] @ b["features"] / (np.linalg.norm(a["features"]) * np.linalg.norm(b["features"])))
        for a, b in pairs
    ]
    return {"error": float(np.mean(errors)), "worst": float(np.quantile(errors, 0.95)), "apart": 1 - np.mean(cosines)}


def run(
    block: Block, sampler: str, steps: int, rendering: Rendering, results: Kept, seeds: range, prompts: int
) -> None:
    """Render what is missing of one block of groups with one sampler."""
    groups = make_groups(block, seeds, prompts)
    alone: list[list[dict[str, Any]]] | None = None
    for setting in settings(sampler, steps):
        key = f"{block.title}/{setting.mode}/{setting.key}"
        if key in results:
            continue
        if alone is None:
            alone, evaluations = rendering(groups, Setting(sampler, steps))
        if setting == Setting(sampler, steps):
            found = alone
        else:
            found, evaluations = rendering(groups, setting)
        shown = {
            "block": block.title, "sampler": sampler, "steps": setting.steps, "share": setting.share,
            "mode": setting.mode, "corrected": setting.correction == "on", "cache": setting.cache,
            **summary(rendering.judge, groups, found, evaluations),
            "like": likeness(found, alone),
        }  # fmt: skip
        if rendering.cfg == 1:  # a step has no evaluation of the negative
            shown["paid"] *= 2
        results[key] = shown
        print(
            f"{key:<70} paid {shown['paid']:5.2f} right {shown['all']:.1%} mse {shown['like']['error']:.5f}", flush=True
        )


def way(row: dict[str, Any]) -> str:
    """How a row of the results was rendered, whatever its steps and share."""
    kind = "alone" if not row["share"] else "corrected" if row["corrected"] else "shared"
    return ", ".join([kind, *([row["mode"]] if row["share"] else []), *([row["cache"]] if row["cache"] else [])])


def measured_cells(row: dict[str, Any]) -> list[str]:
    """Steps paid, pictures with everything right, and pixel error, as cells of a table."""
    like = row["like"]
    return [f"{row['paid']:.2f}", f"{100 * row['all']:.1f} ± {100 * row['error']:.1f}",
            f"{1000 * like['error']:.2f} ({1000 * like['worst']:.1f})"]  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Everything as Markdown, by cost."""
    lines = ["| how | steps | share | paid | all right, % | pixel error x 1000 (worst 5%) | features apart | diversity "
             "| distance |", "|" + "---|" * 9]  # fmt: skip
    for each in sorted(rows, key=lambda row: -row["paid"]):
        how = way(each)
        share = f"{each['share']:.0%}" if each["share"] else ""
        like = each["like"]
        cells = [how, each["steps"], share, *measured_cells(each), f"{like['apart']:.4f}", f"{each['diversity']:.3f}",
                 f"{each['distance']:.2f}"]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def plot(results: dict[str, dict[str, Any]], block: Block, samplers: Sequence[str], steps: int, path: Path) -> None:
    """What is right, and pixel error, against cost; a column a sampler.

    Args:
        steps: of the corrected runs that are drawn.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, len(samplers), figsize=(4.2 * len(samplers), 7), sharey="row", squeeze=False)

    kinds = {
        "alone, fewer steps": ("black", "alone"), "shared, not corrected": ("#d55e00", "shared, fixed"),
        "corrected, fixed": ("#0072b2", "corrected, fixed"), "corrected, auto": ("#009e73", "corrected, auto"),
    }  # fmt: skip
    for column, sampler in enumerate(samplers):
        rows = [row for row in results.values() if row["block"] == block.title and row["sampler"] == sampler]
        for label, (colour, chosen) in kinds.items():
            found = [row for row in rows if way(row) == chosen and (row["steps"] == steps or not row["corrected"])]
            points = sorted((row["paid"], row["all"], row["like"]["error"]) for row in found)
            for line, at in enumerate((1, 2)):
                drawn = [(point[0], point[at]) for point in points if at == 1 or point[at] > 0]
                if drawn:
                    panels[line][column].plot(
                        *zip(*drawn, strict=True), "o-", markersize=3.5, color=colour, label=label
                    )
        panels[0][column].set_title(sampler)
        panels[1][column].set_yscale("log")
        for line in (0, 1):
            cost_axis(panels[line][column])
    panels[0][0].set_ylabel("pictures with everything right")
    panels[1][0].set_ylabel("pixel error to the picture alone")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0, help="others check a table; give each a folder of its own")
    parser.add_argument("--prompts", type=int, default=24, help="of every kind, group size and seed")
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--model", choices=MODELS, default="demo", help="give each a folder of its own")
    parser.add_argument(
        "--blocks", nargs="+", choices=BLOCKS, default=["related", "unrelated", "rows"], help="kinds of groups"
    )
    options = parser.parse_args()
    results = Kept(options.out / "correction.json")
    renders = ClipRendering if options.model == "video" else Rendering
    rendering = renders(options.cfg, options.model)
    blocks = [BLOCKS[name] for name in options.blocks]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for sampler in options.samplers:
        for block in blocks:
            run(block, sampler, options.steps, rendering, results, seeds, options.prompts)
    drawn = f"{options.model} model, seeds {seeds.start} to {seeds.stop - 1}, {options.prompts} prompts of a kind, "
    drawn += f"size and seed, CFG {options.cfg:g}, {options.steps} steps"
    text = [f"{drawn}; paid: steps an image", ""]
    for block in blocks:
        for sampler in options.samplers:
            rows = [row for row in results.values() if (row["block"], row["sampler"]) == (block.title, sampler)]
            text += [f"## {sampler}, {block.title}", "", table(rows), ""]
    (options.out / "correction.md").write_text("\n".join(text))
    plot(results, blocks[0], options.samplers, options.steps, options.out / "correction.png")


if __name__ == "__main__":
    main()
