"""A prefix as a safetensors file of plain data, whole enough to go on with it in another session."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import comfy.nested_tensor
import comfy.samplers
import numpy as np
import torch

from . import rows
from .adding import joined
from .checks import check_cfg, check_choice, check_finite
from .data_file import read_data, write_data
from .engine import Job
from .groups import PromptGroups
from .plan import Cost, Level, SharePlan
from .prefix import Prefix, check_prefix
from .report import Outcome
from .trace import Call

ENDING = ".prefix.safetensors"
_FORMAT = 1


def save_prefix(prefix: Prefix, path: Path) -> None:
    """
    Raises:
        ValueError: the prefix holds something that is no plain data (a ControlNet, hooks); says what and where.
        OSError: the file cannot be written; one of that name is as it was.
    """
    check_prefix(prefix)
    origin, job = prefix.origin or prefix, prefix.job
    state = {
        "format": _FORMAT, "sampler_name": prefix.sampler_name, "sigmas": job.sigmas, "seed": job.seed,
        "rng": job.rng, "noise": _packed(job.noise), "latent_image": _packed(job.latent_image),
        "denoise_mask": _packed(job.denoise_mask), "cfg": prefix.cfg, "model": prefix.model,
        "latent": {key: _packed(value) for key, value in prefix.latent.items()},
        "plan": _levels(origin.plan), "traces": [[vars(call) for call in trace] for trace in origin.traces],
        "outcome": {**vars(origin.outcome), "plan": _levels(origin.outcome.plan), "cost": _cost(origin.outcome.cost)},
        "groups": {**vars(origin.groups), "embeddings": torch.from_numpy(origin.groups.embeddings)},
        "negative": prefix.negative, "added": None if prefix.origin is None else _added(prefix.groups),
    }  # fmt: skip
    try:
        write_data(path, state)
    except ValueError as error:
        raise ValueError(f"prefix: cannot be saved, only plain data can be: {error}") from error
    except OSError as error:
        raise OSError(f"The prefix cannot be written to {error}") from error


def load_prefix(path: Path) -> Prefix:
    """
    Raises:
        ValueError: no such file, or one that is damaged, of a newer format, or made with a sampler that is not here.
    """
    try:
        state = read_data(path)
    except ValueError as error:
        raise ValueError(f"file: expected a file of Save Prefix, got one that cannot be read ({error}).") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != _FORMAT:
        raise ValueError(f"file: expected a prefix of format {_FORMAT}, got {found} in {path}.")
    try:
        prefix = _prefix(state)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"file: expected a whole prefix, got one without {error} in {path}.") from error
    _check(prefix)
    added = state["added"]
    if added is None:
        return prefix
    return joined(prefix, added["prompts"], added["conditionings"], added["embeddings"].numpy())[0]


def _prefix(state: dict[str, Any]) -> Prefix:
    name = state["sampler_name"]
    check_choice("file: sampler_name", name, comfy.samplers.KSampler.SAMPLERS)
    job = Job(
        _unpacked(state["noise"]), _unpacked(state["latent_image"]), _unpacked(state["denoise_mask"]),
        comfy.samplers.sampler_object(name), state["sigmas"], state["seed"], state["rng"],
    )  # fmt: skip
    groups = PromptGroups(**{**state["groups"], "embeddings": state["groups"]["embeddings"].numpy()})
    outcome = state["outcome"]
    cost = None if outcome["cost"] is None else Cost(**outcome["cost"])
    return Prefix(
        job, _plan(state["plan"]), [[Call(**call) for call in trace] for trace in state["traces"]], groups,
        state["negative"], state["cfg"], state["model"],
        Outcome(**{**outcome, "plan": _plan(outcome["plan"]), "cost": cost}),
        {key: _unpacked(value) for key, value in state["latent"].items()}, name,
    )  # fmt: skip


def _check(prefix: Prefix) -> None:
    """What would only show far into the sampling: the parts of a prefix have to be of one run."""
    job, plan = prefix.job, prefix.plan
    check_cfg(prefix.cfg)
    for name in ("noise", "latent_image"):
        check_finite(getattr(job, name), f"file: {name}")
    size, prompts = tuple(rows.shape(job.noise)), len(prefix.groups.distinct()[0].prompts)
    sigmas = job.sigmas.tolist()
    clusters = len(plan.levels[-2].clusters) if len(plan.levels) > 1 else 0
    sizes = {
        (output.shape[0], output[0].numel()) for trace in prefix.traces for call in trace for output in call.outputs
        if output is not None
    }  # fmt: skip
    expected_sizes = {(size[0], rows.values_a_row(job.noise))} if sizes else set()
    for name, expected, found in (
        ("size of latent_image", size, tuple(rows.shape(job.latent_image))),
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


def _levels(plan: SharePlan) -> list[tuple[Any, float | None]]:
    return [(level.clusters, level.branch_sigma) for level in plan.levels]


def _plan(levels: list[tuple[Any, float | None]]) -> SharePlan:
    return SharePlan(tuple(Level(*level) for level in levels))


def _cost(cost: Cost | None) -> dict[str, Any] | None:
    return None if cost is None else asdict(cost)


def _added(groups: PromptGroups) -> dict[str, Any]:
    embeddings = torch.from_numpy(np.ascontiguousarray(groups.embeddings))
    return {"prompts": groups.prompts, "conditionings": groups.conditionings, "embeddings": embeddings}
