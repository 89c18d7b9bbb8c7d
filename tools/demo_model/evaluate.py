"""How faithful the demo model is: prompts it was never trained on, rendered by ComfyUI, looked at by the judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.sample
import comfy.samplers
import numpy as np
import torch
from comfyui_sage.sage_core.demo.judge import DemoJudge

from .drawing import side
from .judging import agreement, judge_pictures, rates
from .scenes import Scene, caption, random_scene
from .steps import half_precision

CFG, STEPS = 4.0, 20


def unseen_scenes(number: int, seed: int = 0) -> list[Scene]:
    """Scenes with a pair of subject and colour that was kept from training."""
    return [random_scene(np.random.default_rng([seed, index]), held_out=True) for index in range(number)]


def render(
    parts: tuple[Any, Any, Any], prompts: Sequence[str], *, sampler: str = "euler", steps: int = STEPS,
    scheduler: str = "simple", seed: int = 0, batch: int = 50, cfg: float = CFG,
    latent_size: tuple[int, ...] = (16, 16, 16),
) -> torch.Tensor:  # fmt: skip
    """A picture or clip a prompt, each with noise of its own: (N, ..., 3, 128, 128) from 0 to 1."""
    model, clip, vae = parts
    negative = clip.encode_from_tokens_scheduled(clip.tokenize(""))
    pictures = []
    with torch.no_grad(), half_precision(model.load_device):
        for start in range(0, len(prompts), batch):
            chosen = prompts[start : start + batch]
            each = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in chosen]
            latent = torch.zeros(len(chosen), *latent_size)
            pooled = {**each[0][0][1], "pooled_output": torch.cat([c[0][1]["pooled_output"] for c in each])}
            positive = [[torch.cat([c[0][0] for c in each]), pooled]]
            noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(seed + start))
            samples = comfy.sample.sample(
                model, noise, steps, cfg, sampler, scheduler, positive, negative, latent, seed=seed, disable_pbar=True
            )
            pictures.append(vae.decode(samples).float().movedim(-1, -3).clamp(0, 1))
    return torch.cat(pictures)


def fidelity(
    parts: tuple[Any, Any, Any],
    judge: DemoJudge,
    scenes: Sequence[Scene],
    *,
    sampler: str = "euler",
    steps: int = STEPS,
    cfg: float = CFG,
) -> tuple[dict[str, float], torch.Tensor, list[dict[str, bool]]]:
    """Rates for every attribute, the pictures, and what was right in each.

    Args:
        parts: MODEL, CLIP and VAE.
        scenes: their pictures are of one size.
    """
    across = side(scenes[0]) // 8
    pictures = render(
        parts, [caption(scene) for scene in scenes], sampler=sampler, steps=steps, cfg=cfg,
        latent_size=(16, across, across),
    )  # fmt: skip
    verdicts, _, _ = judge_pictures(judge, pictures)
    judged = [agreement(scene, verdict) for scene, verdict in zip(scenes, verdicts, strict=True)]
    return rates(judged), pictures, judged
