"""Sample images during a training, made as they will be made with the LoRA: with shared steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..conditioning.combine import Conditioning
from ..grouping.partition import of_largest
from ..grouping.prompt_groups import PromptGroups
from ..images.comparison_grid import comparison_grid
from ..sampling.ksampler import sample
from ..sampling.out_of_memory import is_out_of_memory
from .trainer import Trainer

# Of images that can be shown: grey, colour, and colour with transparency.
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class SampleSettings:
    """How sample images are made; `most` is their number at most, and all start from one seed."""

    steps: int = 12
    cfg: float = 4.0
    share: float = 0.4
    seed: int = 0
    sampler_name: str = "euler"
    scheduler: str = "simple"
    most: int = 8


def sample_sheet(trainer: Trainer, vae: Any, empty: Conditioning, settings: SampleSettings) -> torch.Tensor:
    """A sheet of sample images of the largest groups, with the LoRA as it would be now. The training is not changed.

    To call inside the trainable model's `loaded`.

    Args:
        empty: conditioning of the empty caption, the negative.

    Returns:
        (1, height, width, 3), values 0 to 1.
    """
    groups, latent = sample_prompts(trainer, settings.most)
    with trainer.as_learnt(), trainer.trainable_model.sampling():
        out, _ = sample(
            trainer.trainable_model.patcher, groups, empty, {"samples": torch.zeros_like(latent)}, seed=settings.seed,
            steps=settings.steps, cfg=settings.cfg, sampler_name=settings.sampler_name, scheduler=settings.scheduler,
            denoise=1.0, share=settings.share,
        )  # fmt: skip
        images = vae.decode(out["samples"])
    return comparison_grid(groups, {"images": images.reshape(-1, *images.shape[-3:])}, (), 256)


def check_vae(trainer: Trainer, vae: Any) -> None:
    """Decodes a latent that the training has, before hours are spent until the first sample images.

    Raises:
        ValueError: the VAE does not take it, or what it gives is no image.
    """
    _, latent = sample_prompts(trainer, 1)
    try:
        with torch.no_grad(), torch.random.fork_rng():
            images = vae.decode(latent)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:  # as latents do not fit
        if is_out_of_memory(error):
            raise
        raise ValueError(
            f"vae: expected a VAE that takes latents of shape {tuple(latent.shape)}, got one that does not ({error}). "
            "Use the one that the images were encoded with."
        ) from error
    if images.ndim not in (4, 5) or images.shape[-1] not in _CHANNELS:
        raise ValueError(
            f"vae: expected a VAE that gives images or videos, got one that gives the shape {tuple(images.shape)}. Of "
            "other things there are no sample images: disconnect vae."
        )


def sample_prompts(trainer: Trainer, most: int) -> tuple[PromptGroups, torch.Tensor]:
    """Prompts to make sample images of: the largest groups first, all of one latent shape.

    Args:
        most: prompts.

    Returns:
        The prompts, and a latent of their shape, (1, channels, ...).
    """
    training_set = trainer.training_set
    shape = training_set.latents[max(training_set.groups.partition, key=len)[0]].shape
    partition = training_set.groups.partition
    picks = of_largest((members for members in partition if training_set.latents[members[0]].shape == shape), most)
    return training_set.groups.only(picks), training_set.latents[picks[0]]
