"""The autoencoder of the demo model: ComfyUI's TAESD with 16 channels, trained on crops of drawings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.latent_formats
import numpy as np
import torch
from comfy.taesd.taesd import TAESD
from torch import nn
from torch.nn import functional as F

from .steps import Checkpoint, half_precision, log, to_tensor

STEPS, BATCH, CROP, RATE, LATENT_NOISE = 3000, 8, 64, 6e-4, 0.03
"""A little noise on the latents in training makes the decoder forgive what a denoiser gets slightly wrong."""
FORMAT_SCALE, FORMAT_SHIFT = 1.5305, 0.0609
"""What ComfyUI multiplies and subtracts for latents of the SD3 family."""


def new_autoencoder() -> TAESD:
    """ComfyUI's class, which leaves its weights uninitialised, with fresh ones."""
    model = TAESD(latent_channels=16)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for block in model.modules():
        if hasattr(block, "fuse"):  # a residual branch starts small, as deep stacks of them explode otherwise
            block.conv[-1].weight.data.mul_(0.2)
    return model


def train_autoencoder(
    pictures: np.ndarray, folder: Path, device: torch.device, init: dict[str, torch.Tensor] | None = None, seed: int = 0
) -> TAESD:
    """Trains, or loads what is already trained; resumes in between.

    Args:
        pictures: (N, height, width, 3) uint8.
        init: weights to start from; from nothing it takes about four times the steps.
    """
    torch.manual_seed(seed)
    model = new_autoencoder()
    if init:
        model.load_state_dict(init)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / STEPS)))
    )
    checkpoint = Checkpoint(folder / "autoencoder.pt", model=model, optimizer=optimizer, schedule=schedule)
    rng = np.random.default_rng(seed)
    began = time.monotonic()
    for step in range(checkpoint.load(), STEPS):
        crops = to_tensor(_crops(pictures, rng), device)
        with half_precision(device):
            latents = model.taesd_encoder(crops)
            noisy = latents + LATENT_NOISE * torch.randn_like(latents)
            restored = model.taesd_decoder(noisy).float()
        loss = _loss(restored, crops) + 1e-3 * latents.float().square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            psnr = -10 * math.log10(F.mse_loss(restored, crops).item())
            log(folder, "autoencoder", step=step + 1, loss=loss.item(), psnr=psnr, seconds=time.monotonic() - began)
        if step % 600 == 599 or step + 1 == STEPS:
            checkpoint.save(step + 1)
    return model.eval()


def normalise(model: TAESD, latents: torch.Tensor) -> None:
    """Sets scale and shift so that the denoiser sees latents of zero mean and unit variance."""
    mean, deviation = latents.mean().item(), latents.std().item()
    model.vae_scale.data.fill_(FORMAT_SCALE * deviation)
    model.vae_shift.data.fill_(FORMAT_SHIFT - mean / (FORMAT_SCALE * deviation))


def preview_fit(latents: np.ndarray, pictures: np.ndarray) -> dict[str, torch.Tensor]:
    """Latent to RGB for ComfyUI's live previews, by least squares.

    Args:
        latents: (N, 16, 16, 16) as the denoiser sees them.
        pictures: (N, 128, 128, 3) uint8, the same.

    Returns:
        preview.factors (16, 3) and preview.bias (3,), for RGB from -1 to 1.
    """
    rgb = pictures.reshape(-1, 16, 8, 16, 8, 3).mean((2, 4)).reshape(-1, 3) / 127.5 - 1
    rows = latents.astype(np.float64).transpose(0, 2, 3, 1).reshape(-1, latents.shape[1])
    found = np.linalg.lstsq(np.column_stack([rows, np.ones(len(rows))]), rgb, rcond=None)[0]
    *factors, bias = torch.from_numpy(found).float()
    return {"preview.factors": torch.stack(factors), "preview.bias": bias}


def encode(model: TAESD, pictures: np.ndarray, path: Path, device: torch.device) -> np.ndarray:
    """Raw latents of all pictures, (N, 16, 16, 16) float16, kept in a file."""

    def latents(part: torch.Tensor) -> torch.Tensor:
        return model.taesd_encoder(part).half()

    return kept(latents, pictures, path, device)


def restore(model: TAESD, pictures: np.ndarray, path: Path, device: torch.device) -> np.ndarray:
    """The pictures through the autoencoder and back, (N, 128, 128, 3) uint8, kept in a file."""

    def restored(part: torch.Tensor) -> torch.Tensor:
        back = model.taesd_decoder(model.taesd_encoder(part)).float().clamp(0, 1)
        return (back * 255).round().byte().permute(0, 2, 3, 1)

    return kept(restored, pictures, path, device)


def model_latents(vae: Any, pictures: np.ndarray, path: Path) -> torch.Tensor:
    """Latents of all pictures as the demo model sees them, (N, 16, height / 8, width / 8) float16, kept in a file.

    Args:
        vae: as `load_demo_model` gives it.
    """
    latent_format, autoencoder = comfy.latent_formats.SD3(), vae.first_stage_model.float()

    def encoded(part: torch.Tensor) -> torch.Tensor:
        return latent_format.process_in(autoencoder.encode(part * 2 - 1).float()).half()

    return torch.from_numpy(np.array(kept(encoded, pictures, path, torch.device("cpu"))))


@torch.no_grad()
def kept(
    run: Callable[[torch.Tensor], torch.Tensor], pictures: np.ndarray, path: Path, device: torch.device
) -> np.ndarray:
    """What `run` makes of all pictures, from the file if it is there."""
    if not path.exists():
        parts = []
        for start in range(0, len(pictures), 64):
            with half_precision(device):
                parts.append(run(to_tensor(pictures[start : start + 64], device)).cpu().numpy())
        part = path.with_suffix(".part.npy")
        np.save(part, np.concatenate(parts))
        part.rename(path)
    return np.load(path, mmap_mode="r")


def _loss(restored: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
    """Pixels, and edges, where drawings have all their detail."""
    edges = sum((restored.diff(dim=dim) - crops.diff(dim=dim)).abs().mean() for dim in (-1, -2))
    return (restored - crops).abs().mean() + 2 * F.mse_loss(restored, crops) + edges


def _crops(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The livelier of two random crops, each time: plain background is soon learned."""

    def crop() -> np.ndarray:
        x, y = 8 * rng.integers(0, (pictures.shape[2] - CROP) // 8 + 1, 2)
        return pictures[rng.integers(len(pictures)), y : y + CROP, x : x + CROP]

    return np.stack([max((crop(), crop()), key=np.std) for _ in range(BATCH)])
