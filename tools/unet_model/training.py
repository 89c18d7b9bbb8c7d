"""Trains the UNet on latents of drawings, on texts of the demo model's text encoder, and on the demo model's answers.

The demo model is the teacher: the mean of what a noisy latent may have been is learnt in a fraction of the time that
single drawings take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import comfy.model_management
import comfy.ops
import numpy as np
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_sampling import ModelSamplingDiscrete
from demo_model.averaged_training import Pace, train_averaged
from demo_model.dataset import Dataset
from demo_model.encoded_texts import TEXT_WIDTH, as_given
from demo_model.scenes import spoken
from demo_model.steps import half_precision
from demo_model.variance_exploding import load_demo_model_ve
from safetensors.torch import save_file
from torch import nn

from .model import CHANNELS, family

BATCH, CAPTIONS = 32, 2
PACE = Pace(rate=1e-3, average=0.998, save=100)
HEAVIEST = 10.0
"""The most that the loss of a noisy latent weighs, compared with one that is nearly clean."""


@dataclass(frozen=True)
class Examples:
    """What is learnt from.

    Attributes:
        latents: (N, 16, 16, 16), as the model sees them.
        texts: (T, tokens, TEXT_WIDTH), every different text; the first is the empty one.
        pooled: (T, width), of each text, for the teacher.
        said: (N, CAPTIONS), the texts that fit a latent.
    """

    latents: torch.Tensor
    texts: torch.Tensor
    pooled: torch.Tensor
    said: torch.Tensor


def new_network() -> UNetModel:
    """ComfyUI's class, which leaves its weights uninitialised, with fresh ones: every block starts as the identity."""
    network = UNetModel(**family(TEXT_WIDTH).unet_config, operations=comfy.ops.disable_weight_init)
    for name, weight in network.named_parameters():
        if weight.ndim == 1:
            nn.init.ones_(weight) if name.endswith("weight") else nn.init.zeros_(weight)
        elif name.endswith(("out_layers.3.weight", "proj_out.weight")):
            nn.init.zeros_(weight)
        else:
            nn.init.xavier_uniform_(weight)
    _pass_the_input_on(network)
    return network


@torch.no_grad()
def _pass_the_input_on(network: UNetModel) -> None:
    """A latent at a high sigma is nearly all noise, which is the answer: the network starts with giving it back.

    Two channels carry each one of the input, with both signs, since silu(x) - silu(-x) = x.
    """
    signs = torch.tensor([1.0, -1.0]).repeat(CHANNELS)
    carried = signs[:, None] * torch.eye(CHANNELS).repeat_interleave(2, 0)
    first, last = network.input_blocks[0][0].weight, network.out[2].weight
    first[: 2 * CHANNELS] = 0
    first[: 2 * CHANNELS, :, 1, 1] = carried
    skipped = network.output_blocks[-1][0].skip_connection.weight
    skipped[: 2 * CHANNELS] = 0
    skipped[:, -len(first) :, 0, 0] = torch.eye(len(first))
    last.zero_()
    last[:, : 2 * CHANNELS, 1, 1] = carried.T


def spoken_texts(dataset: Dataset) -> tuple[list[str], np.ndarray]:
    """Every different text, the empty one first, and the places of those of each picture, (N, CAPTIONS)."""
    places = {"": 0}
    said = []
    for index in range(dataset.number):
        scene, _, _, rng = dataset.scene(index)
        said.append([places.setdefault(spoken(scene, rng), len(places)) for _ in range(CAPTIONS)])
    return list(places), np.array(said)


class Teacher:
    """The demo model on the states and the sigmas of the UNet's family."""

    def __init__(self) -> None:
        patcher, _, _ = load_demo_model_ve()
        comfy.model_management.load_models_gpu([patcher])
        self.model = patcher.model

    @torch.no_grad()
    def noise(
        self, states: torch.Tensor, sigma: torch.Tensor, context: torch.Tensor, pooled: torch.Tensor
    ) -> torch.Tensor:
        """The noise that the teacher sees in latent + sigma noise, like the states.

        Args:
            sigma: (B,).
            context, pooled: as in `Examples`.
        """
        denoised = self.model.apply_model(states, sigma, c_crossattn=as_given(context), y=pooled)
        return (states - denoised) / sigma.view(-1, 1, 1, 1)


def train_unet(
    examples: Examples, folder: Path, device: torch.device, steps: int, report: Callable[[nn.Module, int], None],
    seed: int = 0,
) -> nn.Module:  # fmt: skip
    """Trains, or loads what is already trained; resumes in between.

    Args:
        report: gets the averaged network and the step, now and then.

    Returns:
        The averaged network.
    """
    torch.manual_seed(seed)
    network = new_network().to(device)
    teacher, sigmas = Teacher(), ModelSamplingDiscrete().sigmas

    def loss() -> torch.Tensor:
        return batch_loss(network, teacher, examples, sigmas, device)

    return train_averaged("unet", network, lambda name: "transformer" in name, loss, folder, steps, PACE, report)


def batch_loss(
    network: nn.Module, teacher: Teacher, examples: Examples, sigmas: torch.Tensor, device: torch.device
) -> torch.Tensor:
    """|noise found - the teacher's|^2 at x = latent + sigma noise, times 1 + sigma^2 but at most HEAVIEST.

    With the full weight it would be the loss of v prediction (Salimans and Ho 2022, section 4), which learns what a
    picture is about sooner than the plain one.
    """
    chosen = torch.randint(len(examples.latents), (BATCH,))
    clean = examples.latents[chosen].float().to(device)
    said = examples.said[chosen, torch.randint(CAPTIONS, (BATCH,))]
    said = torch.where(torch.rand(BATCH) < 0.1, 0, said)  # a tenth without text, for classifier-free guidance
    context, pooled = examples.texts[said].float().to(device), examples.pooled[said].to(device)
    times = torch.randint(len(sigmas), (BATCH,))
    sigma = sigmas[times].to(device)
    states = clean + sigma.view(-1, 1, 1, 1) * torch.randn_like(clean)
    scale = 1 + sigma.square().view(-1, 1, 1, 1)
    with half_precision(device):
        wanted = teacher.noise(states, sigma, context, pooled)
        found = network(states / scale.sqrt(), times.float().to(device), context)
    return (scale.clamp(max=HEAVIEST) * (found.float() - wanted).square()).mean()


def export(network: nn.Module, path: Path) -> None:
    """One fp16 safetensors file, as `load_unet_model` reads it."""
    part = path.with_suffix(".part")
    save_file({key: value.detach().half().cpu().contiguous() for key, value in network.state_dict().items()}, part)
    part.replace(path)
