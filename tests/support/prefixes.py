"""Six prompts with a prefix that they share, and prompts to add to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from comfyui_sage.sage_core.conditioning.combine import Conditioning
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.prefix import Prefix
from embeddings import directions
from models import MODELS, conditioning
from reference import SETTINGS, different, grouped, small

CARS = (0, 2, 3)
BOATS = (1, 4)
DEGREES = (0, 120, 30, 2, 125, 240)
"""Cars (two of them nearly equal), boats, and one prompt alone."""
THRESHOLD = float(np.cos(np.radians(40)))


def six_prompts(conditionings: list[Conditioning] | None = None) -> PromptGroups:
    """The cars, the boats, and the prompt alone."""
    groups = grouped(conditionings or different("sd15", 6), [CARS, BOATS, (5,)])
    return replace(groups, embeddings=directions(*DEGREES), threshold=THRESHOLD)


def sample_prefix(groups: PromptGroups, *, variations: int = 1, **settings: Any) -> Prefix:
    """The shared steps of these groups."""
    image = small("sd15", batch=variations)
    use = {"share": 0.5, **SETTINGS, **settings}
    return ksampler.sample_prefix(MODELS["sd15"](), groups, conditioning("sd15", seed=1), image, **use)[0]


def sample_branch(prefix: Prefix) -> torch.Tensor:
    """The images of a prefix."""
    return ksampler.sample_branch(MODELS["sd15"](), prefix)[0]["samples"]


def new_prompts(*degrees: float) -> tuple[tuple[str, ...], tuple[Conditioning, ...], np.ndarray]:
    """Prompts at these angles, with their conditionings and embeddings."""
    conditionings = tuple(conditioning("sd15", seed=500 + int(angle)) for angle in degrees)
    return tuple(f"at {angle}" for angle in degrees), conditionings, directions(*degrees)
