"""Guiders that share evaluations, for any node that takes a GUIDER."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import comfy.model_patcher
import comfy.samplers
import torch

from ..conditioning.combine import Conditioning
from ..grouping.partition import Cluster, Partition, parents_of
from ..grouping.prompt_groups import PromptGroups, copies_of
from ..sharing.plan import Cost, SharePlan, branch_index
from ..sharing.sampling_record import SamplingRecord
from ..sharing.share_modes import SHARE_MODES, fixed_shares, min_noise_ratio, tree_shares
from ..validation import check_cfg, check_choice
from . import latents
from .divergence import group_divergences, noise_ratio
from .job import Job, random_state
from .level_runner import LevelRunner
from .plan_runner import run_plan, run_shared
from .predicted_calls import predict_model_calls
from .prefix import Prefix, check_prefix, model_identity
from .progress import Progress, ProgressListener, StepCallback
from .replay_guider import RunResult
from .trace import ClusterTrace
from .validation import check_latent, check_model, check_text_width

# Given a prompt's numbers (several where it repeats) and its rows, one a variation, as soon as they are finished.
OnFinished = Callable[[Sequence[int], Any], None]

# Given a guider and what its plan predicts, makes who hears of its run.
MakeListener = Callable[["SageGuider", SamplingRecord], ProgressListener]


class SageGuider(comfy.samplers.CFGGuider):
    """Samples every prompt of some groups; the steps above the branch sigma run once a group.

    A drop-in for the host's CFGGuider, except that it returns a row a (prompt, variation), prompt-major,
    for a latent that holds the variations.

    Attributes:
        gives_denoised: whether the last callback carries all denoised rows. The preview then ends on the first
            of them, so that nodes which do not need them switch it off.
        outcome: what was planned and done, after `sample`.
        make_listener: makes who hears of the run while it goes on; None for nobody.
        on_finished: who gets the rows of every prompt, if anybody.
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
    ) -> None:
        """
        Args:
            share: fraction of the steps that is shared, 0 to 1.
            share_mode: one of `SHARE_MODES`: what else decides how long who shares.

        Raises:
            ValueError: an input is out of range, or the groups do not fit the model or the negative prompt.
        """
        super().__init__(model_patcher)
        check_cfg(cfg)
        check_text_width(model_patcher, groups, negative)
        check_choice("share_mode", share_mode, SHARE_MODES)
        branch_index(share, 1)
        self.set_cfg(cfg)
        self.all_groups = groups
        self.groups, self.representative_of = groups.distinct()
        self.copies = copies_of(self.representative_of)
        self.negative = negative
        self.share = share
        self.share_mode = share_mode
        self.outcome: SamplingRecord | None = None

    def sample(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, denoise_mask: Any = None,
        callback: StepCallback | None = None, disable_pbar: bool = False, seed: int | None = None,
    ) -> Any:  # fmt: skip
        if sigmas.shape[-1] == 0:
            return self._untouched(latent_image)
        job = self._job(noise, latent_image, sampler, sigmas, denoise_mask, seed)
        outcome = self._planned(job)
        return self._run_to_the_end(job, outcome.plan, outcome, callback, disable_pbar)

    def _run_to_the_end(
        self, job: Job, plan: SharePlan, before: SamplingRecord, callback: StepCallback | None, disable_pbar: bool, *,
        done: int = 0, traces: list[ClusterTrace] | None = None,
    ) -> Any:  # fmt: skip
        """Run what is left of a plan after `before`; `done` and `traces` as in `run_plan`."""
        with Progress(
            callback, before.expected(), done=before.evaluations, bar=not disable_pbar, listener=self._listener(before)
        ) as progress:
            result, warnings = run_plan(
                self._engine(), job, plan, progress, one_cluster_per_run=before.cost is None, done=done, traces=traces
            )
        self.outcome = before.finished(progress.done, warnings)
        result = replace(result, samples=self._every_prompt(result.samples))
        if result.denoised is not None:
            result = replace(result, denoised=self._every_prompt(result.denoised))
        self._report_denoised(callback, progress, result)
        return result.samples

    def _untouched(self, latent_image: Any) -> Any:
        """What no step changes, a copy a prompt."""
        for distinct in range(len(self.groups.prompts)):
            self._hand_out(distinct, latent_image)
        return latents.tile(latent_image, len(self.representative_of))

    def _hand_out(self, distinct: int, its_rows: Any) -> None:
        """Rows of a distinct prompt, for those that it stands for."""
        if self.on_finished is not None:
            self.on_finished(self.copies[distinct], its_rows)

    def _every_prompt(self, batch: Any) -> Any:
        """Rows of the distinct prompts as rows of all of them."""
        return latents.select_clusters(batch, self.representative_of, len(self.groups.prompts))

    def _report_denoised(self, callback: StepCallback | None, progress: Progress, result: RunResult) -> None:
        """The last callback carries the denoised rows: there SamplerCustomAdvanced takes its output from.

        It takes no contact sheet for nested latents, wanted or not.
        """
        wanted = self.gives_denoised or result.samples.is_nested
        if wanted and callback is not None and result.denoised is not None:
            callback(progress.total - 1, result.denoised, result.denoised, progress.total)

    def _listener(self, predicted: SamplingRecord) -> ProgressListener | None:
        return None if self.make_listener is None else self.make_listener(self, predicted)

    def _engine(self) -> LevelRunner:
        return LevelRunner(
            self.model_patcher, self.model_options, self.groups.condition, self.negative, self.cfg, self._hand_out
        )

    def _job(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, mask: Any, seed: int | None
    ) -> Job:
        check_latent(self.model_patcher, latent_image)
        rng = random_state(self.model_patcher.load_device)
        return Job(noise, latent_image, mask, sampler, sigmas, seed, rng)

    def _plan(self, job: Job) -> tuple[SharePlan, int]:
        """The plan, and the evaluations it took to make it."""
        steps, evaluations = max(0, len(job.sigmas) - 1), 0
        if self.share_mode == "auto" and self.share and steps:
            shared, evaluations = self._auto_steps(job)
        else:
            shares = (tree_shares if self.share_mode == "tree" else fixed_shares)(self.groups, self.share)
            shared = [(cluster, branch_index(share, steps)) for cluster, share in shares]
        branches = [(cluster, float(job.sigmas[index]) if index else None) for cluster, index in shared]
        return SharePlan.from_branches(branches, len(self.groups.prompts)), evaluations

    def _auto_steps(self, job: Job) -> tuple[list[tuple[Cluster, int]], int]:
        """For every group the number of steps whose noise is loud enough to share, and the evaluations of looking."""
        with Progress(None, 0) as progress:
            apart = group_divergences(self._engine(), job, self.groups.partition, progress)
        sampling = self.model_patcher.get_model_object("model_sampling")
        ratios = [noise_ratio(sampling, float(sigma)) for sigma in job.sigmas[:-1]]
        limits = [min_noise_ratio(self.share, self.cfg, each) for each in apart]
        steps = [next((at for at, ratio in enumerate(ratios) if ratio <= limit), len(ratios)) for limit in limits]
        return list(zip(self.groups.partition, steps, strict=True)), progress.done

    def _planned(self, job: Job) -> SamplingRecord:
        plan, planning = self._plan(job)
        calls = predict_model_calls(self.model_patcher, self.model_options, job.sampler, job.sigmas, self.cfg)
        cost: Cost | None = None
        if calls is not None:
            needed = plan.cost(calls.sigmas, variations=job.variations, evaluations_per_row=calls.evaluations_per_row)
            cost = replace(needed, planning=planning)
        return SamplingRecord(
            plan, cost, steps=len(job.sigmas) - 1, variations=job.variations, evaluations=planning,
            representative_of=tuple(self.representative_of),
        )  # fmt: skip


class PrefixGuider(SageGuider):
    """Runs the shared levels only; `sample` returns the last denoised prediction, a row a (group, variation).

    Attributes:
        prefix: what `BranchGuider` goes on from, after `sample`.
    """

    prefix: Prefix | None = None

    def sample(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, denoise_mask: Any = None,
        callback: StepCallback | None = None, disable_pbar: bool = False, seed: int | None = None,
    ) -> Any:  # fmt: skip
        job = self._job(noise, latent_image, sampler, sigmas, denoise_mask, seed)
        outcome = self._planned(job)
        traces: list[ClusterTrace] = []
        preview = latents.tile(latent_image, len(self.groups.partition))
        with Progress(
            callback, outcome.expected(shared_only=True), done=outcome.evaluations, bar=not disable_pbar,
            listener=self._listener(outcome),
        ) as progress:  # fmt: skip
            plan, result, warnings = run_shared(
                self._engine(), job, outcome.plan, progress, one_cluster_per_run=outcome.cost is None
            )
            if result is not None:
                traces, preview = result.traces, self._a_row_a_group(result.samples, plan.levels[-2].clusters)
                if preview.is_nested:
                    self._report_denoised(callback, progress, result)
        self.prefix = Prefix(
            job, plan, traces, self.all_groups, self.negative, self.cfg, model_identity(self.model_patcher),
            outcome.finished(progress.done, warnings),
        )  # fmt: skip
        return preview

    def _a_row_a_group(self, batch: Any, clusters: Partition) -> Any:
        """Of every group the row its most central prompt is in: groups may be in parts by the end of the prefix."""
        central = [members[self.groups.medoid(members)] for members in self.groups.partition]
        return latents.select_clusters(
            batch, parents_of(tuple((prompt,) for prompt in central), clusters), len(clusters)
        )


class BranchGuider(SageGuider):
    """Finishes a prefix: every prompt on its own from its branch sigma on."""

    def __init__(self, model_patcher: comfy.model_patcher.ModelPatcher, prefix: Prefix) -> None:
        """
        Raises:
            ValueError: the model is not of the family the prefix was made with.
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
        """The job is the prefix's own; only `callback` and `disable_pbar` are read."""
        prefix, job = self.prefix, self.prefix.job
        if len(job.sigmas) == 0:
            return self._untouched(job.latent_image)
        return self._run_to_the_end(
            job, prefix.plan, prefix.outcome, callback, disable_pbar,
            done=len(prefix.plan.levels) - 1, traces=prefix.traces,
        )  # fmt: skip
