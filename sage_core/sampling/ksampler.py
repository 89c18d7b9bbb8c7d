"""Runs the sampling nodes: ComfyUI's own custom-sampling path, with a guider that shares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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

# The host's LATENT: {"samples": tensor, optional "noise_mask", "batch_index", ...}.
Latent = dict[str, Any]


def sample(
    model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent, *, seed: int, steps: int, cfg: float,
    sampler_name: str, scheduler: str, denoise: float, share: float, share_mode: str = "fixed",
    make_listener: MakeListener | None = None,
) -> tuple[Latent, str]:  # fmt: skip
    """Every prompt of the groups, shared steps first. Returns the rows, prompt-major, and a report.

    Args:
        make_listener: makes who hears of the run while it goes on, here and below.
    """
    guider = SageGuider(model, groups, negative, cfg, share, share_mode)
    guider.make_listener = make_listener
    out = _run(guider, latent, seed, *_sampler(model, steps, sampler_name, scheduler, denoise))
    return _rows_of(out, latent, len(groups.prompts)), _report(guider)


def sample_prefix(
    model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent, *, seed: int, steps: int, cfg: float,
    sampler_name: str, scheduler: str, denoise: float, share: float, share_mode: str = "fixed",
    make_listener: MakeListener | None = None,
) -> tuple[Prefix, Latent]:  # fmt: skip
    """The shared steps. Returns what the branch needs, and the denoised preview, one a (group, variation)."""
    guider = PrefixGuider(model, groups, negative, cfg, share, share_mode)
    guider.make_listener = make_listener
    out = _run(guider, latent, seed, *_sampler(model, steps, sampler_name, scheduler, denoise))
    assert guider.prefix is not None
    prefix = replace(guider.prefix, latent=latent, sampler_name=sampler_name)
    return prefix, _rows_of(out, latent, len(groups.partition))


def sample_branch(
    model: Any, prefix: Prefix, make_listener: MakeListener | None = None, on_finished: OnFinished | None = None
) -> tuple[Latent, str]:
    """The rest of the steps, every prompt on its own. Returns the rows, prompt-major, and a report.

    Args:
        on_finished: who gets the rows of every prompt as soon as they are finished.
    """
    guider = BranchGuider(model, prefix)
    guider.make_listener, guider.on_finished = make_listener, on_finished
    out = _run(guider, prefix.latent, prefix.job.seed or 0, prefix.job.sampler, prefix.job.sigmas)
    return _rows_of(out, prefix.latent, len(prefix.groups.prompts)), _report(guider)


def _sampler(model: Any, steps: int, sampler_name: str, scheduler: str, denoise: float) -> tuple[Any, torch.Tensor]:
    """Sampler and sigmas as the host's KSampler makes them (it treats some samplers' sigmas specially)."""
    check_choice("sampler_name", sampler_name, comfy.samplers.KSampler.SAMPLERS)
    check_choice("scheduler", scheduler, comfy.samplers.KSampler.SCHEDULERS)
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}.")
    if not 0.0 <= denoise <= 1.0:
        raise ValueError(f"denoise: expected 0 to 1, got {denoise}.")
    host = comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler, denoise)
    return comfy.samplers.sampler_object(sampler_name), host.sigmas


def _run(guider: SageGuider, latent: Latent, seed: int, sampler: Any, sigmas: torch.Tensor) -> Latent:
    guider.gives_denoised = False
    return SamplerCustomAdvanced.execute(Noise_RandomNoise(seed), guider, sampler, sigmas, latent).args[0]


def _rows_of(out: Latent, latent: Latent, clusters: int) -> Latent:
    """The output LATENT, with what the input says of its V variations said of clusters x V rows."""
    said = {**out}
    if latent.get("noise_mask") is not None:
        said["noise_mask"] = latents.tile_mask(latent["noise_mask"], latent["samples"], clusters)
    if "batch_index" in latent:
        said["batch_index"] = list(latent["batch_index"]) * clusters
    return said


def _report(guider: SageGuider) -> str:
    return "" if guider.outcome is None else sampling_report(guider.outcome)
