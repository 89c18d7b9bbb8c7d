"""Does sharing save as much together with other accelerators? LazyCache, LoRA hooks, torch.compile.

    python benchmarks/accelerators.py [--repeats 3]

16 prompts in groups of 4 with the demo model; evaluations are counted at the network, times are medians of turns in one
process. The saving is that of 40% shared steps against share 0 with the same accelerator; the law is how far share 0 is
from one KSampler a prompt (relative). torch.compile needs a C++ compiler and is left out where there is none. The
host's EasyCache does nothing to networks of the SD3 family, which the demo model is of; tests/sampling has it, and
ControlNet, with a small UNet.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import comfyui

comfyui.load()

import comfy.hooks
import speed
import torch
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfyui_sage.sage_core.sampling import ksampler
from step_caches import CACHES

import nodes as host_nodes

PROMPTS, SIZE, SHARE = 16, 4, 0.4

Accelerated = Callable[[Any, list], tuple[Any, list]]
"""From a model and its positives to both with the accelerator."""


def hooked(model: Any, positives: list) -> tuple[Any, list]:
    """With a LoRA of random weights on the text's projections, hooked to every prompt."""
    make = torch.Generator().manual_seed(0)
    lora = {}
    for name, weight in model.model.state_dict().items():
        if name.endswith("context_block.attn.qkv.weight"):
            key = name.removesuffix(".weight")
            lora[f"{key}.lora_up.weight"] = 0.02 * torch.randn(weight.shape[0], 4, generator=make)
            lora[f"{key}.lora_down.weight"] = torch.randn(4, weight.shape[1], generator=make)
    hooks = comfy.hooks.create_hook_lora(lora=lora, strength_model=1.0, strength_clip=0.0)
    return model, [comfy.hooks.set_hooks_for_conditioning(positive, hooks) for positive in positives]


def compiled(model: Any, positives: list) -> tuple[Any, list]:
    """As ComfyUI's TorchCompileModel node does it."""
    clone = model.clone()
    set_torch_compile_wrapper(model=clone, backend="inductor")
    return clone, positives


ACCELERATORS: dict[str, Accelerated] = {
    "none": lambda model, positives: (model, positives),
    "LazyCache": lambda model, positives: (CACHES["LazyCache"](model), positives), "LoRA hooks": hooked,
    "torch.compile": compiled,
}  # fmt: skip


def one_by_one(model: Any, positives: list, negative: list, latent: dict) -> torch.Tensor:
    """What one KSampler a prompt makes."""
    settings = (speed.SEED, speed.STEPS, speed.CFG, speed.SAMPLER, speed.SCHEDULER)
    made = [host_nodes.common_ksampler(model, *settings, each, negative, latent)[0]["samples"] for each in positives]
    return torch.cat(made)


def row(model: Any, positives: list, negative: list, latent: dict, repeats: int) -> list[str]:
    """Evaluations and time saved, and the law."""
    groups = speed.groups_of(positives, SIZE)
    runs = {str(share): partial(speed.sage, model, groups, negative, latent, share) for share in (0.0, SHARE)}
    found = speed.measure(model, runs, repeats)
    (rows, seconds), (rows_shared, seconds_shared) = found["0.0"], found[str(SHARE)]
    alone = one_by_one(model, positives, negative, latent)
    out, _ = ksampler.sample(
        model, groups, negative, latent, seed=speed.SEED, steps=speed.STEPS, cfg=speed.CFG,
        sampler_name=speed.SAMPLER, scheduler=speed.SCHEDULER, denoise=1.0, share=0.0,
    )  # fmt: skip
    apart = float((out["samples"] - alone).abs().max() / alone.abs().max())
    return [str(rows), str(rows_shared), f"{1 - rows_shared / rows:.1%}", f"{seconds:.2f}", f"{seconds_shared:.2f}",
            f"{1 - seconds_shared / seconds:.1%}", f"{apart:.0e}"]  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    speed.comfy.utils.PROGRESS_BAR_ENABLED = False
    model, positives, negative, latent = speed.demo_case(PROMPTS, 128)
    print("| with | evaluations alone | shared 40% | saved | seconds alone | shared 40% | saved | law |")
    print("|---|---|---|---|---|---|---|---|")
    with torch.inference_mode():
        for name, accelerated in ACCELERATORS.items():
            if name != "torch.compile" or shutil.which("c++"):
                cells = row(*accelerated(model, positives), negative, latent, options.repeats)
                print(f"| {' | '.join([name, *cells])} |", flush=True)


if __name__ == "__main__":
    main()
