"""Runs one level of a plan, in chunks that fit in memory, every run from the first step on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import torch

from ..conditioning.combine import Conditioning
from ..grouping.partition import Cluster
from ..sharing.plan import Level
from . import latents
from .job import Job, use_random_state
from .progress import Progress
from .replay_guider import CannotBatch, ReplayGuider, RunResult
from .trace import Call, ClusterTrace

log = logging.getLogger(__name__)

# A branch sigma that no call is below: the run keeps a trace, and ends by itself.
_NEVER = -1.0

# Model options through which a patch gets the whole batch of an evaluation.
_SEES_ALL_ROWS = (
    "context_handler", "model_function_wrapper", "sampler_calc_cond_batch_function", "sampler_cfg_function",
    "sampler_pre_cfg_function", "sampler_post_cfg_function",
)  # fmt: skip


@dataclass(frozen=True)
class LevelRunner:
    """Runs the clusters of a level with one model.

    Attributes:
        condition: gives the conditioning of a cluster of prompts.
        negative: the negative prompt's conditioning, one for all.
        on_finished: gets a prompt and its rows as soon as a run of the last level has finished them.
        one_cluster_per_run: for a sampler whose step size depends on the whole batch.
    """

    model_patcher: comfy.model_patcher.ModelPatcher
    model_options: dict[str, Any]
    condition: Callable[[Cluster], Conditioning]
    negative: Conditioning
    cfg: float
    on_finished: Callable[[int, Any], None] | None = None
    one_cluster_per_run: bool = False

    def run(
        self, job: Job, level: Level, parents: Sequence[ClusterTrace] | None, progress: Progress,
        keep_states: Collection[int] = (),
    ) -> RunResult:  # fmt: skip
        """Run all clusters of a level, in as few runs as memory and conditions allow.

        Args:
            parents: one trace per cluster, or None to evaluate everything.
            keep_states: the calls, by index, whose states are kept in the traces.

        Raises:
            ReplayMismatch: the sampler does not repeat itself.
        """

        def run_chunk(chunk: list[int]) -> RunResult:
            own = None if parents is None else [parents[index] for index in chunk]
            guider = self._guider(
                job, level, chunk, progress, parents=own, branch_sigma=level.branch_sigma, keep_states=keep_states
            )
            return self._sample(guider, job, job.sampler, len(chunk))

        done: dict[int, RunResult] = {}
        for chunk, result in self._in_chunks(job, _by_trace_length(len(level.clusters), parents), progress, run_chunk):
            done.update(self._finished(level, chunk, result))
        return _joined([done[index] for index in range(len(level.clusters))])

    def probe(
        self, job: Job, level: Level, calls: Sequence[Sequence[Call]], progress: Progress
    ) -> list[list[torch.Tensor]]:
        """Evaluate every cluster's own condition, without the negative prompt, at recorded states.

        Args:
            calls: per cluster the recorded calls to probe, with their states.

        Returns:
            Per cluster and call the denoised predictions, (variations, *latent), on the CPU.
        """

        def run_chunk(chunk: list[int]) -> RunResult:
            at_once = list(zip(*(calls[index] for index in chunk), strict=True))
            guider = self._guider(job, level, chunk, progress, cfg=1.0, branch_sigma=_NEVER, preview=False)
            return self._sample(guider, job, comfy.samplers.KSAMPLER(partial(_evaluate_at, at_once)), len(chunk))

        found: dict[int, list[torch.Tensor]] = {}
        by_count = _by_trace_length(len(level.clusters), calls)
        for chunk, result in self._in_chunks(job, by_count, progress, run_chunk):
            for index, trace in zip(chunk, result.traces, strict=True):
                found[index] = [call.outputs[0] for call in trace if call.outputs[0] is not None]
        return [found[index] for index in range(len(level.clusters))]

    @property
    def patch_sees_whole_batch(self) -> bool:
        """Whether a patch may decide for all rows at once, so that other prompts must not be among them.

        Caches skip a step for all rows, some guidance averages over them, context windows take rows for frames.
        From outside they look like every other patch of the evaluation, so any patch of this kind counts.
        """
        by_option = self.model_options.get("transformer_options", {}).get("wrappers", {})
        return (
            any(self.model_options.get(key) for key in _SEES_ALL_ROWS)
            or any(by_option.values())
            or any(self.model_patcher.wrappers.values())
        )

    def _in_chunks(
        self, job: Job, parts: list[list[int]], progress: Progress, run_chunk: Callable[[list[int]], RunResult]
    ) -> Iterator[tuple[list[int], RunResult]]:
        """Run clusters in chunks that fit in memory, and split those that do not.

        Args:
            parts: cluster indices; those of different parts are never in one chunk.
        """
        size = 1 if self.one_cluster_per_run or self.patch_sees_whole_batch else self._clusters_at_once(job)
        pending = [chunk for part in parts for chunk in _pieces(part, size)]
        while pending:
            chunk = pending.pop(0)
            result = _run_or_split(chunk, run_chunk, progress)
            if isinstance(result, RunResult):
                yield chunk, result
            else:
                pending = result + pending

    def _finished(self, level: Level, chunk: list[int], result: RunResult) -> dict[int, RunResult]:
        """The results of a chunk by cluster; those of the last level are handed out."""
        finished = _split(result, chunk)
        if level.branch_sigma is None and self.on_finished:
            for prompt, its_result in finished.items():
                self.on_finished(prompt, its_result.samples)
        return finished

    def _guider(
        self, job: Job, level: Level, chunk: list[int], progress: Progress, *, branch_sigma: float | None,
        parents: Sequence[ClusterTrace] | None = None, keep_states: Collection[int] = (), cfg: float | None = None,
        preview: bool = True,
    ) -> ReplayGuider:  # fmt: skip
        """The guider of a chunk's run, with the runner's own cfg unless one is given."""
        return ReplayGuider(
            self.model_patcher,
            self.model_options,
            conditionings=[self.condition(level.clusters[index]) for index in chunk],
            negative=self.negative,
            cfg=self.cfg if cfg is None else cfg,
            variations=job.variations,
            parents=parents,
            branch_sigma=branch_sigma,
            keep_states=keep_states,
            on_evaluation=progress.add,
            on_denoised=(lambda denoised: progress.show(denoised, chunk)) if preview else (lambda denoised: None),
        )

    def _sample(self, guider: ReplayGuider, job: Job, sampler: Any, clusters: int) -> RunResult:
        """Run a guider from the first step on, every cluster from the job's noise."""
        mask = job.denoise_mask
        if mask is not None:
            mask = latents.tile(latents.fit_mask(mask, job.latent_image), clusters)
        with use_random_state(job.rng, self.model_patcher.load_device):
            return guider.run(
                latents.tile(job.noise, clusters), latents.tile(job.latent_image, clusters), sampler, job.sigmas,
                denoise_mask=mask, disable_pbar=True, seed=job.seed,
            )  # fmt: skip

    def _clusters_at_once(self, job: Job) -> int:
        """How many clusters fit in free memory by ComfyUI's own estimate, at least one."""
        shape = list(latents.shape(job.noise))
        model, device = self.model_patcher.model, self.model_patcher.load_device
        one = model.memory_required([2 * shape[0], *shape[1:]])
        comfy.model_management.load_models_gpu([self.model_patcher], memory_required=one)
        free = comfy.model_management.get_free_memory(device)
        return max(1, int(free / (1.5 * one)))  # the margin that ComfyUI itself keeps when it batches


def _run_or_split(
    chunk: list[int], run_chunk: Callable[[list[int]], RunResult], progress: Progress
) -> RunResult | list[list[int]]:
    """The result of a chunk of clusters; or, where it cannot be one run, the smaller chunks to run instead."""
    done_before = progress.done
    try:
        return run_chunk(chunk)
    except CannotBatch as cannot:
        return [[chunk[at] for at in members] for members in cannot.classes]
    except Exception as error:
        if not _is_out_of_memory(error) or len(chunk) == 1:
            raise
    # Not inside `except`, where the error still holds the run's tensors.
    comfy.model_management.soft_empty_cache()
    progress.done = done_before
    log.warning("SAGE: out of memory with %d clusters at once, going on with half", len(chunk))
    return [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]


def _evaluate_at(
    calls: Sequence[tuple[Call, ...]], model: Any, x: torch.Tensor, sigmas: torch.Tensor,
    extra_args: dict[str, Any] | None = None, callback: Any = None, disable: Any = None,
) -> torch.Tensor:  # fmt: skip
    """A sampler that calls the model at recorded states, one `Call` per cluster each, and makes no step.

    It calls below the mask that ComfyUI applies for samplers: recorded states are masked already.
    """
    passed = {key: value for key, value in (extra_args or {}).items() if key in ("model_options", "seed")}
    for of_clusters in calls:
        state = torch.cat([call.state for call in of_clusters if call.state is not None]).to(x)
        model.inner_model(state, x.new_full((len(x),), of_clusters[0].sigma), **passed)
    return x


def _by_trace_length(count: int, parents: Sequence[Sequence[Call]] | None) -> list[list[int]]:
    """Clusters with traces of equal length, together: all clusters of a run begin to evaluate at the same call."""
    if parents is None:
        return [list(range(count))]
    by_length: dict[int, list[int]] = {}
    for index in range(count):
        by_length.setdefault(len(parents[index]), []).append(index)
    return list(by_length.values())


def _joined(results: list[RunResult]) -> RunResult:
    """The results of all clusters as one, cluster-major."""
    denoised = [result.denoised for result in results if result.denoised is not None]
    return RunResult(
        latents.concat([result.samples for result in results]),
        latents.concat(denoised) if len(denoised) == len(results) else None,
        [trace for result in results for trace in result.traces],
    )


def _pieces(indices: list[int], size: int) -> list[list[int]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _split(result: RunResult, chunk: list[int]) -> dict[int, RunResult]:
    """A chunk's result as one result per cluster."""
    samples = latents.chunk(result.samples, len(chunk))
    denoised = [None] * len(chunk) if result.denoised is None else latents.chunk(result.denoised, len(chunk))
    return {index: RunResult(samples[at], denoised[at], [result.traces[at]]) for at, index in enumerate(chunk)}


def _is_out_of_memory(error: Exception) -> bool:
    known = getattr(comfy.model_management, "is_oom", None)  # newer versions know more kinds
    return isinstance(error, comfy.model_management.OOM_EXCEPTION) or bool(known and known(error))
