"""What a training was given, as digests in its saved state: another input under the same name is noticed."""

from __future__ import annotations

from typing import Any

import torch
from comfy.weight_adapter import WeightAdapterBase

from ..conditioning.combine import Conditioning
from ..sampling.content import stable_digest
from .dataset import TrainingSet

# Fractions of the schedule at which it is looked at: none is halfway between two steps of a table.
_LOOKED_AT = (0.1, 0.3, 0.6, 0.9)


def input_digests(
    training_set: TrainingSet, empty: Conditioning | None, patches: dict[str, Any], model_sampling: Any
) -> dict[str, str]:
    """Digests by the names that errors have for the inputs. They are in saved states: how they are made must stay.

    Args:
        empty: the empty caption; None where none is used.
        patches: of the ModelPatcher that is trained, such as those of LoRAs, with their strength.
        model_sampling: the model's, from ComfyUI.
    """
    groups = training_set.groups
    return {
        "images": stable_digest(list(training_set.latents)),
        "captions": stable_digest([list(groups.conditionings), list(groups.shared_prompts)]),
        "negative": stable_digest(empty),
        "model_patches": stable_digest(sorted(patches.items()), as_data=(WeightAdapterBase,)),
        "model_sampling": stable_digest(_schedule(model_sampling)),
    }


def _schedule(sampling: Any) -> list[str]:
    """What a model sampling does; rounded, since versions of PyTorch differ in the last digits."""
    sigmas = [float(sampling.percent_to_sigma(part)) for part in _LOOKED_AT]
    times = [float(sampling.timestep(torch.tensor(sigma))) for sigma in sigmas]
    ends = [float(sampling.sigma_min), float(sampling.sigma_max)]
    scales = [float(getattr(sampling, name, 1.0)) for name in ("sigma_data", "noise_scale")]
    return [f"{value:.4g}" for value in (*sigmas, *times, *ends, *scales)]
