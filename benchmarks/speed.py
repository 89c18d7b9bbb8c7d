"""What sharing saves: evaluations and wall clock, against the usual ways to render a prompt list.

    python benchmarks/speed.py                 the demo model, on a CPU a few minutes; large_speed.py has large ones

Rivals: (a) one KSampler a prompt; (b) a chain of KSampler (Advanced) nodes built by hand, one for the shared
steps of a group, then one a prompt; (0) SAGE itself at share 0, which tells the saving by sharing from the saving
by rendering many prompts in one batch. A last case is corrected. All render the same prompts from the same noise in
one process, in turns; each time is the median of the repeats.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import comfy.utils
import numpy as np
import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.sampling import ksampler
from evaluations import count_evaluations

import nodes as host_nodes

SHARES = (0.0, 0.2, 0.4, 0.6)
SIZES = (2, 4, 8)
STEPS, CFG, SEED, SAMPLER, SCHEDULER = 20, 4.0, 1, "euler", "simple"


Case = tuple[Any, list, list, dict[str, Any]]


def demo_case(prompts: int, side: int) -> Case:
    """Model, positives, negative and latent of the demo model."""
    model, clip, _ = load_demo_model()
    colours = ("red", "blue", "green", "yellow", "white", "black", "pink", "orange")
    texts = [f"a {colours[index % 8]} {('car', 'house')[index // 8 % 2]} in the snow" for index in range(prompts)]
    positives = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in texts]
    negative = clip.encode_from_tokens_scheduled(clip.tokenize(""))
    return model, positives, negative, {"samples": torch.zeros(1, 16, side // 8, side // 8)}


def groups_of(positives: list, size: int) -> PromptGroups:
    count = len(positives)
    return PromptGroups(
        prompts=tuple(f"prompt {index}" for index in range(count)), conditionings=tuple(positives),
        embeddings=np.ones((count, 1), dtype=np.float32),
        partition=tuple(tuple(range(start, start + size)) for start in range(0, count, size)),
        threshold=0.0, threshold_mode="fixed", encoder="benchmark", group_condition="auto",
    )  # fmt: skip


def one_ksampler_a_prompt(model: Any, positives: list, negative: list, latent: dict) -> None:
    for positive in positives:
        host_nodes.common_ksampler(model, SEED, STEPS, CFG, SAMPLER, SCHEDULER, positive, negative, latent)


def chain_by_hand(model: Any, groups: PromptGroups, negative: list, latent: dict, share: float) -> None:
    """Right for euler, which keeps no history; wrong for most samplers (see tests/sampling/test_laws.py)."""
    advanced, at = host_nodes.KSamplerAdvanced(), round(share * STEPS)
    common = (SEED, STEPS, CFG, SAMPLER, SCHEDULER)
    for members in groups.partition:
        half, noise = latent, "enable"
        if at:
            shared = groups.condition(members)
            half = advanced.sample(model, noise, *common, shared, negative, latent, 0, at, "enable")[0]
            noise = "disable"
        for index in members:
            advanced.sample(model, noise, *common, groups.conditionings[index], negative, half, at, STEPS, "disable")


def sage(model: Any, groups: PromptGroups, negative: list, latent: dict, share: float, correction: str = "off") -> None:
    ksampler.sample(
        model, groups, negative, latent, seed=SEED, steps=STEPS, cfg=CFG, sampler_name=SAMPLER, scheduler=SCHEDULER,
        denoise=1.0, share=share, correction=correction,
    )  # fmt: skip


def timed(run: Callable[[], Any]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(model: Any, runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, tuple[int, float]]:
    """Evaluations and median seconds of each run; one warm-up first."""
    rows = {}
    for name, run in runs.items():
        with count_evaluations(model) as evaluations:
            run()
        rows[name] = evaluations.rows
    seconds = in_turns(runs, repeats)
    return {name: (rows[name], seconds[name]) for name in runs}


def in_turns(runs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each run; they take turns, so that drift hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(timed(run))
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=16, help="a multiple of 8")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    comfy.utils.PROGRESS_BAR_ENABLED = False
    model, positives, negative, latent = demo_case(options.prompts, options.side)
    print(f"demo model on {model.load_device}, {torch.get_num_threads()} threads; {len(positives)} prompts, "
          f"{SAMPLER}, {STEPS} steps, CFG {CFG:g}; median of {options.repeats}")  # fmt: skip
    print("             | evaluations |          time saved (its ratio to the evaluations saved)           |")
    print("* corrected   |             |")
    print("group  share |       saved | against (0)           against (a)           against (b)           | seconds")
    lines = []
    with torch.inference_mode():
        for size in SIZES:
            groups = groups_of(positives, size)
            for share, correction in [*((share, "off") for share in SHARES), (SHARES[-1], "on")]:
                runs = {
                    "sage": partial(sage, model, groups, negative, latent, share, correction),
                    "a": partial(one_ksampler_a_prompt, model, positives, negative, latent),
                    "b": partial(chain_by_hand, model, groups, negative, latent, share),
                    "0": partial(sage, model, groups, negative, latent, 0.0),
                }
                found = measure(model, runs, options.repeats)
                lines.append(line(size, share, correction, found))
                sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


def line(size: int, share: float, correction: str, found: dict[str, tuple[int, float]]) -> dict[str, Any]:
    """Print one case, and give its figures."""
    saved = 1 - found["sage"][0] / found["a"][0]
    result = {"group size": size, "share": share, "correction": correction, "evaluations saved": saved}
    cells = []
    for rival in ("0", "a", "b"):
        evaluations = 1 - found["sage"][0] / found[rival][0]
        result[f"time saved against {rival}"] = time_saved = 1 - found["sage"][1] / found[rival][1]
        ratio = f"({time_saved / evaluations:.2f})" if evaluations > 0 else ""
        cells.append(f"{time_saved:8.1%} {ratio:12}")
    for name, (rows, seconds) in found.items():
        result |= {f"{name} evaluations": rows, f"{name} seconds": seconds}
    times = ", ".join(f"{name} {seconds:.2f}" for name, (_, seconds) in found.items())
    print(f"{size:5d}  {share:5.0%}{'*' if correction == 'on' else ' '}| {saved:11.1%} | {' '.join(cells)} | {times}")
    return result


if __name__ == "__main__":
    main()
