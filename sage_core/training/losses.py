"""L_SAGE: the terms that teach a model to be sampled with shared steps, as pure functions of tensors.

The paper (Zhao et al. 2025) names soft-target alignment and dual-phase consistency; the formulas here are ours.

D(x; sigma, c) is the denoised prediction, z a clean latent, n its noise, sigma ComfyUI's. Epsilon and v models see
x = z + sigma n; rectified flow sees x = (1 - sigma) z + sigma n, where n may be as strong as a model wants it. A group
has members z_m, weights w_m that sum to 1, a branch sigma s_b and one noise.
"""

from __future__ import annotations

from typing import Literal

import torch

Objective = Literal["epsilon", "v", "flow"]


def noised(clean: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor, objective: Objective) -> torch.Tensor:
    """The state x of a clean latent at sigma.

    Args:
        clean, noise: z and n, (B, ...).
        sigma: (B,).

    Returns:
        (B, ...).
    """
    at = _like(sigma, clean)
    return (1 - at) * clean + at * noise if objective == "flow" else clean + at * noise


def weighting(
    sigma: torch.Tensor, objective: Objective, min_snr: float = 0.0, *, sigma_data: float = 1.0,
    noise_scale: float = 1.0,
) -> torch.Tensor:  # fmt: skip
    """lambda(sigma), such that lambda |D - z|^2 is the loss that the model was trained with.

    Args:
        sigma: (B,), above 0.
        min_snr: gamma of Min-SNR (Hang et al. 2023): states whose signal-to-noise ratio is above it weigh less; 0 for
            none.
        sigma_data: that of the model, for "v" (EDM too): what D takes from the network's output depends on it.
        noise_scale: standard deviation of n, for "flow".

    Returns:
        (B,).
    """
    if objective == "flow":
        snr = ((1 - sigma) / (sigma * noise_scale)) ** 2
    else:
        snr = sigma**-2 * (sigma_data**2 if objective == "v" else 1)
    weight = sigma**-2 + sigma_data**-2 if objective == "v" else sigma**-2
    return weight * (min_snr / snr).clamp(max=1) if min_snr else weight


def mean_target(members: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """z_bar = sum_m w_m z_m.

    Args:
        members: (M, ...).
        weights: (M,), summing to 1.

    Returns:
        (...).
    """
    return torch.tensordot(weights, members, dims=1)


def posterior_target(
    state: torch.Tensor, members: torch.Tensor, weights: torch.Tensor, sigma: torch.Tensor, objective: Objective,
    noise_scale: float = 1.0,
) -> torch.Tensor:  # fmt: skip
    """E[z | x], where z is one of the members: sum_m p_m z_m with p_m ~ w_m N(x; z_m, sigma^2).

    This is the exact denoiser of the group's mixture.

    Args:
        state: x, (B, ...).
        members: (M, ...).
        weights: (M,), summing to 1.
        sigma: (B,), above 0.
        noise_scale: standard deviation of n.

    Returns:
        (B, ...).
    """
    at = _like(sigma, state).unsqueeze(1)
    centres = (1 - at) * members if objective == "flow" else members.expand(len(state), *members.shape)
    squares = ((state.unsqueeze(1) - centres) / (at * noise_scale)).square().flatten(2).sum(2)
    return torch.tensordot((weights.log() - squares / 2).softmax(1), members, dims=1)


def bridge(
    member: torch.Tensor, branch_state: torch.Tensor, sigma: torch.Tensor, branch_sigma: torch.Tensor
) -> torch.Tensor:
    """The state at sigma of a sampler that starts from the shared state at s_b and always predicts a member.

    dx / dsigma = (x - D) / sigma with D = z_m gives x = z_m + (sigma / s_b) (x_b - z_m), for every objective.

    Args:
        member, branch_state: z_m and x_b, (B, ...).
        sigma, branch_sigma: (B,), sigma at most s_b.

    Returns:
        (B, ...).
    """
    return member + _like(sigma / branch_sigma, member) * (branch_state - member)


def weighted_error(denoised: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """lambda |D - target|^2, the mean over all dimensions but the batch; in fp32, since squares overflow in fp16.

    Args:
        denoised, target: (B, ...).
        weight: lambda, (B,).

    Returns:
        (B,).
    """
    return weight.float() * (denoised.float() - target.float()).square().flatten(1).mean(1)


def _like(sigma: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
    """(B,) with as many dimensions as the latent: (B, 1, ...)."""
    return sigma.reshape(-1, *[1] * (latent.ndim - 1))
