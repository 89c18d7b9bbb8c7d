"""Large models with random weights: what a row costs, what sharing saves of the time, and what recording costs.

    python benchmarks/large_speed.py --json FILE [--model flux] [--compile]     on a GPU, at most 10 minutes
    python benchmarks/large_speed.py --json FILE --model flux --width 128 --depth 1 --side 128   a trial on a CPU

SDXL's UNet or a third of Flux's transformer (--depth 19 is all of it) at 1024 x 1024, in bfloat16. Prompts are in
groups of 4. Times are medians of three runs in turns after a first one, so that compiling does not count. Finished
parts are in FILE: a rerun goes on, and no part begins after --minutes. --compile is ComfyUI's own
torch.compile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import comfy.utils
import large_models
import torch
from accelerators import compiled
from comfyui_sage.sage_core.sampling import ksampler
from results_file import Kept
from speed import groups_of, in_turns

import nodes as host_nodes

BATCHES = (1, 2, 4, 8, 16)
SHARES = {
    "share 20%": {"share": 0.2}, "share 40%": {"share": 0.4}, "share 60%": {"share": 0.6},
    "share 40%, corrected": {"share": 0.4, "correction": "on"},
}  # fmt: skip

Figures = dict[str, float]


@dataclass
class Watched:
    """A run, and the most memory of the GPU that it had, in GB; 0 on a CPU."""

    run: Callable[[], int]
    peak: float = 0.0

    def __call__(self) -> int:
        """Run; gives the evaluations."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        evaluations = self.run()
        if torch.cuda.is_available():
            self.peak = torch.cuda.max_memory_allocated() / 2**30
        return evaluations


class Bench:
    """The parts of the benchmark for one model.

    Args:
        prompts: a multiple of 4.
        steps: of every run but those that only time a row.
    """

    def __init__(self, large: large_models.LargeModel, side: int, prompts: int, steps: int, *, compiles: bool) -> None:
        self.large, self.side, self.steps = large, side, steps
        *positives, self.negative = large.texts(prompts + 1)
        self.groups = groups_of(positives, 4)
        self.model = large.patcher()
        if compiles:
            self.model, _ = compiled(self.model, [])

    def parts(self) -> dict[str, Callable[[], Figures]]:
        """What is measured, by name."""
        rows = {f"{count} at once": partial(self.rows, count) for count in BATCHES}
        return (
            rows | {name: partial(self.shared, **case) for name, case in SHARES.items()} | {"recording": self.records}
        )

    def rows(self, count: int) -> Figures:
        """ComfyUI's KSampler with so many rows."""
        run = Watched(partial(self._by_comfyui, count, steps=2))
        evaluations, seconds = self._measure({"": run})[""]
        return {"seconds per evaluation": seconds / evaluations, "peak": run.peak}

    def shared(self, **settings: Any) -> Figures:
        """A run that shares, against share 0."""
        runs = {"shared": Watched(partial(self._sage, **settings)), "alone": Watched(self._sage)}
        found = self._measure(runs)
        (evaluations, seconds), (all_evaluations, all_seconds) = found["shared"], found["alone"]
        return {
            "evaluations saved": 1 - evaluations / all_evaluations, "time saved": 1 - seconds / all_seconds,
            "peak": runs["shared"].peak, "peak alone": runs["alone"].peak,
        }  # fmt: skip

    def records(self) -> Figures:
        """Recording all steps against ComfyUI's KSampler, which does not, and replaying them for every prompt."""
        record = partial(
            ksampler.sample_prefix, self.model, self.groups, self.negative, self.large.latent(self.side),
            **self._settings(), share=1.0,
        )  # fmt: skip
        prefix, _ = record()
        runs = {
            "recorded": record, "not recorded": partial(self._by_comfyui, len(self.groups.partition), self.steps),
            "replayed": partial(ksampler.sample_branch, self.model, prefix), "alone": self._sage,
        }  # fmt: skip
        seconds = {name: found[1] for name, found in self._measure(runs).items()}
        return {
            "recording": seconds["recorded"] / seconds["not recorded"] - 1,
            "replaying": seconds["replayed"] / seconds["alone"],
        }  # fmt: skip

    @staticmethod
    def _measure(runs: dict[str, Callable[[], Any]]) -> dict[str, tuple[Any, float]]:
        """What each run gives, and its median seconds. Nothing is counted at the network: that would compile anew."""
        given = {name: run() for name, run in runs.items()}
        seconds = in_turns(runs, repeats=3)
        return {name: (given[name], seconds[name]) for name in runs}

    def _settings(self) -> dict[str, Any]:
        return {
            "seed": 1, "steps": self.steps, "cfg": self.large.cfg, "sampler_name": "euler", "scheduler": "simple",
            "denoise": 1.0,
        }  # fmt: skip

    def _sage(self, share: float = 0.0, **settings: Any) -> int:
        """A run of SAGE; gives the evaluations."""
        _, record = ksampler.sample_recorded(
            self.model, self.groups, self.negative, self.large.latent(self.side), **self._settings(), share=share,
            **settings,
        )  # fmt: skip
        return record.evaluations

    def _by_comfyui(self, count: int, steps: int) -> int:
        """A run of ComfyUI's KSampler; gives the evaluations."""
        host_nodes.common_ksampler(
            self.model, 1, steps, self.large.cfg, "euler", "simple", self.groups.conditionings[0], self.negative,
            self.large.latent(self.side, count),
        )  # fmt: skip
        return count * steps * (1 if self.large.cfg == 1 else 2)


def report(parts: Iterable[str], found: dict[str, Figures]) -> None:
    """The tables of the parts that are finished."""
    print("\n| rows at once | seconds per evaluation | peak, GB |\n|---|---|---|")
    for count in BATCHES:
        if figures := found.get(f"{count} at once"):
            print(f"| {count} | {figures['seconds per evaluation']:.4f} | {figures['peak']:.1f} |")
    print("\n| | evaluations saved | time saved | ratio | peak, GB | peak alone, GB |\n" + "|---" * 6 + "|")
    for name in SHARES:
        if figures := found.get(name):
            saved, spared = figures["evaluations saved"], figures["time saved"]
            peaks = f"{figures['peak']:.1f} | {figures['peak alone']:.1f}"
            print(f"| {name} | {saved:.1%} | {spared:.1%} | {spared / saved:.2f} | {peaks} |")
    if figures := found.get("recording"):
        recording, replaying = figures["recording"], figures["replaying"]
        print(
            f"\nRecording all steps of every group: {recording:+.1%} on the time of ComfyUI's KSampler for these rows."
        )
        print(f"Replaying them for every prompt, without an evaluation: {replaying:.1%} of the time without sharing.")
    if missing := [part for part in parts if part not in found]:
        print(f"\nNot measured yet: {', '.join(missing)}. Run this again.")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="the figures of finished parts")
    parser.add_argument("--model", choices=("sdxl", "flux"), default="sdxl")
    parser.add_argument("--width", type=int, help="320 for sdxl, 3072 for flux")
    parser.add_argument("--depth", type=int, default=6, help="double blocks of flux; twice as many are single")
    parser.add_argument("--side", type=int, default=1024, help="pixels")
    parser.add_argument("--prompts", type=int, default=8, help="a multiple of 4")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--minutes", type=float, default=6, help="after so many, no part begins")
    options = parser.parse_args()
    comfy.utils.PROGRESS_BAR_ENABLED = False
    began, kept = time.monotonic(), Kept(options.json)
    width = options.width or {"sdxl": 320, "flux": 3072}[options.model]
    large = large_models.sdxl(width) if options.model == "sdxl" else large_models.flux(width, options.depth)
    bench = Bench(large, options.side, options.prompts, options.steps, compiles=options.compile)
    name = f"{options.model} {width} wide" + (f", {options.depth} deep" if options.model == "flux" else "")
    name += (f", {options.side} x {options.side}, {options.prompts} prompts, {options.steps} steps, "
             f"{bench.model.load_device}{', torch.compile' * options.compile}")  # fmt: skip
    print(name)
    parts, found = bench.parts(), kept.get(name, {})
    with torch.inference_mode():
        for part, run in parts.items():
            if part not in found and time.monotonic() - began < 60 * options.minutes:
                found[part] = run()
                kept[name] = found
                print(f"{part}: done after {time.monotonic() - began:.0f} s", flush=True)
    report(parts, found)


if __name__ == "__main__":
    main()
