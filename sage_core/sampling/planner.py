"""Plans how the prompts of some groups share a run, and what that will cost, before sampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import comfy.samplers

from ..conditioning.batch import hints_repeat
from ..conditioning.shelf import all_extras
from ..grouping.prompt_groups import PromptGroups
from ..sharing.correction_plan import CorrectionPlan, correction_shares
from ..sharing.plan import Cost, Level, SharePlan, branch_index
from ..sharing.sampling_record import SamplingRecord
from ..sharing.settings import SharingSettings
from ..sharing.share_modes import SHARE_MODES
from .divergence import DivergenceProbe, noise_fraction
from .job import Job
from .level_runner import LevelRunner
from .model_patches import has_plain_guidance, patch_may_mix_rows, patch_sees_whole_batch
from .predicted_calls import ModelCalls, predict_model_calls
from .prompt_conditions import PromptConditions
from .reference_memory import MEMORY, run_key
from .reuse import Reuse, can_share, find_reuse

# Where the shared steps cannot be corrected, no more than this share of the steps is shared.
_MOST_UNCORRECTED = 0.4

_FEW_OWN_CALLS = (
    "Few steps are every prompt's own: pictures may lack what sets them apart. Take more steps, a smaller share, or "
    "the share_mode auto."
)

_REMEMBERS = (
    "Nothing is shared: the network makes a video block by block and remembers the blocks before, so that no "
    "evaluation can be left out."
)

_CHOSEN_CONDITION = (
    "Groups whose group_condition is mean or concat, or that have a shared prompt, do not use earlier renders."
)

_OWN_STARTS = (
    "Every prompt begins from a latent or a noise of its own, so no steps can be shared, and each is sampled alone."
)


class Prediction(NamedTuple):
    """A plan with its cost, and what it uses of earlier renders; None where that is not wanted or not possible."""

    record: SamplingRecord
    reuse: Reuse | None


@dataclass(frozen=True)
class Planner:
    """Plans one job.

    Attributes:
        guider: what guides the runs, with its model.
        conditions: of distinct prompts, that begin from one start in every group.
        settings: what the user has chosen.
    """

    guider: comfy.samplers.CFGGuider
    conditions: PromptConditions
    settings: SharingSettings
    job: Job

    @property
    def groups(self) -> PromptGroups:
        """The groups of the prompts."""
        return self.conditions.groups

    def predict(self) -> Prediction:
        """The plan, what it will cost, and what it uses of earlier renders."""
        calls = predict_model_calls(self.guider, self.job.sampler, self.job.sigmas)
        planning, correction, reuse = 0, None, None
        reason = self._not_correctable(calls)
        if self.settings.correction == "on" and not reason and calls is not None:
            reuse = None if self._not_reusable(calls, reason) else self._find_reuse(calls)
            plan, correction = self._corrected_plan(calls, reuse)
        else:
            plan, planning = self.plan()
        record = SamplingRecord(
            plan, self._cost(plan, planning, correction, calls, reuse), steps=len(self.job.sigmas) - 1,
            variations=self.job.variations, evaluations=planning,
            warnings=tuple(self._warnings(plan, correction, reuse, reason, self._not_reusable(calls, reason))),
            correction=correction, remembered=() if reuse is None else reuse.texts,
        )  # fmt: skip
        return Prediction(record, reuse)

    def plan(self) -> tuple[SharePlan, int]:
        """A plan without correction, and the evaluations that making it took."""
        steps = max(0, len(self.job.sigmas) - 1)
        runner = LevelRunner(self.guider, self.conditions.of)
        probe = DivergenceProbe(runner, self.job, self.groups.partition)
        shares = SHARE_MODES[self.settings.share_mode](self.groups, self._uncorrected_share, probe)
        # A tree's clusters share longer than is set.
        shared = [(cluster, branch_index(min(share, self._most_shared), steps)) for cluster, share in shares]
        branches = [(cluster, float(self.job.sigmas[k]) if k else None) for cluster, k in shared]
        return SharePlan.from_branches(branches, len(self.groups.prompts)), probe.evaluations

    @property
    def _uncorrected_share(self) -> float:
        """The share where it is not corrected."""
        return 0.0 if self._remembers else min(self.settings.share, self._most_shared)

    @property
    def _most_shared(self) -> float:
        """The largest share of any prompt where it is not corrected."""
        return 1.0 if self.settings.correction == "off" else _MOST_UNCORRECTED

    @property
    def _remembers(self) -> bool:
        """Whether the network keeps what it has seen (Causal Forcing does)."""
        return hasattr(self.guider.model_patcher.model.diffusion_model, "init_kv_caches")

    def _corrected_plan(self, calls: ModelCalls, reuse: Reuse | None) -> tuple[SharePlan, CorrectionPlan | None]:
        """One whole run per group, and how the prompts follow it; None where there is nothing to follow."""
        share, share_mode = self.settings.share, self.settings.share_mode
        if reuse is not None:  # a prompt alone is a cluster as well: its run is remembered
            alone = tuple((prompt,) for prompt in range(len(self.groups.prompts)))
            plan = SharePlan((Level(reuse.clusters, 0.0), Level(alone, None)))
            shares = reuse.shares(share, share_mode)
        else:
            clusters = [(members, 0.0 if share else None) for members in self.groups.partition]
            plan = SharePlan.from_branches(clusters, len(self.groups.prompts))
            shares = correction_shares(self.groups, share, share_mode)
        if len(plan.levels) == 1:
            return plan, None
        recorded = plan.level_of_calls(calls.sigmas).count(0)
        sampling = self.guider.model_patcher.get_model_object("model_sampling")
        return plan, CorrectionPlan(
            share, shares, recorded, calls.evaluations_per_row, is_controlled=share_mode == "auto",
            own_negatives=self.conditions.negatives_differ or patch_may_mix_rows(self.guider),
            noise=tuple(noise_fraction(sampling, sigma) for sigma in calls.sigmas[:recorded]),
        )  # fmt: skip

    def _not_correctable(self, calls: ModelCalls | None) -> str:
        """Why the shared steps cannot be corrected; empty where they can."""
        if self._remembers:
            return "the network remembers its evaluations"
        if calls is None:
            return "the sampler decides its steps by the image"
        if not calls.keep_size:
            return "the sampler makes the latent larger on its way"
        if not has_plain_guidance(self.guider):
            return "the guider combines the conditionings in a way of its own"
        if patch_sees_whole_batch(self.guider):
            return "a patch of the model sees the whole batch (a cache, guidance, windows)"
        extras = all_extras(self.groups.conditionings)
        if not all(hints_repeat(each.get("control"), self.job.variations) for each in extras):
            return "a ControlNet has other pictures for some rows of an evaluation"
        return ""

    def _not_reusable(self, calls: ModelCalls | None, not_correctable: str) -> str:
        """Why earlier renders cannot be used; empty where they can. `not_correctable` as of `_not_correctable`."""
        if self.settings.correction == "off":
            return "that needs correction"
        if calls is None or not_correctable:
            return "that needs correction, which is not possible here"
        if not self.settings.share:
            return "with share 0 nothing is shared"
        if self.job.starts > 1:
            return "every prompt begins from a latent of its own"
        if min(calls.sigmas, default=0.0) <= 0.0:
            return "the sampler asks the model where no noise is left"
        return ""

    def _find_reuse(self, calls: ModelCalls) -> Reuse | None:
        """What the prompts take and follow of earlier renders; None where that is not asked for."""
        if not self.settings.reuse:
            return None
        sharing = (self.settings.share, self.settings.share_mode)
        asks_negative = calls.evaluations_per_row > 1
        key = run_key(self.guider, self.job, self.conditions, sharing, asks_negative=asks_negative)
        return find_reuse(self.conditions, key, MEMORY.runs(self.guider.model_patcher.model, key))

    def _cost(
        self, plan: SharePlan, planning: int, correction: CorrectionPlan | None, calls: ModelCalls | None,
        reuse: Reuse | None,
    ) -> Cost | None:  # fmt: skip
        if calls is None:
            return None
        variations = self.job.variations
        cost = plan.cost(calls.sigmas, variations=variations, evaluations_per_row=calls.evaluations_per_row)
        if correction is None:
            return replace(cost, planning=planning)
        known = 0 if reuse is None else sum(map(bool, reuse.traces))
        corrections = correction.evaluations(variations)
        return replace(
            cost, corrections=corrections, is_bound=correction.is_controlled and corrections > 0,
            remembered=known * cost.per_level[0] // len(plan.levels[0].clusters),
        )  # fmt: skip

    def _warnings(
        self, plan: SharePlan, correction: CorrectionPlan | None, reuse: Reuse | None, not_correctable: str,
        not_reusable: str,
    ) -> Iterator[str]:  # fmt: skip
        """What was asked for and cannot be, and why; and what may harm the pictures."""
        if self.job.starts > 1 and len(plan.levels) == 1:
            yield _OWN_STARTS
        if self._remembers and self.settings.share:
            yield _REMEMBERS
        if self.settings.correction == "on" and not_correctable and len(plan.levels) > 1:
            is_fixed = self.settings.share_mode == "fixed"
            share = f"{self._uncorrected_share:.0%}" if is_fixed else f"at most {_MOST_UNCORRECTED:.0%}"
            yield f"The shared steps are not corrected: {not_correctable}. So {share} of them are shared."
        yield from self._rounded(plan, correction)
        if correction is not None and correction.has_few_own_calls:
            yield _FEW_OWN_CALLS
        if self.settings.reuse and reuse is None:
            yield f"Earlier renders are neither used nor remembered: {not_reusable}."
        elif self.settings.reuse and len(can_share(self.groups)) < len(self.groups.prompts):
            yield _CHOSEN_CONDITION

    def _rounded(self, plan: SharePlan, correction: CorrectionPlan | None) -> Iterator[str]:
        """Where so few steps leave nothing of the share, or nothing of the rest."""
        steps, share = len(self.job.sigmas) - 1, self.settings.share if correction else self._uncorrected_share
        is_alone = all(len(members) == 1 for members in self.groups.partition)
        if not share or is_alone or self.job.starts > 1 or self.settings.share_mode == "auto":
            return
        if correction is None:
            is_rounded_away = len(plan.levels) == 1
        else:
            is_rounded_away = all(len(correction.own_calls(each)) == correction.calls for each in correction.following)
        if is_rounded_away:
            yield f"Nothing is shared: {share:g} of {steps} steps is less than half a step. Take a larger share."
        elif correction is None and branch_index(share, steps) == steps:
            yield "All steps are shared, so all prompts of a group get the same picture. Take a smaller share."
