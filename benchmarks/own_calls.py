"""Where a prompt's own calls should lie in corrected sharing: early, evenly, or late in a run.

    python benchmarks/own_calls.py --out DIR [--model demo] [--samplers dpmpp_2m euler] [--cfg 7] [--shares 0.7]

The groups of 4 and 8 prompts of `correction.py`, in 20 steps, for several values of `NOISE_EXPONENT`. Rendered twice:
with the seeds that `correction.py` takes, and with as many others.
Resumable: what is in DIR/own_calls_MODEL.json is not rendered again. Writes a table (own_calls_MODEL.md).
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
from comfyui_sage.sage_core.sampling.divergence import noise_fraction
from comfyui_sage.sage_core.sharing import correction_plan
from correction import likeness
from fidelity import SCHEDULER, Group, Rendering, Setting, summary
from rendered_models import MODELS
from results_file import Kept
from scene_groups import BLOCKS, make_groups

STEPS, PROMPTS = 20, 8
EXPONENTS = (1.0, 1.35, 1.75, 2.5)


def noise_of_calls(model: Any) -> list[float]:
    """The part of noise at every call of a model, with a sampler that calls it once a step."""
    sampling = model.get_model_object("model_sampling")
    return [noise_fraction(sampling, float(sigma)) for sigma in calculate_sigmas(sampling, SCHEDULER, STEPS)[:-1]]


def run(
    rendering: Rendering, groups: Sequence[Group], sampler: str, shares: Sequence[float], seeds: str, results: Kept
) -> None:
    """Render what is missing with one sampler and some seeds: every prompt alone, then each share and exponent."""
    noise = noise_of_calls(rendering.model)
    alone, evaluations = rendering(groups, Setting(sampler, STEPS))
    told: dict[str, Any] = {"cfg": rendering.cfg, "sampler": sampler, "seeds": seeds}
    results[f"{rendering.cfg}/{sampler}/{seeds}/0"] = {
        **told, "share": 0.0, "exponent": "", "calls": [], **summary(rendering.judge, groups, alone, evaluations),
        "like": likeness(alone, alone),
    }  # fmt: skip
    for share, exponent in itertools.product(shares, EXPONENTS):
        key = f"{rendering.cfg}/{sampler}/{seeds}/{share}/{exponent}"
        if key in results:
            continue
        with mock.patch.object(correction_plan, "NOISE_EXPONENT", exponent):
            calls = correction_plan.spread_calls(STEPS, share, noise)
            found, evaluations = rendering(groups, Setting(sampler, STEPS, share, condition="auto", correction="on"))
        results[key] = {
            **told, "share": share, "exponent": exponent, "calls": calls,
            **summary(rendering.judge, groups, found, evaluations), "like": likeness(found, alone),
        }  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Everything as Markdown."""
    lines = ["| CFG | sampler | seeds | share | exponent | own calls | paid | all right, % | pixel error x 1000 (worst "
             "5%) |", "|" + "---|" * 9]  # fmt: skip
    for each in sorted(rows, key=lambda row: (row["cfg"], row["sampler"], row["seeds"], row["share"])):
        like = each["like"]
        cells = [f"{each['cfg']:g}", each["sampler"], each["seeds"], f"{each['share']:.0%}", each["exponent"],
                 " ".join(map(str, each["calls"])), f"{each['paid']:.2f}",
                 f"{100 * each['all']:.1f} ± {100 * each['error']:.1f}",
                 f"{1000 * like['error']:.2f} ({1000 * like['worst']:.1f})"]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--model", choices=MODELS, default="demo")
    parser.add_argument("--samplers", nargs="+", default=["dpmpp_2m", "euler"])
    parser.add_argument("--cfg", type=float, default=7.0)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.7])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    results = Kept(options.out / f"own_calls_{options.model}.json")
    rendering = Rendering(options.cfg, options.model)
    groups = make_groups(BLOCKS["related"], 2 * options.seeds, PROMPTS)
    half = len(groups) // 2
    for sampler in options.samplers:
        run(rendering, groups[:half], sampler, options.shares, f"0 to {options.seeds - 1}", results)
        run(rendering, groups[half:], sampler, options.shares, f"{options.seeds} to {2 * options.seeds - 1}", results)
    (options.out / f"own_calls_{options.model}.md").write_text(table(list(results.values())) + "\n")


if __name__ == "__main__":
    main()
