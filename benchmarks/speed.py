"""What sharing saves: evaluations and wall clock, against the usual ways to render a prompt list.

    python benchmarks/speed.py                 the demo model, on a CPU a few minutes
    python benchmarks/speed.py --model sdxl    SDXL's UNet with random weights, 1024 x 1024, for a GPU

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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import comfy.model_management
import comfy.samplers
import comfy.supported_models
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


def sdxl_case(prompts: int, side: int) -> Case:
    """SDXL's UNet (2.6B parameters) with random weights: the time is that of the real one, the picture is not."""
    config = comfy.supported_models.SDXL({
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "channel_mult": [1, 2, 4],
        "num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10], "transformer_depth_middle": 10,
        "context_dim": 2048, "adm_in_channels": 2816, "num_classes": "sequential", "use_linear_in_transformer": True,
        "num_head_channels": 64, "num_heads": -1, "use_spatial_transformer": True, "use_checkpoint": False,
        "legacy": False, "use_temporal_resblock": False, "use_temporal_attention": False,
    })  # fmt: skip
    device = comfy.model_management.get_torch_device()
    config.set_inference_dtype(torch.float16 if device.type == "cuda" else torch.bfloat16, None)
    model = config.get_model({}, device=device)
    generator = torch.Generator(device).manual_seed(0)
    for parameter in model.diffusion_model.parameters():
        parameter.requires_grad_(False).normal_(0, 0.02, generator=generator)
    patcher = comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=torch.device("cpu"))
    made = torch.Generator().manual_seed(1)
    texts = [
        [[torch.randn(1, 77, 2048, generator=made), {"pooled_output": torch.randn(1, 1280, generator=made)}]]
        for _ in range(prompts + 1)
    ]
    return patcher, texts[:-1], texts[-1], {"samples": torch.zeros(1, 4, side // 8, side // 8)}


def groups_of(positives: list, size: int) -> PromptGroups:
    count = len(positives)
    return PromptGroups(
        prompts=tuple(f"prompt {index}" for index in range(count)), conditionings=tuple(positives),
        embeddings=np.ones((count, 1), dtype=np.float32),
        partition=tuple(tuple(range(start, start + size)) for start in range(0, count, size)),
        threshold=0.0, threshold_mode="fixed", encoder="benchmark", group_condition="mean",
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


def timed(run: Callable[[], None]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(model: Any, runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, tuple[int, float]]:
    """Evaluations and median seconds of each run; one warm-up, then turns, so that drift hits all alike."""
    rows, seconds = {}, {name: [] for name in runs}
    for name, run in runs.items():
        with count_evaluations(model) as evaluations:
            run()
        rows[name] = evaluations.rows
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(timed(run))
    return {name: (rows[name], statistics.median(seconds[name])) for name in runs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("demo", "sdxl"), default="demo")
    parser.add_argument("--prompts", type=int, default=16, help="a multiple of 8")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", type=int, help="pixels; 128 for demo, 1024 for sdxl")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    comfy.utils.PROGRESS_BAR_ENABLED = False
    make, side = (demo_case, 128) if options.model == "demo" else (sdxl_case, 1024)
    model, positives, negative, latent = make(options.prompts, options.side or side)
    print(f"{options.model} on {model.load_device}, {torch.get_num_threads()} threads; {len(positives)} prompts, "
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
