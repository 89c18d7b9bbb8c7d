"""Latents with captions, and what a LoRA of the demo model learns from them: the velocity."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from .encoded_texts import as_given
from .steps import half_precision


class Captioned(NamedTuple):
    """
    Attributes:
        latents: (N, 16, ..., height, width), as the model sees them.
        context, pooled: of as many captions for each latent, one latent after the other, and last of the empty one:
            (N x captions + 1, tokens, TEXT_WIDTH) and (N x captions + 1, width).
    """

    latents: torch.Tensor
    context: torch.Tensor
    pooled: torch.Tensor


def flow_loss(model: Any, examples: Captioned, batch: int) -> torch.Tensor:
    """The velocity loss of random examples, a tenth of them without text, for classifier-free guidance."""
    captions = len(examples.context) // len(examples.latents)
    chosen = torch.randint(len(examples.latents), (batch,))
    said = chosen * captions + torch.randint(captions, (batch,))
    said = torch.where(torch.rand(batch) < 0.1, len(examples.context) - 1, said)
    clean = examples.latents[chosen].float()
    sigma = torch.sigmoid(torch.randn(batch) + 0.5)
    noise = torch.randn_like(clean)
    with half_precision(clean.device):
        return velocity_loss(model, clean, noise, sigma, as_given(examples.context[said]), examples.pooled[said])


def velocity_loss(
    model: Any, latents: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor, context: torch.Tensor,
    pooled: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """|v - (noise - latent)|^2 at x = (1 - sigma) latent + sigma noise (rectified flow, Esser et al. 2024, eq. 1).

    Args:
        sigma: (B,).
        context: (B, tokens, GIVEN_WIDTH).
    """
    at = sigma.view(-1, *[1] * (latents.ndim - 1))
    states = (1 - at) * latents + at * noise
    denoised = model.apply_model(states, sigma, c_crossattn=context, y=pooled)
    return F.mse_loss((states - denoised.float()) / at, noise - latents)
