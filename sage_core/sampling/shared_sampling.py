"""Samples the prompts of some groups: plans, runs what they share, and then every prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import comfy.samplers
import torch

from ..grouping.partition import Partition, parents_of
from ..grouping.repeats import copies_of
from ..sharing.plan import SharePlan
from ..sharing.sampling_record import SamplingRecord
from ..sharing.settings import SharingSettings
from ..socket_values import check_sigmas
from ..validation import rows_per_prompt
from . import latents
from .job import Draw, Job, random_state
from .level_runner import LevelRunner
from .plan_runner import run_plan, run_shared
from .planner import Planner, Prediction
from .prefix import Prefix, model_identity
from .progress import Preview, Progress, ProgressListener, StepCallback
from .prompt_conditions import PromptConditions
from .reference_memory import RunKey, run_key
from .replay_guider import RunResult
from .reuse import RunKeeper
from .trace import ClusterTrace, down_to, evaluations
from .validation import check_fits_model

# Gets the numbers of a prompt in the list (several where it repeats) and its rows, one per variation, when finished.
OnFinished = Callable[[Sequence[int], Any], None]

# Gets a sampling and what its plan predicts; makes the listener of its run.
MakeListener = Callable[["SharedSampling", SamplingRecord], ProgressListener]


class SharedSampling:
    """One job for all prompts of a list.

    Rows are (prompt, variation), prompt-major. Equal prompts of a group are sampled once.

    Attributes:
        all_groups: of the prompts of the list; those that share begin from one start.
        representative_of: for every prompt of the list the distinct prompt that is sampled for it.
        record: what was planned and done, after a run.
        callback: ComfyUI's callback of a sampler; its steps are evaluations.
        shows_progress: whether there is a bar in the log.
        preview: makes what the callback shows of the newest rows.
        gives_denoised: whether the last callback carries all denoised rows, where SamplerCustomAdvanced takes its
            second output from. It always does for nested latents: of these that node cannot read a contact sheet.
        make_listener: makes the listener of the run; None for no listener.
        on_finished: gets the rows of every prompt as soon as they are finished; None if nobody waits for them.
        finished: prompts of the list whose rows nobody needs: runs that have no others are left out.
        keeps_rows: whether the result has the rows; not where on_finished takes them.
    """

    callback: StepCallback | None = None
    shows_progress: bool = False
    preview: Preview | None = None
    gives_denoised: bool = False
    make_listener: MakeListener | None = None
    on_finished: OnFinished | None = None
    finished: frozenset[int] = frozenset()
    keeps_rows: bool = True
    record: SamplingRecord | None = None

    def __init__(
        self, guider: comfy.samplers.CFGGuider, conditions: PromptConditions, settings: SharingSettings, job: Job
    ) -> None:
        """Prepare the sampling.

        Args:
            guider: what guides the runs, with its model.
            conditions: of all prompts of the list.
            job: for all prompts of the list.
        """
        self.guider, self.settings = guider, settings
        self.all_job, self.negative = job, conditions.common.get("negative", [])
        self.all_groups = conditions.groups.split(job.start_of) if job.start_of else conditions.groups
        self.groups, self.representative_of = self.all_groups.distinct(conditions.own.values())
        self.copies = copies_of(self.representative_of)
        first = [copies[0] for copies in self.copies]
        self.conditions = conditions.of_prompts(self.groups, first)
        self.job = job.of_prompts(first)

    @property
    def model_patcher(self) -> Any:
        """The model that denoises."""
        return self.guider.model_patcher

    # --- a whole run, and its two halves --------------------------------------------------------------------------

    def run(self) -> RunResult:
        """Sample everything; the result has a row per (prompt, variation)."""
        predicted, reuse = self._predict()
        if reuse is None:
            return self._finish(predicted.plan, predicted)
        used = [run for run in reuse.used if run is not None]
        keeper = RunKeeper(self.model_patcher.model, reuse.key, self.conditions, predicted, used)
        return self._finish(predicted.plan, predicted, traces=reuse.traces, keeper=keeper)

    def run_prefix(self) -> tuple[Prefix, RunResult | None]:
        """Sample the shared levels only.

        Returns:
            What `run_branch` goes on from; and one row per (group, variation), None where nothing is shared.
        """
        predicted, reuse = self._predict()
        with self._progress(predicted, predicted.expected(shared_only=True)) as progress:
            runner, known = self._runner(predicted), None if reuse is None else reuse.traces
            plan, result, warnings = run_shared(runner, self.job, predicted.plan, progress, known)
            traces, preview = [], None
            if result is not None:
                traces, shared = result.traces, plan.levels[-2].clusters
                preview = replace(result, samples=self._row_per_group(result.samples, shared))
                self._show_denoised(result, progress.total, wanted=False)
        self.record = predicted.finished(progress.done, warnings)
        prefix = Prefix(
            self.all_job, plan, traces, self.all_groups, self.negative, self.guider.cfg,
            model_identity(self.model_patcher), self.record,
            run_key=None if reuse is None or warnings else reuse.key,
        )  # fmt: skip
        return prefix, preview

    def run_branch(self, prefix: Prefix) -> RunResult:
        """Sample what is left of a prefix; the result is as that of `run`."""
        return self._finish(
            prefix.plan, prefix.record, levels_done=len(prefix.plan.levels) - 1, traces=prefix.traces,
            keeper=self._keeper(prefix),
        )  # fmt: skip

    def reshared(self, prefix: Prefix) -> Prefix:
        """The prefix that `run_prefix` would give, out of one of the same job whose shared steps are as many or more.

        Args:
            prefix: of settings that differ from these in the share only, and with one shared level at most.
        """
        record = self._predict().record
        traces: list[ClusterTrace] = []
        if len(record.plan.levels) > 1:
            assert record.plan.levels[0].clusters == prefix.plan.levels[0].clusters
            traces = [down_to(trace, record.plan.levels[0].branch_sigma) for trace in prefix.traces]
        record = replace(record, evaluations=record.evaluations + sum(map(evaluations, traces)))
        return replace(prefix, plan=record.plan, traces=traces, record=record)

    def hand_out(self, distinct: int, its_rows: Any) -> None:
        """Give the rows of a distinct prompt to all prompts of the list that are equal to it."""
        if self.on_finished is not None:
            self.on_finished(self.copies[distinct], its_rows)

    # --- parts of a run -------------------------------------------------------------------------------------------

    def _predict(self) -> Prediction:
        predicted = Planner(self.guider, self.conditions, self.settings, self.job).predict()
        record = replace(predicted.record, representative_of=tuple(self.representative_of))
        return predicted._replace(record=record)

    def _finish(
        self, plan: SharePlan, before: SamplingRecord, *, levels_done: int = 0,
        traces: list[ClusterTrace] | None = None, keeper: RunKeeper | None = None,
    ) -> RunResult:  # fmt: skip
        """Run what is left of a plan after `before`; `levels_done` and `traces` as in `run_plan`.

        Args:
            keeper: remembers the runs; None to forget them.
        """
        with self._progress(before, before.expected()) as progress:
            result, warnings = run_plan(
                self._runner(before, keeper), self.job, plan, progress, levels_done=levels_done, traces=traces,
                correction=before.correction,
            )  # fmt: skip
        if keeper is not None and not warnings:
            keeper.remember()
        self.record = before.finished(progress.done, warnings, result.errors)
        samples, denoised = self._every_prompt(result.samples), self._every_prompt(result.denoised)
        result = replace(result, samples=samples, denoised=denoised)
        self._show_denoised(result, progress.total, wanted=self.gives_denoised)
        return result

    def _show_denoised(self, result: RunResult, total: int, *, wanted: bool) -> None:
        """Call back with the denoised rows, at the end; of a sampler that shows none, with what it ends with.

        Args:
            total: evaluations of the whole run; 0 where all is remembered.
        """
        samples, denoised = result.samples, result.denoised
        if self.callback is None or samples is None:
            return
        if denoised is None and wanted and not samples.is_nested:
            denoised = self.guider.model_patcher.model.process_latent_in(samples)
        if denoised is not None and (wanted or samples.is_nested):
            total = max(1, total)
            self.callback(total - 1, denoised, denoised, total)

    def _progress(self, predicted: SamplingRecord, expected: int) -> Progress:
        listener = None if self.make_listener is None else self.make_listener(self, predicted)
        return Progress(
            self.callback, expected, done=predicted.evaluations, bar=self.shows_progress, listener=listener,
            preview=self.preview,
        )  # fmt: skip

    def _runner(self, predicted: SamplingRecord, keeper: RunKeeper | None = None) -> LevelRunner:
        """What runs levels; one cluster per run where the calls depend on the image."""
        corrects = predicted.correction is not None
        return LevelRunner(
            self.guider, self.conditions.of_reference if corrects else self.conditions.of, self.hand_out,
            one_cluster_per_run=predicted.calls_depend_on_image, on_trace=None if keeper is None else keeper.keep,
            finished=frozenset(at for at, copies in enumerate(self.copies) if self.finished.issuperset(copies)),
            keeps_rows=self.keeps_rows,
        )  # fmt: skip

    def _every_prompt(self, batch: Any) -> Any:
        """Rows of the distinct prompts as rows of all prompts; None where there are none."""
        if batch is None:
            return None
        return latents.select_clusters(batch, self.representative_of, len(self.groups.prompts))

    def _row_per_group(self, batch: Any, clusters: Partition) -> Any:
        """For every group the row of its most central prompt: a group may be in several clusters by now."""
        central = tuple((self.groups.central(members),) for members in self.groups.partition)
        return latents.select_clusters(batch, parents_of(central, clusters), len(clusters))

    def _keeper(self, prefix: Prefix) -> RunKeeper | None:
        """Remembers the runs of a prefix with `reuse`, if the model is the very one that its shared steps are of."""
        key: RunKey | None = prefix.run_key
        if key is None:
            return None
        own = run_key(self.guider, self.job, self.conditions, key.sharing, asks_negative=key.asks_negative)
        return RunKeeper(self.model_patcher.model, key, self.conditions, prefix.record) if own == key else None


def make_job(
    model_patcher: Any, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, mask: Any, seed: int | None,
    *, prompts: int = 0, draws: Sequence[Draw] = (),
) -> Job:  # fmt: skip
    """The job of a sampler's inputs.

    Args:
        prompts: the number of prompts where the rows are (prompt, variation), each with a start of its own; 0 where
            they are the variations of all prompts.
        draws: one per prompt, where these have seeds of their own.

    Raises:
        ValueError: the latent does not fit the model, or its rows the prompts; a number is not finite.
    """
    check_fits_model(model_patcher, latent_image, mask)
    check_sigmas(sigmas)
    job = Job(noise, latent_image, mask, sampler, sigmas, seed, random_state(model_patcher.load_device))
    if not prompts:
        return job
    rows_per_prompt(latents.count(latent_image), prompts, "latent_image", "row")
    return job.of_starts(prompts, draws)
