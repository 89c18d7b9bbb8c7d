"""Guiders that share evaluations, for any node that takes a GUIDER."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import comfy.model_patcher
import comfy.samplers
import torch

from ..conditioning.batch import hints_repeat
from ..conditioning.combine import Conditioning
from ..grouping.partition import Partition, parents_of
from ..grouping.prompt_groups import PromptGroups
from ..grouping.repeats import copies_of
from ..sharing.correction_plan import CorrectionPlan, correction_shares
from ..sharing.plan import Cost, Level, SharePlan, branch_index
from ..sharing.sampling_record import SamplingRecord
from ..sharing.share_modes import SHARE_MODES
from ..validation import check_cfg, check_choice
from . import latents
from .correction import CORRECTIONS
from .divergence import DivergenceProbe
from .job import Job, random_state
from .level_runner import LevelRunner
from .plan_runner import run_plan, run_shared
from .predicted_calls import ModelCalls, predict_model_calls
from .prefix import Prefix, check_prefix, model_identity
from .progress import Progress, ProgressListener, StepCallback
from .reference_memory import MEMORY, run_key
from .replay_guider import RunResult
from .reuse import Reuse, RunKeeper, can_share, find_reuse
from .trace import ClusterTrace
from .validation import check_latent, check_model, check_text_width

# Where the shared steps cannot be corrected, no more than this share of the steps is shared.
_MOST_UNCORRECTED = 0.4

_FEW_OWN_CALLS = (
    "Few steps are every prompt's own: pictures may lack what sets them apart. Take more steps, a smaller share, or "
    "the share_mode auto."
)

_CHOSEN_CONDITION = (
    "Groups whose group_condition is mean or concat, or that have a shared prompt, do not use earlier renders."
)

# Gets the numbers of a prompt in the list (several where it repeats) and its rows, one per variation, when finished.
OnFinished = Callable[[Sequence[int], Any], None]

# Gets a guider and what its plan predicts; makes the listener of its run.
MakeListener = Callable[["SageGuider", SamplingRecord], ProgressListener]


class SageGuider(comfy.samplers.CFGGuider):
    """Samples every prompt of some groups; the steps above the branch sigma run once per group.

    A drop-in for ComfyUI's CFGGuider, except that it returns one row per (prompt, variation), prompt-major, for a
    latent that holds the variations.

    Attributes:
        gives_denoised: whether the last callback carries all denoised rows. The preview then ends on the first of
            them, so nodes that do not need them switch it off.
        record: what was planned and done, after `sample`.
        make_listener: makes the listener of the run; None for no listener.
        on_finished: gets the rows of every prompt as soon as they are finished; None if nobody waits for them.
    """

    gives_denoised = True
    make_listener: MakeListener | None = None
    on_finished: OnFinished | None = None

    def __init__(
        self,
        model_patcher: comfy.model_patcher.ModelPatcher,
        groups: PromptGroups,
        negative: Conditioning,
        cfg: float,
        share: float,
        share_mode: str = "fixed",
        correction: str = "off",
        reuse: bool = False,
    ) -> None:
        """Prepare the sampling of some groups.

        Args:
            share: fraction of the steps that is shared, 0 to 1.
            share_mode: a key of `SHARE_MODES`.
            correction: one of `CORRECTIONS`. With it prompts follow the whole run of their group, and `share` is the
                fraction of the steps that they take from it, spread over the run.
            reuse: take and follow the runs of earlier renders with the same settings, see `reuse`. With correction.

        Raises:
            ValueError: an input is out of range, or the groups do not fit the model or the negative prompt.
        """
        super().__init__(model_patcher)
        check_cfg(cfg)
        check_text_width(model_patcher, groups, negative)
        check_choice("share_mode", share_mode, SHARE_MODES)
        check_choice("correction", correction, CORRECTIONS)
        branch_index(share, 1)
        self.set_cfg(cfg)
        self.all_groups = groups
        self.groups, self.representative_of = groups.distinct()
        self.copies = copies_of(self.representative_of)
        self.negative = negative
        self.share = share
        self.share_mode = share_mode
        self.correction = correction
        self.reuse = reuse
        self.record: SamplingRecord | None = None

    def sample(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, denoise_mask: Any = None,
        callback: StepCallback | None = None, disable_pbar: bool = False, seed: int | None = None,
    ) -> Any:  # fmt: skip
        """Sample all prompts; arguments as ComfyUI's `CFGGuider.sample`.

        Returns:
            Latents, one per (prompt, variation).
        """
        if sigmas.shape[-1] == 0:
            return self._unchanged(latent_image)
        job = self._job(noise, latent_image, sampler, sigmas, denoise_mask, seed)
        predicted, reuse = self._predict(job)
        if reuse is None:
            return self._finish(job, predicted.plan, predicted, callback, disable_pbar)
        used = [run for run in reuse.used if run is not None]
        keeper = RunKeeper(self.model_patcher.model, reuse.key, self.groups, predicted, used)
        return self._finish(
            job, predicted.plan, predicted, callback, disable_pbar, traces=reuse.traces, keeper=keeper
        )  # fmt: skip

    def _finish(
        self, job: Job, plan: SharePlan, before: SamplingRecord, callback: StepCallback | None, disable_pbar: bool, *,
        levels_done: int = 0, traces: list[ClusterTrace] | None = None, keeper: RunKeeper | None = None,
    ) -> Any:  # fmt: skip
        """Run what is left of a plan after `before`; `levels_done` and `traces` as in `run_plan`.

        Args:
            keeper: remembers the runs; None to forget them.
        """
        with Progress(
            callback, before.expected(), done=before.evaluations, bar=not disable_pbar, listener=self._listener(before)
        ) as progress:
            result, warnings = run_plan(
                self._runner(before, keeper), job, plan, progress, levels_done=levels_done, traces=traces,
                correction=before.correction,
            )  # fmt: skip
        if keeper is not None and not warnings:
            keeper.remember()
        self.record = before.finished(progress.done, warnings, result.errors)
        result = replace(result, samples=self._every_prompt(result.samples))
        if result.denoised is not None:
            result = replace(result, denoised=self._every_prompt(result.denoised))
        self._report_denoised(callback, progress, result)
        return result.samples

    def _unchanged(self, latent_image: Any) -> Any:
        """The latent once per prompt, where there is no step to run."""
        for distinct in range(len(self.groups.prompts)):
            self._hand_out(distinct, latent_image)
        return latents.tile(latent_image, len(self.representative_of))

    def _hand_out(self, distinct: int, its_rows: Any) -> None:
        """Give the rows of a distinct prompt to all prompts of the list that are equal to it."""
        if self.on_finished is not None:
            self.on_finished(self.copies[distinct], its_rows)

    def _every_prompt(self, batch: Any) -> Any:
        """Rows of the distinct prompts as rows of all prompts."""
        return latents.select_clusters(batch, self.representative_of, len(self.groups.prompts))

    def _report_denoised(self, callback: StepCallback | None, progress: Progress, result: RunResult) -> None:
        """Call back with the denoised rows at the end: SamplerCustomAdvanced takes its second output from there.

        Nested latents always need it: SamplerCustomAdvanced cannot read a contact sheet of them.
        """
        wanted = self.gives_denoised or result.samples.is_nested
        if wanted and callback is not None and result.denoised is not None:
            total = max(1, progress.total)  # 0 where all is remembered
            callback(total - 1, result.denoised, result.denoised, total)

    def _listener(self, predicted: SamplingRecord) -> ProgressListener | None:
        return None if self.make_listener is None else self.make_listener(self, predicted)

    def _runner(self, predicted: SamplingRecord | None = None, keeper: RunKeeper | None = None) -> LevelRunner:
        """What runs levels; one cluster per run where `predicted` says that the calls depend on the image."""
        corrects = predicted is not None and predicted.correction is not None
        condition = self.groups.reference_condition if corrects else self.groups.condition
        return LevelRunner(
            self.model_patcher, self.model_options, condition, self.negative, self.cfg, self._hand_out,
            one_cluster_per_run=predicted is not None and predicted.calls_depend_on_image,
            on_trace=None if keeper is None else keeper.keep,
        )  # fmt: skip

    def _job(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, mask: Any, seed: int | None
    ) -> Job:
        check_latent(self.model_patcher, latent_image)
        rng = random_state(self.model_patcher.load_device)
        return Job(noise, latent_image, mask, sampler, sigmas, seed, rng)

    def _plan(self, job: Job, share: float) -> tuple[SharePlan, int]:
        """The plan, and the evaluations that making it took."""
        steps = max(0, len(job.sigmas) - 1)
        probe = DivergenceProbe(self._runner(), job, self.groups.partition)
        shares = SHARE_MODES[self.share_mode](self.groups, share, probe)
        shared = [(cluster, branch_index(share, steps)) for cluster, share in shares]
        branches = [(cluster, float(job.sigmas[k]) if k else None) for cluster, k in shared]
        return SharePlan.from_branches(branches, len(self.groups.prompts)), probe.evaluations

    def _predict(self, job: Job) -> tuple[SamplingRecord, Reuse | None]:
        """The plan and what it will cost, before sampling, and what it uses of earlier renders, with `reuse`."""
        calls = predict_model_calls(self.model_patcher, self.model_options, job.sampler, job.sigmas, self.cfg)
        planning, correction, reuse = 0, None, None
        reason = self._not_correctable(calls, job)
        if self.correction == "on" and not reason and calls is not None:
            reuse = None if self._not_reusable(calls, reason) else self._find_reuse(job)
            plan, correction = self._corrected_plan(calls, reuse)
        else:
            share = self.share if self.correction == "off" else min(self.share, _MOST_UNCORRECTED)
            plan, planning = self._plan(job, share)
        return SamplingRecord(
            plan, self._cost(plan, planning, correction, calls, job, reuse), steps=len(job.sigmas) - 1,
            variations=job.variations, evaluations=planning, representative_of=tuple(self.representative_of),
            warnings=tuple(self._warnings(plan, correction, reuse, reason, self._not_reusable(calls, reason))),
            correction=correction, remembered=() if reuse is None else reuse.texts,
        ), reuse  # fmt: skip

    def _warnings(
        self, plan: SharePlan, correction: CorrectionPlan | None, reuse: Reuse | None, not_correctable: str,
        not_reusable: str,
    ) -> Iterator[str]:  # fmt: skip
        """What was asked for and cannot be, and why; and what may harm the pictures."""
        if self.correction == "on" and not_correctable and len(plan.levels) > 1:
            share = min(self.share, _MOST_UNCORRECTED)
            yield f"The shared steps are not corrected: {not_correctable}. So {share:.0%} of them are shared."
        if correction is not None and correction.has_few_own_calls:
            yield _FEW_OWN_CALLS
        if self.reuse and reuse is None:
            yield f"Earlier renders are neither used nor remembered: {not_reusable}."
        elif self.reuse and len(can_share(self.groups)) < len(self.groups.prompts):
            yield _CHOSEN_CONDITION

    def _find_reuse(self, job: Job) -> Reuse | None:
        """What the prompts take and follow of earlier renders; None where that is not asked for."""
        if not self.reuse:
            return None
        sharing = (self.share, self.share_mode)
        key = run_key(self.model_patcher, self.model_options, job, self.negative, self.cfg, sharing)
        return find_reuse(self.groups, key, MEMORY.runs(self.model_patcher.model, key))

    def _not_reusable(self, calls: ModelCalls | None, not_correctable: str) -> str:
        """Why earlier renders cannot be used; empty where they can. `not_correctable` as of `_not_correctable`."""
        if self.correction == "off":
            return "that needs correction"
        if calls is None or not_correctable:
            return "that needs correction, which is not possible here"
        if not self.share:
            return "with share 0 nothing is shared"
        if min(calls.sigmas, default=0.0) <= 0.0:
            return "the sampler asks the model where no noise is left"
        return ""

    def _corrected_plan(self, calls: ModelCalls, reuse: Reuse | None) -> tuple[SharePlan, CorrectionPlan | None]:
        """One whole run per group, and how the prompts follow it; None where there is nothing to follow."""
        if reuse is not None:  # a prompt alone is a cluster as well: its run is remembered
            alone = tuple((prompt,) for prompt in range(len(self.groups.prompts)))
            plan = SharePlan((Level(reuse.clusters, 0.0), Level(alone, None)))
            shares = reuse.shares(self.share, self.share_mode)
        else:
            clusters = [(members, 0.0 if self.share else None) for members in self.groups.partition]
            plan = SharePlan.from_branches(clusters, len(self.groups.prompts))
            shares = correction_shares(self.groups, self.share, self.share_mode)
        if len(plan.levels) == 1:
            return plan, None
        recorded = plan.level_of_calls(calls.sigmas).count(0)
        controlled = self.share_mode == "auto"
        return plan, CorrectionPlan(self.share, shares, recorded, calls.evaluations_per_row, controlled)

    def _not_correctable(self, calls: ModelCalls | None, job: Job) -> str:
        """Why the shared steps cannot be corrected; empty where they can."""
        if calls is None:
            return "the sampler decides its steps by the image"
        if self._runner().patch_sees_whole_batch:
            return "a patch of the model sees the whole batch (a cache, guidance, windows)"
        options = [entry[1] for conditioning in self.groups.conditionings for entry in conditioning]
        if not all(hints_repeat(each.get("control"), job.variations) for each in options):
            return "a ControlNet has other pictures for some rows of an evaluation"
        return ""

    @staticmethod
    def _cost(
        plan: SharePlan, planning: int, correction: CorrectionPlan | None, calls: ModelCalls | None, job: Job,
        reuse: Reuse | None = None,
    ) -> Cost | None:  # fmt: skip
        if calls is None:
            return None
        cost = plan.cost(calls.sigmas, variations=job.variations, evaluations_per_row=calls.evaluations_per_row)
        if correction is None:
            return replace(cost, planning=planning)
        known = 0 if reuse is None else sum(map(bool, reuse.traces))
        return replace(
            cost, corrections=correction.evaluations(job.variations), is_bound=correction.is_controlled,
            remembered=known * cost.per_level[0] // len(plan.levels[0].clusters),
        )  # fmt: skip


class PrefixGuider(SageGuider):
    """Runs the shared levels only.

    Attributes:
        prefix: what `BranchGuider` goes on from, after `sample`.
    """

    prefix: Prefix | None = None

    def sample(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, denoise_mask: Any = None,
        callback: StepCallback | None = None, disable_pbar: bool = False, seed: int | None = None,
    ) -> Any:  # fmt: skip
        """Sample the shared steps; arguments as ComfyUI's `CFGGuider.sample`.

        Returns:
            The last denoised prediction, one per (group, variation).
        """
        job = self._job(noise, latent_image, sampler, sigmas, denoise_mask, seed)
        predicted, reuse = self._predict(job)
        traces: list[ClusterTrace] = []
        preview = latents.tile(latent_image, len(self.groups.partition))
        with Progress(
            callback, predicted.expected(shared_only=True), done=predicted.evaluations, bar=not disable_pbar,
            listener=self._listener(predicted),
        ) as progress:  # fmt: skip
            plan, result, warnings = run_shared(
                self._runner(predicted), job, predicted.plan, progress, None if reuse is None else reuse.traces
            )
            if result is not None:
                traces, preview = result.traces, self._row_per_group(result.samples, plan.levels[-2].clusters)
                if preview.is_nested:
                    self._report_denoised(callback, progress, result)
        self.prefix = Prefix(
            job, plan, traces, self.all_groups, self.negative, self.cfg, model_identity(self.model_patcher),
            predicted.finished(progress.done, warnings), run_key=None if reuse is None or warnings else reuse.key,
        )  # fmt: skip
        return preview

    def _row_per_group(self, batch: Any, clusters: Partition) -> Any:
        """For every group the row of its most central prompt: a group may be in several clusters by now."""
        central = [members[self.groups.medoid(members)] for members in self.groups.partition]
        return latents.select_clusters(
            batch, parents_of(tuple((prompt,) for prompt in central), clusters), len(clusters)
        )


class BranchGuider(SageGuider):
    """Finishes a prefix: every prompt on its own from its branch sigma on."""

    def __init__(self, model_patcher: comfy.model_patcher.ModelPatcher, prefix: Prefix) -> None:
        """Prepare the rest of a prefix.

        Raises:
            ValueError: the model is of another family than the one the prefix was made with.
        """
        check_prefix(prefix)
        check_model(model_identity(model_patcher), prefix.model)
        super().__init__(model_patcher, prefix.groups, prefix.negative, prefix.cfg, share=0.0)
        self.prefix = prefix

    def sample(
        self, noise: Any = None, latent_image: Any = None, sampler: Any = None, sigmas: Any = None,
        denoise_mask: Any = None, callback: StepCallback | None = None, disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Any:  # fmt: skip
        """Sample the prefix's own job; only `callback` and `disable_pbar` are read."""
        prefix, job = self.prefix, self.prefix.job
        if len(job.sigmas) == 0:
            return self._unchanged(job.latent_image)
        return self._finish(
            job, prefix.plan, prefix.record, callback, disable_pbar,
            levels_done=len(prefix.plan.levels) - 1, traces=prefix.traces, keeper=self._keeper(),
        )  # fmt: skip

    def _keeper(self) -> RunKeeper | None:
        """Remembers the runs of a prefix with `reuse`, if the model is the very one that its shared steps are of."""
        prefix, key = self.prefix, self.prefix.run_key
        if key is None:
            return None
        own = run_key(self.model_patcher, self.model_options, prefix.job, prefix.negative, prefix.cfg, key.sharing)
        return RunKeeper(self.model_patcher.model, key, self.groups, prefix.record) if own == key else None
