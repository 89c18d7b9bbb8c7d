"""Saves a prefix as a safetensors file of plain data, and loads it in another session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comfy.nested_tensor
import comfy.samplers
import numpy as np
import torch

from ..conditioning.combine import Conditioning
from ..grouping.prompt_groups import CONDITION_MODES, PromptGroups
from ..sampling import latents
from ..sampling.job import Draw, Job
from ..sampling.prefix import Prefix, check_prefix
from ..sampling.trace import Call
from ..serialization import read_data, write_data
from ..sharing.correction_plan import CorrectionPlan
from ..sharing.plan import Cost, Level, SharePlan
from ..sharing.sampling_record import SamplingRecord
from ..validation import check_choice
from .extend import extend_prefix
from .file_format import check_state

ENDING = ".prefix.safetensors"
# Format 3 is for corrected runs. Those of format 2 were corrected in another way, which is gone.
_FORMATS = (1, 2, 3)

_CORRECTION_KEYS = ("share", "shares", "calls", "evaluations_per_row", "is_controlled")
_NOT_CORRECTED = "The file's shared steps were corrected in an earlier way, which is gone: they are not corrected now."


def save_prefix(prefix: Prefix, path: Path) -> None:
    """Write a prefix to a file.

    Raises:
        ValueError: the prefix holds something that is no plain data (a ControlNet, hooks), or NaN; says what and where.
        OSError: the file cannot be written; one of that name is as it was.
    """
    check_prefix(prefix)
    state = prefix_state(prefix)
    check_state(state, "prefix")
    try:
        write_data(path, state)
    except ValueError as error:
        raise ValueError(f"prefix: cannot be saved, only plain data can be: {error}") from error
    except OSError as error:
        raise OSError(f"The prefix cannot be written to {path.parent}: {error.__cause__ or error}") from error


def load_prefix(path: Path) -> Prefix:
    """Read a file of `save_prefix`.

    Raises:
        ValueError: no such file, or one that is damaged, of a newer format, or made with a sampler that is not here.
    """
    try:
        state = read_data(path)
    except ValueError as error:
        raise ValueError(f"file: expected a file of Save Prefix, got one that cannot be read ({error}).") from error
    return restore_prefix(state)


def prefix_state(prefix: Prefix) -> dict[str, Any]:
    """A prefix as the plain data of its file."""
    origin, job = prefix.origin or prefix, prefix.job
    # Each once, as several traces may have the same: what is on the disk is another tensor each time it is read.
    calls = {id(call): call for trace in origin.traces for call in trace}
    states = {identity: _call_state(call) for identity, call in calls.items()}
    return {
        "format": 3 if origin.record.correction else 1, "sampler_name": prefix.sampler_name, "sigmas": job.sigmas,
        "seed": job.seed, "rng": job.rng, "noise": _packed(job.noise), "latent_image": _packed(job.latent_image),
        "denoise_mask": _packed(job.denoise_mask), "cfg": prefix.cfg, "model": prefix.model,
        "latent": {key: _packed(value) for key, value in prefix.latent.items()},
        "plan": _plan_state(origin.plan),
        "traces": [[states[id(call)] for call in trace] for trace in origin.traces],
        "outcome": _record_state(origin.record), "groups": _groups_state(origin.groups),
        "negative": prefix.negative, "added": None if prefix.origin is None else _added_state(prefix.groups),
        **({"start_of": job.start_of} if job.start_of else {}),
        **({"draws": [tuple(draw) for draw in job.draws]} if job.draws else {}),
    }  # fmt: skip


def restore_prefix(state: Any) -> Prefix:
    """The prefix that `prefix_state` took apart.

    Raises:
        ValueError: the data is no whole prefix, of a newer format, or made with a sampler that is not here.
    """
    found = state.get("format") if isinstance(state, dict) else None
    if type(found) is not int or found not in _FORMATS:
        raise ValueError(f"file: expected a prefix of format {_FORMATS[0]} to {_FORMATS[-1]}, got {found!r}.")
    check_state(state, "file")
    prefix, added = _prefix(state), state["added"]
    _check(prefix)
    if added is None:
        return prefix
    _check_embedded("added", added["prompts"], added["conditionings"], added["embeddings"])
    _check_equal("width of embeddings", prefix.groups.embeddings.shape[1], added["embeddings"].shape[1])
    return extend_prefix(prefix, added["prompts"], added["conditionings"], added["embeddings"].numpy())[0]


def _prefix(state: dict[str, Any]) -> Prefix:
    name = state["sampler_name"]
    check_choice("file: sampler_name", name, comfy.samplers.KSampler.SAMPLERS)
    job = Job(
        _unpacked(state["noise"]), _unpacked(state["latent_image"]), _unpacked(state["denoise_mask"]),
        comfy.samplers.sampler_object(name), state["sigmas"], state["seed"], state["rng"], state.get("start_of", ()),
        tuple(Draw(*draw) for draw in state.get("draws", ())),
    )  # fmt: skip
    return Prefix(
        job, _plan(state["plan"]), [[_call(call) for call in trace] for trace in state["traces"]],
        _groups(state["groups"]), state["negative"], state["cfg"], state["model"], _record(state["outcome"]),
        {key: _unpacked(value) for key, value in state["latent"].items()}, name,
    )  # fmt: skip


def _check(prefix: Prefix) -> None:
    """What would only show far into the sampling: the parts of a prefix have to be of one run."""
    job, plan, groups, record = prefix.job, prefix.plan, prefix.groups, prefix.record
    _check_embedded("groups", groups.prompts, groups.conditionings, groups.embeddings)
    check_choice("file: group_condition", groups.group_condition, CONDITION_MODES)
    n = len(groups.prompts)
    _check_equal("prompts in groups", list(range(n)), sorted(prompt for group in groups.partition for prompt in group))
    _check_equal("starts", n if job.start_of else 0, len(job.start_of))
    _check_equal("draws", job.starts if job.draws else 0, len(job.draws))
    _check_equal("rows of noise per start", 0, latents.count(job.noise) % job.starts)
    _check_equal("size of latent_image", _shapes(job.noise), _shapes(job.latent_image))
    _check_equal("sigmas", sorted(job.sigmas.tolist(), reverse=True), job.sigmas.tolist())
    distinct, representative_of = groups.distinct()
    _check_equal("prompts of the plan", len(distinct.prompts), plan.n_prompts)
    _check_equal("prompts of the planned run", plan.n_prompts, record.plan.n_prompts)
    _check_equal(
        "prompts that stand for others", representative_of, list(record.representative_of or representative_of)
    )
    _check_equal("variations", job.variations, record.variations)
    for name, values in (
        ("correction", record.correction and record.correction.shares),
        ("remembered", record.remembered),
    ):
        _check_equal(f"prompts of {name}", plan.n_prompts if values else 0, len(values or ()))
    if record.correction is not None and record.correction.noise:
        _check_equal("calls with their noise", record.correction.calls, len(record.correction.noise))
    if record.cost is not None:
        _check_equal("levels of the cost", len(record.plan.levels), len(record.cost.per_level))
    _check_traces(prefix)


def _check_traces(prefix: Prefix) -> None:
    """The recorded calls have to be of the latents, of one kind, and as the sigmas fall."""
    clusters = len(prefix.plan.levels[-2].clusters) if len(prefix.plan.levels) > 1 else 0
    _check_equal("recorded clusters", clusters, len(prefix.traces))
    longest = max(prefix.traces, key=len, default=[])  # a guidance patch may ask for other answers at every other call
    rows, values = prefix.job.variations, latents.numel_per_row(prefix.job.noise)
    for call, same_call in (pair for trace in prefix.traces for pair in zip(trace, longest, strict=False)):
        sizes = {(len(output), output[0].numel()) for output in call.outputs if output is not None}
        _check_equal("sizes of recorded outputs (variations, values)", {(rows, values)} if sizes else set(), sizes)
        _check_equal("answers of a recorded call", len(same_call.outputs), len(call.outputs))
        _check_equal("rows of a recorded state", rows, len(call.fingerprint))


def _shapes(latent: Any) -> list[tuple[int, ...]]:
    return [tuple(part.shape) for part in latents.parts(latent)]


def _check_embedded(name: str, prompts: Sequence[str], conditionings: Sequence[Conditioning], embeddings: Any) -> None:
    """Every prompt needs a conditioning and an embedding."""
    _check_equal(f"conditionings in {name}", len(prompts), len(conditionings))
    _check_equal(f"embeddings in {name}", len(prompts), len(embeddings))


def _check_equal(name: str, expected: Any, found: Any) -> None:
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
    cost = state["cost"]
    if cost is not None:
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
    added = [key for key in ("own_negatives", "noise") if getattr(correction, key)]  # later than the format
    return {key: getattr(correction, key) for key in (*_CORRECTION_KEYS, *added)}


def _correction(state: dict[str, Any] | None) -> CorrectionPlan | None:
    if state is None:
        return None
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
