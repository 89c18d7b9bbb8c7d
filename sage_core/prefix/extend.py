"""Adds prompts after the shared steps: each goes on from the cluster it is most similar to, or is sampled alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..conditioning.combine import Conditioning
from ..conditioning.shelf import joined
from ..grouping.build import encode_and_embed
from ..grouping.partition import index_with
from ..grouping.prompt_groups import PromptGroups
from ..prompts.embedding_models import Embed
from ..prompts.text_encoders import clip_embeddings
from ..sampling.prefix import Prefix, check_prefix
from ..sampling.trace import ClusterTrace
from ..sharing.correction_plan import CorrectionPlan
from ..sharing.plan import Cost, Level, SharePlan, is_past
from ..sharing.sampling_record import SamplingRecord
from .assign import Assignment, ClusterPath, assign_prompts
from .report import joining_report

# How far embeddings of one text by one encoder may be apart, on other devices and in other batches.
_NOISE = 0.05


def add_prompts(
    clip: Any,
    prefix: Prefix,
    prompts: tuple[str, ...],
    *,
    embed: Embed | None = None,
    on_prompt: Callable[[int], None] = lambda done: None,
) -> tuple[Prefix, str]:
    """A prefix of new prompts, made of the shared steps that another one has run, and a report.

    They are guided by what guided those steps, whoever comes later: neither groups nor plan change.

    Args:
        clip, embed: what the groups were made with.
        prefix: its groups are joined; prompts that were added to it before stay.

    Raises:
        ValueError: an input does not fit the prefix.
    """
    check_prefix(prefix)
    if prefix.job.start_of:
        raise ValueError("prefix: every prompt begins from a latent of its own, so there is none for new prompts.")
    origin = prefix.origin or prefix
    made = origin.groups
    conditionings, embeddings = encode_and_embed(clip, prompts, embed, made.template, on_prompt, made.set_aside)
    _check_encoder(clip, embed, origin.groups)
    if prefix.origin is not None:
        earlier = prefix.groups
        prompts, conditionings = earlier.prompts + prompts, joined(earlier.conditionings, conditionings)
        embeddings = np.concatenate([earlier.embeddings, embeddings])
    return extend_prefix(origin, prompts, conditionings, embeddings)


def extend_prefix(
    origin: Prefix, prompts: tuple[str, ...], conditionings: Sequence[Conditioning], embeddings: np.ndarray
) -> tuple[Prefix, str]:
    """As `add_prompts`, for prompts that are encoded and embedded already."""
    assignments = assign_prompts(origin.groups, origin.plan, prompts, embeddings)
    together: dict[int | str, list[int]] = {}
    for index, text in enumerate(prompts):
        together.setdefault(assignments[text].group if assignments[text].is_assigned else text, []).append(index)
    groups = replace(
        origin.groups, prompts=prompts, conditionings=conditionings, embeddings=embeddings,
        partition=tuple(map(tuple, together.values())), notes=(), negatives=(),
        seed_offsets=origin.groups.seed_offsets[:1] * len(prompts),  # all have one, or there is no start for new ones
    )  # fmt: skip
    distinct, representative_of = groups.distinct()
    paths = [assignments[text].clusters for text in distinct.prompts]
    plan = _plan(origin.plan, paths)
    before = origin.record
    correction = _correction(origin, distinct, [assignments[text] for text in distinct.prompts])
    record = SamplingRecord(
        plan, _cost(origin, paths, correction), before.steps, before.variations,
        representative_of=tuple(representative_of), warnings=(*before.warnings, *_warnings(assignments)),
        correction=correction,
    )  # fmt: skip
    prefix = replace(
        origin, groups=groups, plan=plan, traces=_traces(origin, plan, paths), record=record, origin=origin,
        run_key=None,
    )  # fmt: skip
    return prefix, joining_report(origin.groups, origin.plan, prompts, assignments)


def _plan(origin: SharePlan, paths: list[ClusterPath]) -> SharePlan:
    """The origin's levels, with the new prompts in the clusters that they join."""
    levels = []
    for depth, level in enumerate(origin.levels[:-1]):
        together: dict[tuple[str, int], list[int]] = {}
        for prompt, path in enumerate(paths):
            together.setdefault(("joined", path[depth]) if depth < len(path) else ("alone", prompt), []).append(prompt)
        levels.append(Level(tuple(map(tuple, together.values())), level.branch_sigma))
    return SharePlan((*levels, Level(tuple((prompt,) for prompt in range(len(paths))), None)))


def _traces(origin: Prefix, plan: SharePlan, paths: list[ClusterPath]) -> list[ClusterTrace]:
    """For every cluster of the last shared level the recorded calls of the clusters that it joins."""
    if len(plan.levels) == 1:
        return []
    return [_recorded(origin, paths[cluster[0]]) for cluster in plan.levels[-2].clusters]


def _recorded(origin: Prefix, path: ClusterPath) -> ClusterTrace:
    if not path:
        return []
    level = origin.plan.levels[len(path) - 1]
    prompt = level.clusters[path[-1]][0]
    trace = origin.traces[index_with(origin.plan.levels[-2].clusters, prompt)]
    ends = (at for at, call in enumerate(trace) if is_past(call.sigma, level.branch_sigma))
    return trace[: next(ends, len(trace))]


def _correction(origin: Prefix, groups: PromptGroups, assignments: Sequence[Assignment]) -> CorrectionPlan | None:
    """How the new prompts follow the runs of the clusters that they join; one that was there already as it did then."""
    correction = origin.record.correction
    if correction is None:
        return None
    known, _ = origin.groups.distinct()
    then = dict(zip(zip(known.prompts, known.group_of(), strict=True), correction.shares, strict=True))
    shares = tuple(
        then.get((text, each.group), correction.share) if each.clusters else None
        for text, each in zip(groups.prompts, assignments, strict=True)
    )
    return replace(correction, shares=shares)


def _cost(origin: Prefix, paths: list[ClusterPath], correction: CorrectionPlan | None) -> Cost | None:
    """Evaluations of the new prompts: their own calls where they join a cluster, else those of a prompt there."""
    cost, planned = origin.record.cost, origin.record.plan
    if cost is None:
        return None
    whole = cost.without_sharing // planned.n_prompts
    per_prompt = [number // len(level.clusters) for number, level in zip(cost.per_level, planned.levels, strict=True)]
    if len(origin.plan.levels) == 1:  # also where more was planned, but the sampler does not repeat itself
        per_prompt = [whole]
    own = [sum(len(path) <= depth for path in paths) for depth in range(len(per_prompt))]
    per_level = tuple(number * count for number, count in zip(per_prompt, own, strict=True))
    own_calls = 0 if correction is None else correction.evaluations(origin.record.variations)
    bound = correction is not None and correction.is_controlled and own_calls > 0
    return Cost(per_level, whole * len(paths), corrections=own_calls, is_bound=bound)


def _warnings(assignments: Mapping[str, Assignment]) -> list[str]:
    alone = [text for text, assignment in assignments.items() if not assignment.is_assigned]
    if not alone:
        return []
    texts = ", ".join(repr(text[:80]) for text in alone[:5]) + (" ..." if len(alone) > 5 else "")
    return [f"not similar enough to any group, so sampled from the start, alone: {texts}."]


def _check_encoder(clip: Any, embed: Embed | None, groups: PromptGroups) -> None:
    """Check that the encoder is the one the groups were made with: else similarities would mean nothing.

    Raises:
        ValueError: a prompt of the groups gets another embedding than it had.
    """
    text = groups.prompts[0]
    conditionings, embedding = encode_and_embed(clip, [text], embed, None, set_aside=groups.set_aside)
    for name, now, then in (
        ("clip", clip_embeddings(conditionings), clip_embeddings(groups.conditionings[:1])),
        ("encoder_model", embedding, groups.embeddings[:1]),
    ):
        if now.shape != then.shape or np.linalg.norm(now - then) > _NOISE:
            raise ValueError(
                f"{name}: expected the one that the prefix's groups were made with, got another: the prompt "
                f"{text[:80]!r} gets another embedding."
            )
