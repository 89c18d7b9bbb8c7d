"""The demo model on the states and the sigmas of Stable Diffusion 1.5: the same network in the arithmetic of another
family.
"""

from __future__ import annotations

from typing import Any

import torch
from comfy.model_sampling import EPS, ModelSamplingDiscrete
from comfyui_sage.sage_core.demo.model import load_demo_model


class VarianceExploding(EPS, ModelSamplingDiscrete):
    """Runs the network of a rectified flow on states x = picture + sigma noise.

    Divided by 1 + sigma they are those of the flow at s = sigma / (1 + sigma); the flow's picture is that state minus s
    times the velocity.
    """

    def calculate_input(self, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """What the network is given for a state."""
        return noise / (1 + _wide(sigma, noise))

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        """What the network is told of sigma."""
        return 1000 * sigma / (1 + sigma)

    def calculate_denoised(
        self, sigma: torch.Tensor, model_output: torch.Tensor, model_input: torch.Tensor
    ) -> torch.Tensor:
        """The picture, from the velocity and the state."""
        sigma = _wide(sigma, model_output)
        return (model_input - sigma * model_output) / (1 + sigma)


def _wide(sigma: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(B,) to (B, 1, ...)."""
    return sigma.view(-1, *[1] * (like.ndim - 1))


def load_demo_model_ve() -> tuple[Any, Any, Any]:
    """The MODEL, and the demo model's CLIP and VAE."""
    model, clip, vae = load_demo_model()
    model.add_object_patch("model_sampling", VarianceExploding())
    return model, clip, vae
