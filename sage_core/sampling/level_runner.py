"""Runs one level of a plan, in chunks that fit in memory, every run from the first step on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import comfy.model_management
import comfy.samplers

from ..grouping.partition import Cluster
from ..sharing.correction_plan import CorrectionPlan
from ..sharing.plan import Level
from ..tensor_shelf import TensorShelf
from . import latents
from .correction import Follower, follow
from .job import Job, use_random_state
from .model_patches import can_batch_prompts
from .out_of_memory import is_out_of_memory
from .progress import Progress
from .prompt_conditions import Conditions
from .replay_guider import CannotBatch, ReplayGuider, RunResult
from .trace import ClusterTrace, Keep, in_memory, trace_shelf

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LevelRunner:
    """Runs the clusters of a level.

    Attributes:
        guider: what guides the runs, with its model.
        conditions: gives the conditionings of a cluster of prompts.
        on_finished: gets a prompt and its rows as soon as a run of the last level has finished them.
        one_cluster_per_run: for a sampler whose step size depends on the whole batch.
        on_trace: gets a prompt and the calls of its whole run as soon as a run of the last level has finished them.
        finished: prompts whose rows nobody needs. Runs of the last level that have no others are left out.
        keeps_rows: whether the result has the rows of the last level; not where on_finished takes them.
        shelf: keeps the traces of the other levels.
    """

    guider: comfy.samplers.CFGGuider
    conditions: Callable[[Cluster], Conditions]
    on_finished: Callable[[int, Any], None] | None = None
    one_cluster_per_run: bool = False
    on_trace: Callable[[int, ClusterTrace], None] | None = None
    finished: frozenset[int] = frozenset()
    keeps_rows: bool = True
    shelf: TensorShelf = field(default_factory=trace_shelf)

    def run(
        self, job: Job, level: Level, parents: Sequence[ClusterTrace] | None, progress: Progress,
        correction: CorrectionPlan | None = None,
    ) -> RunResult:  # fmt: skip
        """Run all clusters of a level, in as few runs as memory and conditions allow.

        Args:
            parents: one trace per cluster, or None to evaluate everything.
            correction: how the clusters, of one prompt each, follow their parents; None to take the traces as they are.

        Raises:
            ReplayMismatch: the sampler does not repeat itself.
        """
        alone = self.one_cluster_per_run or not can_batch_prompts(self.guider)
        size = 1 if alone else self._clusters_at_once(job)
        indices = list(range(len(level.clusters)))
        # A sampler has one seed, and all clusters of a run begin to evaluate at the same call.
        first = [cluster[0] for cluster in level.clusters]
        parts = _together(indices, lambda index: (job.draw(first[index]).seed, job.is_empty(first[index])))
        if parents is not None:
            parts = [half for part in parts for half in _together(part, lambda index: len(parents[index]))]
        if correction is not None:
            parts = [half for part in parts for half in _references_first(part, correction)]
        pending = [chunk for part in parts for chunk in _pieces(part, size)]
        done: dict[int, RunResult] = {}
        while pending:
            chunk = pending.pop(0)
            if level.branch_sigma is None and self.finished.issuperset(chunk):
                done.update({index: _NOT_RUN for index in chunk})
                continue
            result = self._run_or_split(job, level, chunk, parents, progress, correction)
            if isinstance(result, RunResult):
                done.update(self._finished(level, chunk, result))
            else:
                pending = result + pending
        return _joined([done[index] for index in indices])

    def _run_or_split(
        self, job: Job, level: Level, chunk: list[int], parents: Sequence[ClusterTrace] | None, progress: Progress,
        correction: CorrectionPlan | None,
    ) -> RunResult | list[list[int]]:  # fmt: skip
        """The result of a chunk of clusters; or, where it cannot be one run, the smaller chunks to run instead."""
        done_before = progress.done
        try:
            return self._run(job, level, chunk, parents, progress, correction)
        except CannotBatch as cannot:
            return [[chunk[at] for at in members] for members in cannot.classes]
        except Exception as error:
            if not is_out_of_memory(error) or len(chunk) == 1:
                raise
        # Not inside `except`, where the error still holds the run's tensors.
        comfy.model_management.soft_empty_cache()
        progress.done = done_before
        log.warning("SAGE: out of memory with %d clusters at once, going on with half", len(chunk))
        return [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]

    def _finished(self, level: Level, chunk: list[int], result: RunResult) -> dict[int, RunResult]:
        """The results of a chunk by cluster; those of the last level are handed out."""
        finished = _split(result, chunk)
        if level.branch_sigma is not None:
            return finished
        for prompt, its_result in finished.items():
            if self.on_finished:
                self.on_finished(prompt, its_result.samples)
            if self.on_trace:
                self.on_trace(prompt, its_result.traces[0])
        # Nobody goes on from here: whoever needs the traces has them.
        left: dict[str, Any] = {"traces": [[]], **({} if self.keeps_rows else {"samples": None, "denoised": None})}
        return {prompt: replace(its_result, **left) for prompt, its_result in finished.items()}

    def _run(
        self, job: Job, level: Level, chunk: list[int], parents: Sequence[ClusterTrace] | None, progress: Progress,
        correction: CorrectionPlan | None,
    ) -> RunResult:  # fmt: skip
        followers: list[Follower] | None = None
        # A reference takes its trace as it is, and a chunk holds either references or followers.
        if correction is not None and correction.shares[level.clusters[chunk[0]][0]] is not None:
            assert parents is not None
            followers = [
                follow(correction, level.clusters[index][0], self.guider.cfg, parents[index]) for index in chunk
            ]
        guider = ReplayGuider.like(
            self.guider,
            conditions=[self.conditions(level.clusters[index]) for index in chunk],
            variations=job.variations,
            parents=None if parents is None else [parents[index] for index in chunk],
            followers=followers,
            branch_sigma=level.branch_sigma,
            keep=self._keep(level),
            on_evaluation=progress.add,
            on_denoised=lambda denoised: progress.show(denoised, chunk),
        )
        first = [level.clusters[index][0] for index in chunk]
        start, draw = job.start(first), job.draw(first[0])
        with use_random_state(draw.rng, self.guider.model_patcher.load_device):
            return guider.run(
                start.noise, start.latent_image, job.sampler, job.sigmas, denoise_mask=start.denoise_mask,
                disable_pbar=True, seed=draw.seed,
            )  # fmt: skip

    def _keep(self, level: Level) -> Keep | None:
        """What keeps the traces of a level; None where nobody needs them. Those of the last level go on at once."""
        if level.branch_sigma is not None:
            return self.shelf.keep
        return None if self.on_trace is None else in_memory

    def _clusters_at_once(self, job: Job) -> int:
        """How many clusters fit in free memory by ComfyUI's own estimate, at least one."""
        patcher, row = self.guider.model_patcher, latents.shape(job.noise)[1:]
        one = patcher.model.memory_required([2 * job.variations, *row])
        comfy.model_management.load_models_gpu([patcher], memory_required=one)
        free = comfy.model_management.get_free_memory(patcher.load_device)
        return max(1, int(free / (1.5 * one)))  # the margin that ComfyUI itself keeps when it batches


def plain_guider(model_patcher: Any, model_options: dict[str, Any], cfg: float) -> comfy.samplers.CFGGuider:
    """ComfyUI's CFGGuider, without conditions."""
    guider = comfy.samplers.CFGGuider(model_patcher)
    guider.model_options = model_options
    guider.set_cfg(cfg)
    return guider


def _together(indices: list[int], kind: Callable[[int], Hashable]) -> list[list[int]]:
    """Indices of one kind each, the kinds in the order in which they come."""
    by_kind: dict[Hashable, list[int]] = {}
    for index in indices:
        by_kind.setdefault(kind(index), []).append(index)
    return list(by_kind.values())


def _references_first(part: list[int], correction: CorrectionPlan) -> list[list[int]]:
    """Those that take their trace as it is, then the others: they find a sampler that does not repeat itself."""
    references = [index for index in part if correction.shares[index] is None]
    followers = [index for index in part if correction.shares[index] is not None]
    return [half for half in (references, followers) if half]


# Of a cluster that is left out.
_NOT_RUN = RunResult(None, None, [[]], [0.0])


def _joined(results: list[RunResult]) -> RunResult:
    """The results of all clusters as one, cluster-major; without rows where those of a cluster are missing."""

    def rows(batches: list[Any]) -> Any:
        return None if any(batch is None for batch in batches) else latents.concat(batches)

    return RunResult(
        rows([result.samples for result in results]),
        rows([result.denoised for result in results]),
        [trace for result in results for trace in result.traces],
        [error for result in results for error in result.errors],
    )


def _pieces(indices: list[int], size: int) -> list[list[int]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _split(result: RunResult, chunk: list[int]) -> dict[int, RunResult]:
    """A chunk's result as one result per cluster."""
    samples = latents.chunk(result.samples, len(chunk))
    denoised = [None] * len(chunk) if result.denoised is None else latents.chunk(result.denoised, len(chunk))
    return {
        index: RunResult(samples[at], denoised[at], [result.traces[at]], [result.errors[at]])
        for at, index in enumerate(chunk)
    }
