"""Trains the LoRA on latents of drawn clips."""

from __future__ import annotations

from pathlib import Path

import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.demo.video import FRAMES, FRAMES_KEY, demo_video_parts
from comfyui_sage.sage_core.training.trainable_model import TrainableModel
from demo_model.autoencoder import model_latents
from demo_model.averaged_lora import LoraPace, train_lora
from demo_model.captioned import Captioned, flow_loss
from demo_model.encoded_texts import encoded_texts
from demo_model.scenes import caption, spoken
from demo_model.steps import log

from .clips import drawn_clips, numbered_scene
from .evaluate import clip_fidelity

BATCH, CAPTIONS = 8, 2
PACE = LoraPace(report=1000)


def drawn(folder: Path, number: int) -> Captioned:
    """All clips, as the model sees them."""
    _, clip, vae = load_demo_model()
    frames = model_latents(vae, drawn_clips(folder, number), folder / f"latents_{number}.npy")
    latents = frames.unflatten(0, (-1, FRAMES)).movedim(1, 2)
    return Captioned(
        latents, *encoded_texts(clip, [text for index in range(number) for text in _captions(index)] + [""])
    )


def _captions(index: int) -> list[str]:
    scene, rng = numbered_scene(index)
    return [caption(scene), *(spoken(scene, rng) for _ in range(CAPTIONS - 1))]


def train(clips: Captioned, path: Path, steps: int, seed: int = 0) -> None:
    """Train the LoRA, or go on with it, and write it now and then."""
    width = load_demo_model()[0].model.diffusion_model.hidden_size
    embedding = 0.1 * torch.randn(FRAMES, width, generator=torch.Generator().manual_seed(seed))
    model, _, _ = demo_video_parts(embedding)
    student = TrainableModel(model, bf16=False, gradient_checkpointing=False, offloading=False)
    learnt = student.patcher.model.diffusion_model.frame_embedding.requires_grad_(True)

    def loss() -> torch.Tensor:
        return flow_loss(student.patcher.model, clips, BATCH)

    train_lora(student, {FRAMES_KEY: learnt}, loss, path, steps, PACE, lambda step: report(path, step), seed)


def report(path: Path, step: int) -> None:
    """Log how much is right in clips of prompts that were kept from training."""
    log(path.parent, "fidelity", step=step, **clip_fidelity(path, number=24)[0])
