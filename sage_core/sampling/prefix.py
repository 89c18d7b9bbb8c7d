"""What the shared steps leave for the branches: what travels on a SAGE_PREFIX wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import comfy.model_patcher

from ..conditioning.combine import Conditioning
from ..grouping.prompt_groups import PromptGroups
from ..sharing.plan import SharePlan
from ..sharing.sampling_record import SamplingRecord
from .job import Job
from .trace import ClusterTrace


@dataclass(frozen=True)
class Prefix:
    """
    Attributes:
        traces: a trace a cluster of the last shared level; empty if nothing is shared. A prompt that was added later
            may have a shorter one, or an empty one.
        model: what the branch's model has to agree with.
        outcome: evaluations so far.
        latent: the LATENT it was made from, where a node made it.
        sampler_name: the host's name of the job's sampler, where a node made it.
        origin: the prefix whose shared steps these are, if all prompts here were added to it later.
    """

    job: Job
    plan: SharePlan
    traces: list[ClusterTrace]
    groups: PromptGroups
    negative: Conditioning
    cfg: float
    model: dict[str, Any]
    outcome: SamplingRecord
    latent: dict[str, Any] = field(default_factory=dict, repr=False)
    sampler_name: str = ""
    origin: Prefix | None = field(default=None, repr=False)


def check_prefix(prefix: object) -> None:
    if not isinstance(prefix, Prefix):
        raise ValueError(f"prefix: expected the output of Shared KSampler Prefix, got {type(prefix).__name__}.")


def model_identity(model_patcher: comfy.model_patcher.ModelPatcher) -> dict[str, Any]:
    """What two models need in common to continue each other's runs."""
    sampling = model_patcher.get_model_object("model_sampling")
    latent_format = model_patcher.get_model_object("latent_format")
    return {
        "model": type(model_patcher.model).__name__,
        "latent channels": latent_format.latent_channels,
        "sigma range": (round(float(sampling.sigma_min), 5), round(float(sampling.sigma_max), 5)),
    }
