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
from .reference_memory import RunKey
from .trace import ClusterTrace


@dataclass(frozen=True)
class Prefix:
    """The shared steps of a run, with all that the branches need.

    Attributes:
        traces: one trace per cluster of the last shared level; empty if nothing is shared. A prompt that was added
            later may have a shorter trace, or an empty one.
        model: what the branch's model has to agree with, see `model_identity`.
        record: the plan, and the evaluations so far.
        latent: the LATENT it was made from, where a node made it.
        sampler_name: ComfyUI's name of the job's sampler, where a node made it.
        origin: the prefix whose shared steps these are, if the prompts here were added to it later.
        run_key: with what to remember the runs of its prompts; None to forget them. It means nothing in other sessions.
    """

    job: Job
    plan: SharePlan
    traces: list[ClusterTrace]
    groups: PromptGroups
    negative: Conditioning
    cfg: float
    model: dict[str, Any]
    record: SamplingRecord
    latent: dict[str, Any] = field(default_factory=dict, repr=False)
    sampler_name: str = ""
    origin: Prefix | None = field(default=None, repr=False)
    run_key: RunKey | None = field(default=None, repr=False)


def check_prefix(prefix: object) -> None:
    """Check what came over a prefix wire.

    Raises:
        ValueError: it is no prefix.
    """
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
