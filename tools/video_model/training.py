"""Trains the LoRA on latents of drawn clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import comfy.latent_formats
import numpy as np
import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.demo.video import FRAMES, FRAMES_KEY, demo_video_parts
from comfyui_sage.sage_core.training.trainable_model import TrainableModel
from demo_model.autoencoder import kept
from demo_model.averaged_lora import LoraPace, train_lora
from demo_model.encoded_texts import as_given, encoded_texts
from demo_model.scenes import caption, spoken
from demo_model.steps import half_precision, log
from torch.nn import functional as F

from .clips import drawn_clips, numbered_scene
from .evaluate import clip_fidelity

BATCH, CAPTIONS = 8, 2
PACE = LoraPace(report=1000)


class Clips(NamedTuple):
    """
    Attributes:
        latents: (N, 16, FRAMES, 16, 16), as the model sees them.
        context, pooled: of their captions, (N x CAPTIONS + 1, tokens, TEXT_WIDTH) and (N x CAPTIONS + 1, width); the
            last is that of the empty one.
    """

    latents: torch.Tensor
    context: torch.Tensor
    pooled: torch.Tensor


def drawn(folder: Path, number: int) -> Clips:
    """All clips, as the model sees them."""
    _, clip, vae = load_demo_model()
    latent_format, autoencoder = comfy.latent_formats.SD3(), vae.first_stage_model.float()

    @torch.no_grad()
    def encoded(part: torch.Tensor) -> torch.Tensor:
        return latent_format.process_in(autoencoder.encode(part * 2 - 1).float()).half()

    frames = kept(encoded, drawn_clips(folder, number), folder / f"latents_{number}.npy", torch.device("cpu"))
    latents = torch.from_numpy(np.array(frames)).unflatten(0, (-1, FRAMES)).movedim(1, 2)
    return Clips(latents, *encoded_texts(clip, [text for index in range(number) for text in _captions(index)] + [""]))


def _captions(index: int) -> list[str]:
    scene, rng = numbered_scene(index)
    return [caption(scene), *(spoken(scene, rng) for _ in range(CAPTIONS - 1))]


def train(clips: Clips, path: Path, steps: int, seed: int = 0) -> None:
    """Train the LoRA, or go on with it, and write it now and then."""
    width = load_demo_model()[0].model.diffusion_model.hidden_size
    embedding = 0.1 * torch.randn(FRAMES, width, generator=torch.Generator().manual_seed(seed))
    model, _, _ = demo_video_parts(embedding)
    student = TrainableModel(model, bf16=False, gradient_checkpointing=False, offloading=False)
    learnt = student.patcher.model.diffusion_model.frame_embedding.requires_grad_(True)

    def loss() -> torch.Tensor:
        return flow_loss(student.patcher.model, clips)

    train_lora(student, {FRAMES_KEY: learnt}, loss, path, steps, PACE, lambda step: report(path, step), seed)


def flow_loss(model: Any, clips: Clips) -> torch.Tensor:
    """|v - (noise - latent)|^2 at x = (1 - sigma) latent + sigma noise (rectified flow, Esser et al. 2024, eq. 1)."""
    chosen = torch.randint(len(clips.latents), (BATCH,))
    said = chosen * CAPTIONS + torch.randint(CAPTIONS, (BATCH,))
    said = torch.where(torch.rand(BATCH) < 0.1, len(clips.context) - 1, said)
    clean = clips.latents[chosen].float()
    sigma = torch.sigmoid(torch.randn(BATCH) + 0.5)
    at = sigma.view(-1, 1, 1, 1, 1)
    noise = torch.randn_like(clean)
    states = (1 - at) * clean + at * noise
    with half_precision(torch.device("cpu")):
        denoised = model.apply_model(states, sigma, c_crossattn=as_given(clips.context[said]), y=clips.pooled[said])
    return F.mse_loss((states - denoised.float()) / at, noise - clean)


def report(path: Path, step: int) -> None:
    """Log how much is right in clips of prompts that were kept from training."""
    log(path.parent, "fidelity", step=step, **clip_fidelity(path, number=24)[0])
