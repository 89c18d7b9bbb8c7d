"""Saves a prefix as a safetensors file of plain data, and loads it in another session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comfy.nested_tensor
import comfy.samplers
import numpy as np
import torch

from ..grouping.prompt_groups import PromptGroups
from ..sampling import latents
from ..sampling.job import Job
from ..sampling.prefix import Prefix, check_prefix
from ..sampling.trace import Call
from ..serialization import read_data, write_data
from ..sharing.correction_plan import CorrectionPlan
from ..sharing.plan import Cost, Level, SharePlan
from ..sharing.sampling_record import SamplingRecord
from ..validation import check_cfg, check_choice, check_finite
from .extend import extend_prefix

ENDING = ".prefix.safetensors"
# Format 3 is for corrected runs. Those of format 2 were corrected in another way, which is gone.
_FORMATS = (1, 2, 3)

_KEYS = (
    "format", "sampler_name", "sigmas", "seed", "rng", "noise", "latent_image", "denoise_mask", "cfg", "model",
    "latent", "plan", "traces", "outcome", "groups", "negative", "added",
)  # fmt: skip
_OPTIONAL_KEYS = ("start_of",)  # where every prompt begins from a latent of its own
_GROUPS_KEYS = (
    "prompts", "conditionings", "embeddings", "partition", "threshold", "threshold_mode", "encoder",
    "group_condition", "notes", "auto_threshold", "encoder_model", "template",
)  # fmt: skip
_RECORD_KEYS = ("plan", "cost", "steps", "variations", "evaluations", "stands_for", "warnings")
# Keys of the formats after 1; those of format 2 are read and left out.
_RECORD_OPTIONAL = ("correction", "remembered", "probed")
_COST_OPTIONAL = ("corrections", "is_bound", "remembered", "probes")
_CALL_OPTIONAL = ("state", "source")
_CORRECTION_KEYS = ("share", "shares", "calls", "evaluations_per_row", "is_controlled")
_CORRECTION_OPTIONAL = ("own_negatives",)
_COST_KEYS = ("per_level", "independent", "planning")
_CALL_KEYS = ("sigma", "outputs", "fingerprint")
_NOT_CORRECTED = "The file's shared steps were corrected in an earlier way, which is gone: they are not corrected now."
_ADDED_KEYS = ("prompts", "conditionings", "embeddings")


def save_prefix(prefix: Prefix, path: Path) -> None:
    """Write a prefix to a file.

    Raises:
        ValueError: the prefix holds something that is no plain data (a ControlNet, hooks); says what and where.
        OSError: the file cannot be written; one of that name is as it was.
    """
    check_prefix(prefix)
    origin, job = prefix.origin or prefix, prefix.job
    state = {
        "format": 3 if origin.record.correction else 1, "sampler_name": prefix.sampler_name, "sigmas": job.sigmas,
        "seed": job.seed, "rng": job.rng, "noise": _packed(job.noise), "latent_image": _packed(job.latent_image),
        "denoise_mask": _packed(job.denoise_mask), "cfg": prefix.cfg, "model": prefix.model,
        "latent": {key: _packed(value) for key, value in prefix.latent.items()},
        "plan": _plan_state(origin.plan),
        "traces": [[_call_state(call) for call in trace] for trace in origin.traces],
        "outcome": _record_state(origin.record), "groups": _groups_state(origin.groups),
        "negative": prefix.negative, "added": None if prefix.origin is None else _added_state(prefix.groups),
        **({"start_of": job.start_of} if job.start_of else {}),
    }  # fmt: skip
    try:
        write_data(path, state)
    except ValueError as error:
        raise ValueError(f"prefix: cannot be saved, only plain data can be: {error}") from error
    except OSError as error:
        raise OSError(f"The prefix cannot be written to {error}") from error


def load_prefix(path: Path) -> Prefix:
    """Read a file of `save_prefix`.

    Raises:
        ValueError: no such file, or one that is damaged, of a newer format, or made with a sampler that is not here.
    """
    try:
        state = read_data(path)
    except ValueError as error:
        raise ValueError(f"file: expected a file of Save Prefix, got one that cannot be read ({error}).") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found not in _FORMATS:
        raise ValueError(f"file: expected a prefix of format {_FORMATS[0]} to {_FORMATS[-1]}, got {found} in {path}.")
    try:
        _check_keys(state, "the prefix", _KEYS, _OPTIONAL_KEYS)
        prefix = _prefix(state)
        _check(prefix)
        if state["added"] is None:
            return prefix
        _check_keys(state["added"], "added", _ADDED_KEYS)
        prompts, conditionings, embeddings = (state["added"][key] for key in _ADDED_KEYS)
        return extend_prefix(prefix, prompts, conditionings, embeddings.numpy())[0]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"file: expected a whole prefix, got a damaged one ({error}) in {path}.") from error


def _check_keys(state: dict[str, Any], where: str, keys: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Check that a part of a file has exactly the keys of this format.

    Raises:
        ValueError: a key is missing, or there is one that this format does not have.
    """
    missing = [key for key in keys if key not in state]
    unknown = [key for key in state if key not in (*keys, *optional)]
    for word, names in (("without", missing), ("with the unknown", unknown)):
        if names:
            raise ValueError(f"file: expected a whole prefix, got one {word} {', '.join(map(repr, names))} in {where}.")


def _prefix(state: dict[str, Any]) -> Prefix:
    name = state["sampler_name"]
    check_choice("file: sampler_name", name, comfy.samplers.KSampler.SAMPLERS)
    job = Job(
        _unpacked(state["noise"]), _unpacked(state["latent_image"]), _unpacked(state["denoise_mask"]),
        comfy.samplers.sampler_object(name), state["sigmas"], state["seed"], state["rng"], state.get("start_of", ()),
    )  # fmt: skip
    return Prefix(
        job, _plan(state["plan"]), [[_call(call) for call in trace] for trace in state["traces"]],
        _groups(state["groups"]), state["negative"], state["cfg"], state["model"], _record(state["outcome"]),
        {key: _unpacked(value) for key, value in state["latent"].items()}, name,
    )  # fmt: skip


def _check(prefix: Prefix) -> None:
    """What would only show far into the sampling: the parts of a prefix have to be of one run."""
    job, plan = prefix.job, prefix.plan
    check_cfg(prefix.cfg)
    for name in ("noise", "latent_image"):
        check_finite(getattr(job, name), f"file: {name}")
    size, prompts = tuple(latents.shape(job.noise)), len(prefix.groups.distinct()[0].prompts)
    sigmas = job.sigmas.tolist()
    clusters = len(plan.levels[-2].clusters) if len(plan.levels) > 1 else 0
    sizes = {
        (output.shape[0], output[0].numel()) for trace in prefix.traces for call in trace for output in call.outputs
        if output is not None
    }  # fmt: skip
    expected_sizes = {(job.variations, latents.numel_per_row(job.noise))} if sizes else set()
    for name, expected, found in (
        ("size of latent_image", size, tuple(latents.shape(job.latent_image))),
        ("starts", len(job.start_of), len(prefix.groups.prompts) if job.start_of else 0),
        ("prompts of the plan", prompts, plan.n_prompts),
        ("recorded clusters", clusters, len(prefix.traces)),
        ("sigmas", sorted(sigmas, reverse=True), sigmas),
        ("sizes of recorded outputs (variations, values)", expected_sizes, sizes),
    ):
        if expected != found:
            raise ValueError(f"file: {name}: expected {expected}, got {found}. The file was changed or is damaged.")


def _packed(value: Any) -> Any:
    """Latents of several parts (video with sound) are no tensors."""
    return {"parts": list(value.unbind())} if getattr(value, "is_nested", False) else value


def _unpacked(value: Any) -> Any:
    return comfy.nested_tensor.NestedTensor(value["parts"]) if isinstance(value, dict) else value


def _plan_state(plan: SharePlan) -> list[tuple[Any, float | None]]:
    return [(level.clusters, level.branch_sigma) for level in plan.levels]


def _plan(levels: list[tuple[Any, float | None]]) -> SharePlan:
    return SharePlan(tuple(Level(clusters, branch_sigma) for clusters, branch_sigma in levels))


def _call_state(call: Call) -> dict[str, Any]:
    return {"sigma": call.sigma, "outputs": call.outputs, "fingerprint": call.fingerprint}


def _call(state: dict[str, Any]) -> Call:
    _check_keys(state, "traces", _CALL_KEYS, _CALL_OPTIONAL)
    if "source" in state:  # of a corrected call, the one that was recorded
        return _call(state["source"])
    return Call(state["sigma"], state["outputs"], state["fingerprint"])


def _record_state(record: SamplingRecord) -> dict[str, Any]:
    cost, correction = record.cost, record.correction
    return {
        "plan": _plan_state(record.plan),
        "cost": None if cost is None else {
            "per_level": cost.per_level, "independent": cost.without_sharing, "planning": cost.planning,
            **({"corrections": cost.corrections, "is_bound": cost.is_bound} if cost.corrections else {}),
            **({"remembered": cost.remembered} if cost.remembered else {}),
        },
        "steps": record.steps, "variations": record.variations, "evaluations": record.evaluations,
        "stands_for": record.representative_of, "warnings": record.warnings,
        **({} if correction is None else {"correction": _correction_state(correction)}),
        **({"remembered": record.remembered} if record.remembered else {}),
    }  # fmt: skip


def _record(state: dict[str, Any]) -> SamplingRecord:
    _check_keys(state, "outcome", _RECORD_KEYS, _RECORD_OPTIONAL)
    cost = state["cost"]
    if cost is not None:
        _check_keys(cost, "outcome/cost", _COST_KEYS, _COST_OPTIONAL)
        cost = Cost(
            cost["per_level"], cost["independent"], cost["planning"], cost.get("corrections", 0),
            cost.get("is_bound", False), cost.get("remembered", 0),
        )  # fmt: skip
    return SamplingRecord(
        plan=_plan(state["plan"]), cost=cost, steps=state["steps"], variations=state["variations"],
        evaluations=state["evaluations"], representative_of=state["stands_for"],
        warnings=(*state["warnings"], *([_NOT_CORRECTED] if "probed" in state else [])),
        correction=_correction(state.get("correction")), remembered=state.get("remembered", ()),
    )  # fmt: skip


def _correction_state(correction: CorrectionPlan) -> dict[str, Any]:
    keys = _CORRECTION_KEYS + (_CORRECTION_OPTIONAL if correction.own_negatives else ())
    return {key: getattr(correction, key) for key in keys}


def _correction(state: dict[str, Any] | None) -> CorrectionPlan | None:
    if state is None:
        return None
    _check_keys(state, "outcome/correction", _CORRECTION_KEYS, _CORRECTION_OPTIONAL)
    return CorrectionPlan(**state)


def _groups_state(groups: PromptGroups) -> dict[str, Any]:
    return {
        "prompts": groups.prompts, "conditionings": groups.conditionings,
        "embeddings": torch.from_numpy(groups.embeddings), "partition": groups.partition,
        "threshold": groups.threshold, "threshold_mode": groups.threshold_mode, "encoder": groups.encoder,
        "group_condition": groups.group_condition, "notes": groups.notes, "auto_threshold": groups.auto_threshold,
        "encoder_model": groups.encoder_model, "template": groups.template, "shared_prompts": groups.shared_prompts,
        **({"set_aside": groups.set_aside} if groups.set_aside else {}),
    }  # fmt: skip


def _groups(state: dict[str, Any]) -> PromptGroups:
    _check_keys(state, "groups", _GROUPS_KEYS, optional=["shared_prompts", "set_aside"])  # the first files have none
    return PromptGroups(
        prompts=state["prompts"], conditionings=state["conditionings"], embeddings=state["embeddings"].numpy(),
        partition=state["partition"], threshold=state["threshold"], threshold_mode=state["threshold_mode"],
        encoder=state["encoder"], group_condition=state["group_condition"], notes=state["notes"],
        auto_threshold=state["auto_threshold"], encoder_model=state["encoder_model"], template=state["template"],
        shared_prompts=state.get("shared_prompts", ()), set_aside=state.get("set_aside", ()),
    )  # fmt: skip


def _added_state(groups: PromptGroups) -> dict[str, Any]:
    embeddings = torch.from_numpy(np.ascontiguousarray(groups.embeddings))
    return {"prompts": groups.prompts, "conditionings": groups.conditionings, "embeddings": embeddings}
