"""Runs the sampling nodes: ComfyUI's own custom-sampling path, with a guider that shares."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced

from ..conditioning.combine import Conditioning
from ..grouping.prompt_groups import PromptGroups, check_groups
from ..sharing.sampling_record import SamplingRecord
from ..sharing.settings import SharingSettings
from ..validation import check_choice
from . import latents
from .guiders import BranchGuider, PrefixGuider, SageGuider
from .latent_rows import ROW_KEYS, Latent, has_own_rows, mark_rows, row_keys, rows_for
from .own_seeds import OwnSeeds
from .prefix import Prefix
from .report import sampling_report
from .shared_sampling import MakeListener, OnFinished

Guider = TypeVar("Guider", bound=SageGuider)


@dataclass(frozen=True, kw_only=True)
class KSamplerSettings:
    """The settings of ComfyUI's KSampler, and those of sharing; see `SharingSettings` and `LATENT_ROWS` for these.

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
    latent_rows: str = "variations"

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
    return _describe_rows(out, latent, groups.prompts), _report(guider)


def sample_recorded(
    model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent,
    make_listener: MakeListener | None = None, **settings: Any,
) -> tuple[Latent, SamplingRecord]:  # fmt: skip
    """As `sample`, with the record of the run instead of a report.

    Raises:
        ValueError: there is no step to run, so that there is no record; or as `sample`.
    """
    guider, out = _sample_with(SageGuider, model, groups, negative, latent, make_listener, settings)
    if guider.record is None:
        raise ValueError(f"denoise: expected enough for one step, got {settings['denoise']}.")
    return _describe_rows(out, latent, groups.prompts), guider.record


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
    preview = {key: value for key, value in out.items() if key not in ROW_KEYS}
    # With own rows, what the input says is of the prompts' rows, not of the groups'.
    return prefix, preview if guider.latent_rows == "prompts" else _with_row_keys(preview, latent)


def sample_branch(model: Any, prefix: Prefix, make_listener: MakeListener | None = None) -> tuple[Latent, str]:
    """Sample the rest of the steps, every prompt on its own.

    Returns:
        The rows, prompt-major, and a report.
    """
    guider = BranchGuider(model, prefix)
    guider.make_listener = make_listener
    return _branch(guider, prefix), _report(guider)


def sample_reshared(model: Any, prefix: Prefix, settings: SharingSettings) -> tuple[Latent, SamplingRecord]:
    """As `sample_recorded` with these settings, but the shared steps are those of a prefix that shares more.

    The record counts these steps as if they had been made.

    Args:
        settings: may differ in the share only from those of the prefix.
    """
    guider = BranchGuider(model, prefix, settings)
    out = _branch(guider, prefix)
    assert guider.record is not None
    return out, guider.record


def sample_each(
    model: Any, prefix: Prefix, on_finished: OnFinished, make_listener: MakeListener | None = None,
    finished: Collection[int] = (),
) -> str:  # fmt: skip
    """As `sample_branch`, but the rows are only handed out, and none is kept.

    Args:
        on_finished: gets the rows of every prompt as soon as they are finished.
        finished: prompts whose rows nobody needs. A run that has no others is left out; the others stay what they
            are, to the last bit, so that all rows are what they are without this.

    Returns:
        The report.
    """
    guider = BranchGuider(model, prefix)
    guider.make_listener, guider.on_finished = make_listener, on_finished
    guider.finished, guider.keeps_rows = frozenset(finished), False
    callback = latent_preview.prepare_callback(model, len(prefix.job.sigmas) - 1)
    guider.sample(callback=callback, disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED)
    return _report(guider)


def _sample_with(
    guider_class: type[Guider], model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent,
    make_listener: MakeListener | None, inputs: dict[str, Any],
) -> tuple[Guider, Latent]:  # fmt: skip
    settings = KSamplerSettings(**inputs)
    check_groups(groups)
    has_offsets, noise, numbers = any(groups.seed_offsets), Noise_RandomNoise(settings.seed), {}
    own_rows = has_offsets or has_own_rows(latent, settings.latent_rows, len(groups.prompts))
    if own_rows:  # the noise of every prompt's rows is that which they get alone
        rows = rows_for([latent], settings.latent_rows, groups.prompts)
        noise = OwnSeeds(settings.seed, groups.seed_offsets or (0,) * len(groups.prompts), model.load_device)
        latent = dict(rows.latent)
        numbers = {"batch_index": latent.pop("batch_index")} if rows.are_numbered else {}
    guider = guider_class(
        model, groups, negative, settings.cfg, settings.share, settings.share_mode, settings.correction,
        settings.reuse, "prompts" if own_rows else "variations",
    )  # fmt: skip
    guider.make_listener, guider.own_seeds = make_listener, noise if has_offsets else None
    return guider, {**_run(guider, latent, noise, *settings.sampler(model)), **numbers}


def _branch(guider: BranchGuider, prefix: Prefix) -> Latent:
    noise = Noise_RandomNoise(prefix.job.seed or 0)
    out = _run(guider, prefix.latent, noise, prefix.job.sampler, prefix.job.sigmas)
    return _describe_rows(out, prefix.latent, prefix.groups.prompts)


def _run(guider: SageGuider, latent: Latent, noise: Any, sampler: Any, sigmas: torch.Tensor) -> Latent:
    guider.gives_denoised = False
    return SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent).args[0]


def _describe_rows(out: Latent, latent: Latent, prompts: Sequence[str]) -> Latent:
    """The output LATENT, with a mark that says whose rows these are."""
    return mark_rows(_with_row_keys(out, latent), prompts)


def _with_row_keys(out: Latent, latent: Latent) -> Latent:
    """The output LATENT, with what the input says of its rows."""
    return {**out, **row_keys(latent, latents.count(out["samples"]) // latents.count(latent["samples"]))}


def _report(guider: SageGuider) -> str:
    return "" if guider.record is None else sampling_report(guider.record)
