"""What a training was given, in short in its saved state: another input under the same name is noticed."""

from __future__ import annotations

from typing import Any

import torch
from comfy.weight_adapter import WeightAdapterBase

from ..conditioning.combine import Conditioning
from ..sampling.content import stable_digest
from .dataset import TrainingSet

# Of a text's embedding: so many values tell it from others, and they may differ by so much: an encoder's last digits
# depend on the device and on how much of it fits in memory.
_VALUES, _TOLERANCE = 64, 0.02
# Fractions of the schedule at which it is looked at: none is halfway between two steps of a table.
_LOOKED_AT = (0.1, 0.3, 0.6, 0.9)


def input_digests(
    training_set: TrainingSet, empty: Conditioning | None, patches: dict[str, Any], model_sampling: Any
) -> dict[str, str | list[float]]:
    """Digests, and some values, by the names that errors have for the inputs.

    They are in saved states: how they are made must stay.

    Args:
        empty: the empty caption; None where none is used.
        patches: of the ModelPatcher that is trained, such as those of LoRAs, with their strength.
        model_sampling: the model's, from ComfyUI.
    """
    groups = training_set.groups
    return {
        "images": stable_digest(list(training_set.latents)),
        "captions": some_values([list(groups.conditionings), [each for _, _, each in groups.shared_prompts]]),
        "negative": some_values(empty),
        "model_patches": stable_digest(sorted(patches.items()), as_data=(WeightAdapterBase,)),
        "model_sampling": stable_digest(_schedule(model_sampling)),
    }


def is_same_input(then: str | list[float], now: str | list[float]) -> bool:
    """Whether two of what `input_digests` gives for one name are of the same input."""
    if isinstance(then, str) or isinstance(now, str):
        return then == now
    pairs = zip(then, now, strict=False)
    return len(then) == len(now) and all(abs(a - b) <= _TOLERANCE * max(1.0, abs(a)) for a, b in pairs)


def some_values(value: Any) -> list[float]:
    """Some of the numbers in a value: plain ones, and of a tensor those that are not padding, by their usual size."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().flatten().float()
        flat = flat[flat != 0]
        size = float(flat.square().mean().sqrt()) if len(flat) else 0.0
        some = flat[torch.linspace(0, len(flat) - 1, min(_VALUES, len(flat))).long()]
        return [float(len(flat)), size, *(float(each) / size for each in some)]
    if isinstance(value, dict):
        return [each for key in sorted(value) for each in some_values(value[key])]
    if isinstance(value, (list, tuple)):
        return [each for part in value for each in some_values(part)]
    return [float(value)] if isinstance(value, (int, float)) else []


def _schedule(sampling: Any) -> list[str]:
    """What a model sampling does; rounded, since versions of PyTorch differ in the last digits."""
    sigmas = [float(sampling.percent_to_sigma(part)) for part in _LOOKED_AT]
    times = [float(sampling.timestep(torch.tensor(sigma))) for sigma in sigmas]
    ends = [float(sampling.sigma_min), float(sampling.sigma_max)]
    scales = [float(getattr(sampling, name, 1.0)) for name in ("sigma_data", "noise_scale")]
    return [f"{value:.4g}" for value in (*sigmas, *times, *ends, *scales)]
