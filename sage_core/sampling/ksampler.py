"""Runs the sampling nodes: ComfyUI's own custom-sampling path, with a guider that shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import comfy.samplers
import torch
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced

from ..conditioning.combine import Conditioning
from ..grouping.prompt_groups import PromptGroups
from ..validation import check_choice
from . import latents
from .guiders import BranchGuider, MakeListener, OnFinished, PrefixGuider, SageGuider
from .prefix import Prefix
from .report import sampling_report

Guider = TypeVar("Guider", bound=SageGuider)

# ComfyUI's LATENT: {"samples": tensor, optional "noise_mask", "batch_index", ...}.
Latent = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class KSamplerSettings:
    """The settings of ComfyUI's KSampler, and those of sharing; see `SageGuider` for these.

    Raises:
        ValueError: a setting is out of range.
    """

    seed: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    denoise: float
    share: float
    share_mode: str = "fixed"
    correction: str = "off"
    reuse: bool = False

    def __post_init__(self) -> None:
        check_choice("sampler_name", self.sampler_name, comfy.samplers.KSampler.SAMPLERS)
        check_choice("scheduler", self.scheduler, comfy.samplers.KSampler.SCHEDULERS)
        if self.steps < 1:
            raise ValueError(f"steps: expected at least 1, got {self.steps}.")
        if not 0.0 <= self.denoise <= 1.0:
            raise ValueError(f"denoise: expected 0 to 1, got {self.denoise}.")

    def sampler(self, model: Any) -> tuple[Any, torch.Tensor]:
        """Sampler and sigmas as ComfyUI's KSampler makes them (it treats the sigmas of some samplers specially)."""
        ksampler = comfy.samplers.KSampler(
            model, self.steps, model.load_device, self.sampler_name, self.scheduler, self.denoise
        )
        return comfy.samplers.sampler_object(self.sampler_name), ksampler.sigmas


def sample(
    model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent,
    make_listener: MakeListener | None = None, **settings: Any,
) -> tuple[Latent, str]:  # fmt: skip
    """Sample every prompt of the groups, shared steps first.

    Args:
        make_listener: makes the listener of the run, here and below.
        settings: the fields of `KSamplerSettings`.

    Returns:
        The rows, prompt-major, and a report.
    """
    guider, out = _sample_with(SageGuider, model, groups, negative, latent, make_listener, settings)
    return _describe_rows(out, latent, len(groups.prompts)), _report(guider)


def sample_prefix(
    model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent,
    make_listener: MakeListener | None = None, **settings: Any,
) -> tuple[Prefix, Latent]:  # fmt: skip
    """Sample the shared steps; arguments as `sample`.

    Returns:
        What the branch needs, and the denoised preview, one per (group, variation).
    """
    guider, out = _sample_with(PrefixGuider, model, groups, negative, latent, make_listener, settings)
    assert guider.prefix is not None
    prefix = replace(guider.prefix, latent=latent, sampler_name=settings["sampler_name"])
    return prefix, _describe_rows(out, latent, len(groups.partition))


def sample_branch(
    model: Any, prefix: Prefix, make_listener: MakeListener | None = None, on_finished: OnFinished | None = None
) -> tuple[Latent, str]:
    """Sample the rest of the steps, every prompt on its own.

    Args:
        on_finished: gets the rows of every prompt as soon as they are finished.

    Returns:
        The rows, prompt-major, and a report.
    """
    guider = BranchGuider(model, prefix)
    guider.make_listener, guider.on_finished = make_listener, on_finished
    out = _run(guider, prefix.latent, prefix.job.seed or 0, prefix.job.sampler, prefix.job.sigmas)
    return _describe_rows(out, prefix.latent, len(prefix.groups.prompts)), _report(guider)


def _sample_with(
    guider_class: type[Guider], model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent,
    make_listener: MakeListener | None, inputs: dict[str, Any],
) -> tuple[Guider, Latent]:  # fmt: skip
    settings = KSamplerSettings(**inputs)
    guider = guider_class(
        model, groups, negative, settings.cfg, settings.share, settings.share_mode, settings.correction,
        settings.reuse,
    )  # fmt: skip
    guider.make_listener = make_listener
    return guider, _run(guider, latent, settings.seed, *settings.sampler(model))


def _run(guider: SageGuider, latent: Latent, seed: int, sampler: Any, sigmas: torch.Tensor) -> Latent:
    guider.gives_denoised = False
    return SamplerCustomAdvanced.execute(Noise_RandomNoise(seed), guider, sampler, sigmas, latent).args[0]


def _describe_rows(out: Latent, latent: Latent, clusters: int) -> Latent:
    """The output LATENT; what the input says of its V variations is repeated for clusters x V rows."""
    described = {**out}
    if latent.get("noise_mask") is not None:
        described["noise_mask"] = latents.tile_mask(latent["noise_mask"], latent["samples"], clusters)
    if "batch_index" in latent:
        described["batch_index"] = list(latent["batch_index"]) * clusters
    return described


def _report(guider: SageGuider) -> str:
    return "" if guider.record is None else sampling_report(guider.record)
