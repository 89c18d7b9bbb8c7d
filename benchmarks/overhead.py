"""What the pack's own arithmetic costs, beside a model that takes no time.

    python benchmarks/overhead.py [--rows 16 256] [--at-once 32] [--tflops 100]

ComfyUI's SDXL with latents of 1024 x 1024 pixels, whose network only gives its input back. So what is left is the
samplers' arithmetic, recording and replaying, correction, previews and panels: seconds of the processor on one core,
per step. The model's time is computed: floating point operations of SDXL's UNet (counted by PyTorch), times the
evaluations, at so many of them per second. "Ours" is what is there beyond ComfyUI's own arithmetic for as many
evaluations.

All rows are prompts with one variation, in groups of 4. With previews and panels, ComfyUI's preview is made at every
call of the model, and the panel gets a picture of all rows as well; a real run sends that at most every 0.4 s.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import comfyui

comfyui.load()

import comfy.cli_args
import comfy.model_management
import comfy.model_patcher
import comfy.utils
import large_models
import torch
from comfyui_sage.sage_core.panels.sampling import sampling_monitor
from comfyui_sage.sage_core.panels.throttle import Throttle
from comfyui_sage.sage_core.sampling import ksampler
from evaluations import count_evaluations
from speed import groups_of
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import nodes as host_nodes

CPU = torch.device("cpu")
SIDE = 1024
SETTINGS: dict[str, Any] = {"seed": 1, "cfg": 4.0, "scheduler": "karras", "denoise": 1.0}


class NoTime(torch.nn.Module):
    """A network that answers with its input."""

    dtype = torch.float32

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """The input."""
        return x


def timeless_sdxl(at_once: int) -> comfy.model_patcher.ModelPatcher:
    """ComfyUI's SDXL with such a network, and with memory for so many rows at once, each with its negative prompt."""
    model = large_models.sdxl(width=32).network(CPU, torch.float32)
    model.diffusion_model = NoTime()
    free = comfy.model_management.get_free_memory(CPU) / 2  # less than there will be
    model.memory_required = lambda shape, **_: free / 1.5 * shape[0] / (2 * at_once)
    comfy.model_management.get_free_memory = lambda *_: free
    return comfy.model_patcher.ModelPatcher(model, load_device=CPU, offload_device=CPU)


def flops_per_evaluation() -> int:
    """Floating point operations of SDXL's UNet for one row; nothing is computed."""
    large = large_models.sdxl()
    with FakeTensorMode(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        unet = large.network(CPU, torch.float32).diffusion_model
        latent = large.latent(SIDE)["samples"]
        unet(latent, torch.zeros(1), context=torch.zeros(1, large.tokens, large.width), y=torch.zeros(1, 2816))
    return counter.get_total_flops()


def shared(model: Any, positives: list, latent: dict, *, shows: bool = False, **settings: Any) -> None:
    """A run of SAGE KSampler, with previews and the panel if it shows something."""
    method = comfy.cli_args.LatentPreviewMethod
    comfy.cli_args.args.preview_method = method.Latent2RGB if shows else method.NoPreviews
    groups = groups_of(positives, 4)
    monitor = sampling_monitor(lambda update: None) if shows else None
    ksampler.sample(model, groups, negative_of(positives), latent, monitor, **SETTINGS, **settings)


def by_comfyui(model: Any, positives: list, latent: dict, at_once: int, steps: int, sampler_name: str) -> None:
    """ComfyUI's KSampler with the same rows, as many at once as fit in memory."""
    comfy.cli_args.args.preview_method = comfy.cli_args.LatentPreviewMethod.NoPreviews
    for start in range(0, len(positives), at_once):
        rows = {"samples": latent["samples"].repeat(len(positives[start : start + at_once]), 1, 1, 1)}
        host_nodes.common_ksampler(
            model, SETTINGS["seed"], steps, SETTINGS["cfg"], sampler_name, SETTINGS["scheduler"], positives[start],
            negative_of(positives), rows,
        )  # fmt: skip


def negative_of(positives: list) -> list:
    """A negative prompt for them."""
    return positives[0]


def computing(run: Callable[[], None], repeats: int) -> float:
    """Seconds of the processor, the median."""
    used = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        used.append(time.process_time() - start)
    return statistics.median(used)


def table(model: Any, rows: int, model_seconds: float, at_once: int, repeats: int, **common: Any) -> None:
    """Measure the runs of so many rows; `model_seconds` is what an evaluation would take."""
    large = large_models.sdxl()
    positives, latent = large.texts(rows), large.latent(SIDE)
    sage = partial(shared, model, positives, latent, **common)
    runs = {
        "ComfyUI's KSampler": partial(by_comfyui, model, positives, latent, at_once, **common),
        "share 0": partial(sage, share=0.0),
        "share 40%": partial(sage, share=0.4),
        "share 40%, corrected": partial(sage, share=0.4, correction="on"),
        "the same, with previews and panel": partial(sage, share=0.4, correction="on", shows=True),
    }
    comfyuis = 0.0  # seconds of an evaluation
    for name, run in runs.items():
        with count_evaluations(model) as evaluations:
            run()
        seconds, whole = computing(run, repeats), evaluations.rows * model_seconds
        comfyuis = comfyuis or seconds / evaluations.rows
        ours = (seconds - comfyuis * evaluations.rows) / whole
        cells = [rows, name, evaluations.rows, f"{seconds / common['steps']:.3f}", f"{seconds / whole:.2%}"]
        print(f"| {' | '.join(map(str, cells))} | {ours:.2%} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[16, 256], help="multiples of 4")
    parser.add_argument("--at-once", type=int, default=32, help="rows that fit in memory; 32 are those of about 24 GB")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sampler", default="euler")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tflops", type=float, default=100.0, help="10^12 operations per second of the model")
    options = parser.parse_args()
    comfy.utils.PROGRESS_BAR_ENABLED = False
    torch.set_num_threads(1)
    Throttle.due = lambda self: True
    per_evaluation = flops_per_evaluation()
    print(f"SDXL: {per_evaluation / 1e12:.2f} TFLOP per evaluation; {options.sampler}, {options.steps} steps\n")
    print(
        "| rows | run | evaluations | seconds of computing per step | of the model's time | ours |\n" + "|---" * 6 + "|"
    )
    model = timeless_sdxl(options.at_once)
    with torch.inference_mode():
        for rows in options.rows:
            table(
                model, rows, per_evaluation / options.tflops / 1e12, options.at_once, options.repeats,
                steps=options.steps, sampler_name=options.sampler,
            )  # fmt: skip


if __name__ == "__main__":
    main()
