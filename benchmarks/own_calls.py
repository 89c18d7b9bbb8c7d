"""Where a prompt's own calls should lie in corrected sharing: evenly in the steps, or as the part of noise falls.

    python benchmarks/own_calls.py --out DIR [--model unet] [--scheduler karras] [--shift 8] [--sampler dpmpp_2m]
        [--cfg 4] [--shares 0.7 0.8] [--seeds 3]

The groups of 4 and 8 prompts of `correction.py` in 20 steps, for several values of `NOISE_EXPONENT`. Rendered twice:
with the seeds that `correction.py` takes, and with as many others. Resumable: of what is in DIR/own_calls.json only
every prompt alone is rendered again, to compare with. Several runs may have the same DIR; own_calls.md has all of them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import comfyui

comfyui.load()

from comfy.samplers import calculate_sigmas
from comfy_extras.nodes_model_advanced import ModelSamplingSD3
from comfyui_sage.sage_core.sampling.divergence import noise_fraction
from comfyui_sage.sage_core.sharing import correction_plan
from correction import likeness, measured_cells
from fidelity import SCHEDULER, Group, Rendering, Setting, summary
from rendered_models import MODELS
from results_file import Kept
from scene_groups import BLOCKS, make_groups

STEPS, PROMPTS = 20, 8
EXPONENTS = (None, 1.0, 1.35, 1.75)
"""None: evenly in the steps, whatever the noise."""


def own_calls(model: Any, scheduler: str, share: float) -> tuple[int, ...]:
    """The own calls of a prompt, with a sampler that calls the model once a step."""
    sampling = model.get_model_object("model_sampling")
    sigmas = calculate_sigmas(sampling, scheduler, STEPS)[:-1]
    return correction_plan.spread_calls(STEPS, share, [noise_fraction(sampling, float(sigma)) for sigma in sigmas])


def spaced(exponent: float | None) -> Any:
    """Context in which own calls lie like this."""
    if exponent is None:
        spread = correction_plan.spread_calls
        return mock.patch.object(correction_plan, "spread_calls", lambda calls, share, noise: spread(calls, share))
    return mock.patch.object(correction_plan, "NOISE_EXPONENT", exponent)


def run(
    rendering: Rendering, groups: Sequence[Group], sampler: str, shares: Sequence[float], told: str, results: Kept
) -> None:
    """Render what is missing with some seeds: every prompt alone, then each share and exponent."""
    alone, evaluations = rendering(groups, Setting(sampler, STEPS))
    results[f"{told}/alone"] = {
        "told": told, "share": 0.0, "calls": (), **summary(rendering.judge, groups, alone, evaluations),
        "like": likeness(alone, alone),
    }  # fmt: skip
    for share, exponent in itertools.product(shares, EXPONENTS):
        if (key := f"{told}/{share}/{exponent}") in results:
            continue
        with spaced(exponent):
            calls = own_calls(rendering.model, rendering.scheduler, share)
            found, evaluations = rendering(groups, Setting(sampler, STEPS, share, condition="auto", correction="on"))
        results[key] = {
            "told": told, "share": share, "exponent": exponent, "calls": calls,
            **summary(rendering.judge, groups, found, evaluations), "like": likeness(found, alone),
        }  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Everything as Markdown."""
    lines = ["| run | share | own calls lie | own calls | paid | all right, % | pixel error x 1000 (worst 5%) |",
             "|" + "---|" * 7]  # fmt: skip
    for each in rows:
        exponent = each.get("exponent")
        lie = "" if not each["calls"] else "evenly in the steps" if exponent is None else f"by noise, {exponent:g}"
        cells = [each["told"], f"{each['share']:.0%}", lie, " ".join(map(str, each["calls"])), *measured_cells(each)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--model", choices=MODELS, default="demo")
    parser.add_argument("--scheduler", default=SCHEDULER)
    parser.add_argument("--shift", type=float, help="of a rectified flow; without it, the model's own")
    parser.add_argument("--sampler", default="dpmpp_2m")
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.7, 0.8])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    results = Kept(options.out / "own_calls.json")
    rendering = Rendering(options.cfg, options.model, options.scheduler)
    if options.shift:
        rendering.model = ModelSamplingSD3().patch(rendering.model, options.shift)[0]
    groups = make_groups(BLOCKS["related"], range(2 * options.seeds), PROMPTS)
    half = len(groups) // 2
    shift = f", shift {options.shift:g}" if options.shift else ""
    told = f"{options.model}, {options.sampler}, {options.scheduler}{shift}, CFG {options.cfg:g}, seeds"
    run(rendering, groups[:half], options.sampler, options.shares, f"{told} 0 to {options.seeds - 1}", results)
    others = f"{told} {options.seeds} to {2 * options.seeds - 1}"
    run(rendering, groups[half:], options.sampler, options.shares, others, results)
    (options.out / "own_calls.md").write_text(table(list(results.values())) + "\n")


if __name__ == "__main__":
    main()
