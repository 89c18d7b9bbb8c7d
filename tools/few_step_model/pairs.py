"""What the few-step LoRA learns from: noise, and the latent that the demo model makes of it with CFG."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import comfy.sample
import numpy as np
import torch
from comfyui_sage.sage_core.atomic_file import replacing
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from demo_model.scenes import caption, random_scene, spoken
from safetensors.torch import load_file, save_file

CFG, STEPS, SAMPLER = 4.0, 14, "dpmpp_2m"
"""The teacher's."""
BATCH = 50


class Pairs(NamedTuple):
    """
    Attributes:
        noise, latents: (N, 16, 16, 16), as the model sees them.
        context, pooled: of their prompts, (N, tokens, width) and (N, width).
    """

    noise: torch.Tensor
    latents: torch.Tensor
    context: torch.Tensor
    pooled: torch.Tensor


def make_pairs(parts: tuple[Any, Any, Any], folder: Path, number: int) -> Pairs:
    """The pairs, in files of BATCH; those that are there already are not made again.

    Args:
        parts: MODEL, CLIP and VAE.
    """
    files = [_batch(parts, folder / f"pairs_{at:04}.safetensors", at) for at in range(number // BATCH)]
    return Pairs(*(torch.cat([file[name] for file in files]).float() for name in Pairs._fields))


def prompt(index: int) -> str:
    """The prompt of a pair, as it follows from its number; never one that is kept from training."""
    rng = np.random.default_rng([23, index])
    scene = random_scene(rng, held_out=False)
    return caption(scene) if rng.random() < 0.5 else spoken(scene, rng)


@torch.no_grad()
def _batch(parts: tuple[Any, Any, Any], path: Path, at: int) -> dict[str, torch.Tensor]:
    if path.exists():
        return load_file(path)
    model, clip, _ = parts
    texts = [prompt(index) for index in range(at * BATCH, (at + 1) * BATCH)]
    encoded = encode_prompts(clip, [*texts, ""])
    context = torch.cat([encoded[text][0][0] for text in texts])
    pooled = torch.cat([encoded[text][0][1]["pooled_output"] for text in texts])
    noise = torch.randn(BATCH, 16, 16, 16, generator=torch.Generator().manual_seed(at))
    latents = comfy.sample.sample(
        model, noise, STEPS, CFG, SAMPLER, "simple", [[context, {"pooled_output": pooled}]], encoded[""],
        torch.zeros_like(noise), seed=at, disable_pbar=True,
    )  # fmt: skip
    found = {"noise": noise, "latents": model.model.process_latent_in(latents), "context": context, "pooled": pooled}
    found = {name: tensor.half().contiguous() for name, tensor in found.items()}
    with replacing(path) as part:
        save_file(found, part)
    return found
