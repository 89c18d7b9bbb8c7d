"""One run of ComfyUI's unmodified sampler over some clusters, with recorded answers where a trace has them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.samplers
import comfy.utils
import torch

from ..conditioning.batch import batch_conds, batchable_classes
from ..sharing.plan import is_past
from .correction import Follower
from .noise import VariationNoise
from .out_of_memory import is_out_of_memory
from .prompt_conditions import Conditions
from .trace import Call, ClusterTrace, Keep, ReplayMismatch, check_sigma, record, replay

_WRAPPERS = comfy.patcher_extension.WrappersMP


class BranchReached(Exception):
    """The sampler calls the model below the level's branch sigma: the level is done."""


# OSError: a recorded answer cannot be read from the disk.
_NOT_OF_A_PATCH = (BranchReached, ReplayMismatch, comfy.model_management.InterruptProcessingException, OSError)


class CannotBatch(Exception):
    """The clusters' conditions do not fit in one batch; `classes` are those that do."""

    def __init__(self, classes: list[list[int]]) -> None:
        super().__init__(f"{len(classes)} classes of conditions")
        self.classes = classes


class CallSource(Enum):
    """Where the answer to one call of the model came from."""

    REPLAYED = "the traces of the parents"
    EVALUATED = "the model"
    PAST_BRANCH = "nowhere: the call is below the branch sigma"


@dataclass(frozen=True)
class RunResult:
    """What a run leaves.

    Attributes:
        samples: latents, one per row; the last denoised prediction if the run ended at its branch sigma. None where
            they were handed out and not kept.
        denoised: the sampler's last denoised prediction (in the model's own scale), None if it made none.
        traces: one trace per cluster.
        errors: per cluster the largest estimated error of its corrected run, see `correction.gap_error`; else 0.
    """

    samples: Any
    denoised: torch.Tensor | None
    traces: list[ClusterTrace]
    errors: list[float]


class ReplayGuider(comfy.samplers.CFGGuider):
    """Guides one run over some clusters; rows are clusters x variations, cluster-major.

    Made by `like`. Everything but the answers is the other guider's: ComfyUI's CFGGuider, or one that guides in its own
    way. For a run ComfyUI calls, in this order:

    1. `inner_sample`: the clusters' conditions are put into one batch.
    2. `_sampler_sample`, around the sampler: noise is drawn for the variations and repeated for the clusters.
    3. `predict_noise`, for every step of the sampler that needs the model.
    4. `_calc_cond_batch`, for every evaluation in it (guidance patches may need several). It replays a recorded
       answer while the parents' traces last, ends the run below the branch sigma, and evaluates otherwise.
    """

    @classmethod
    def like(
        cls,
        guider: comfy.samplers.CFGGuider,
        *,
        conditions: Sequence[Conditions],
        variations: int,
        parents: Sequence[ClusterTrace] | None,
        followers: Sequence[Follower] | None = None,
        branch_sigma: float | None,
        keep: Keep | None,
        on_evaluation: Callable[[int], None],
        on_denoised: Callable[[torch.Tensor], None],
    ) -> ReplayGuider:
        """Prepare a run that is guided as by another guider, which stays as it is.

        Args:
            guider: its class, model, model options and scales are used.
            conditions: one per cluster.
            parents: per cluster the trace of the cluster it came from; None to evaluate everything.
            followers: per cluster what corrects the answers of its parent's trace; None for no correction.
            branch_sigma: where to stop; None runs to the end.
            keep: keeps the answers for the traces; None where nobody needs these.
            on_evaluation: gets the number of evaluations after each call that reached the model.
            on_denoised: gets the denoised rows after such a call; at the end, if there was none.
        """
        kind: Any = type(f"Replay{type(guider).__name__}", (cls, type(guider)), {})
        run: ReplayGuider = kind.__new__(kind)
        run.__dict__.update(vars(guider))
        run.model_options = run._with_wrappers(guider.model_options)
        run._take_conditions(conditions)
        run.variations = variations
        run.parents = parents
        run.followers = followers
        run.branch_sigma = branch_sigma
        run.keep = keep
        run.on_evaluation = on_evaluation
        run.on_denoised = on_denoised
        run.traces = [[] for _ in conditions]
        run.calls = 0
        run.sources = set()  # of the evaluations in the current `predict_noise`
        run.denoised = None
        run.is_shown = False
        run.step_denoised = None
        return run

    model_options: dict[str, Any]
    variations: int
    parents: Sequence[ClusterTrace] | None
    followers: Sequence[Follower] | None
    branch_sigma: float | None
    keep: Keep | None
    on_evaluation: Callable[[int], None]
    on_denoised: Callable[[torch.Tensor], None]
    traces: list[ClusterTrace]
    calls: int
    sources: set[CallSource]
    denoised: torch.Tensor | None
    is_shown: bool
    step_denoised: Any

    def _take_conditions(self, conditions: Sequence[Conditions]) -> None:
        """Set the conditionings of all clusters, each kind in one list, where ComfyUI registers their hooks."""
        self.clusters = len(conditions)
        self.entries: dict[str, list[int] | None] = {}  # of each cluster; None where one is for all clusters
        lists: Conditions = {}
        for kind in conditions[0]:
            each = [condition[kind] for condition in conditions]
            is_common = all(one is each[0] for one in each)
            lists[kind] = each[0] if is_common else [entry for one in each for entry in one]
            self.entries[kind] = None if is_common else [len(one) for one in each]
        self.original_conds: dict[str, list] = {}
        self.inner_set_conds(lists)

    def run(self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, **kwargs: Any) -> RunResult:
        """Sample from the first step to the branch sigma or the end; arguments as ComfyUI's `CFGGuider.sample`."""

        def on_step(step: int, x0: Any, x: Any, total_steps: int) -> None:
            self.step_denoised = x0

        try:
            samples = self.sample(noise, latent_image, sampler, sigmas, callback=on_step, **kwargs)
            if self.denoised is not None and not self.is_shown:
                self._show(self.denoised)
        finally:
            self.model_options = {}  # its wrappers hold this guider: a cycle would keep the conditions in memory
        errors = [max(follower.errors, default=0.0) for follower in self.followers or ()] or [0.0] * len(self.traces)
        return RunResult(samples, self.step_denoised, self.traces, errors)

    # --- what ComfyUI calls, in order ---------------------------------------------------------------------------

    def inner_sample(
        self, noise: Any, latent_image: Any, device: Any, sampler: Any, sigmas: Any, denoise_mask: Any,
        callback: Any, disable_pbar: Any, seed: Any, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """Process every cluster's conditions, and put them into one batch.

        Raises:
            CannotBatch: they do not fit in one.
        """
        self.latent_shapes = kwargs.get("latent_shapes") or []
        of_clusters = self._cluster_conds()
        processed_latent = latent_image
        if latent_image is not None and torch.count_nonzero(latent_image) > 0:  # as ComfyUI does
            processed_latent = self.inner_model.process_latent_in(latent_image)
        conds = []
        for at, of_cluster in enumerate(of_clusters):  # the model may read a latent and mask of the cluster's own
            rows = slice(at * self.variations, (at + 1) * self.variations)
            conds.append(comfy.samplers.process_conds(
                self.inner_model, noise[rows], dict(of_cluster), device, processed_latent[rows],
                None if denoise_mask is None else denoise_mask[rows], seed, **kwargs,
            ))  # fmt: skip
        classes = batchable_classes(conds, self.variations)
        if len(classes) > 1:
            raise CannotBatch(classes)
        self.cluster_conds = conds
        self.batched = batch_conds(conds, self.variations)
        self.conds = of_clusters[0]  # ComfyUI processes them once more; predict_noise replaces them
        return super().inner_sample(
            noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **kwargs
        )

    def predict_noise(self, x: torch.Tensor, timestep: Any, model_options: Any = None, seed: Any = None) -> Any:
        """The denoised prediction of all rows.

        Raises:
            BranchReached: the call is below the branch sigma.
            ReplayMismatch: a patch of the model cannot work with a recorded answer.
        """
        self.conds = self.batched
        self.sources.clear()
        try:
            denoised = super().predict_noise(x, timestep, model_options or {}, seed)
        except Exception as error:
            if CallSource.PAST_BRANCH in self.sources:
                raise BranchReached from error
            if self.sources != {CallSource.REPLAYED} or isinstance(error, _NOT_OF_A_PATCH) or is_out_of_memory(error):
                raise
            # A patch (self-attention guidance, say) needs something of an evaluation that was not made.
            raise ReplayMismatch(f"a patch of the model fails on a recorded answer: {error}") from error
        if CallSource.PAST_BRANCH in self.sources:
            raise BranchReached
        self.denoised = denoised
        if CallSource.EVALUATED in self.sources:
            self._show(denoised)
        return denoised

    def _show(self, denoised: torch.Tensor) -> None:
        self.is_shown = True
        nested = len(self.latent_shapes) > 1  # packed by ComfyUI; the first part is the picture
        self.on_denoised(comfy.utils.unpack_latents(denoised, self.latent_shapes)[0] if nested else denoised)

    def _cluster_conds(self) -> list[dict[str, list]]:
        """Conditions cluster by cluster."""
        of_clusters: list[dict[str, list]] = [{} for _ in range(self.clusters)]
        for kind, entries in self.conds.items():
            rest = iter(entries)
            counts = self.entries[kind]
            for cluster, conds in enumerate(of_clusters):
                conds[kind] = entries if counts is None else list(itertools.islice(rest, counts[cluster]))
        return of_clusters

    # --- wrappers around ComfyUI's evaluation --------------------------------------------------------------------

    def _with_wrappers(self, model_options: dict[str, Any]) -> dict[str, Any]:
        options = comfy.model_patcher.create_model_options_clone(model_options)
        wrappers = options.setdefault("transformer_options", {}).setdefault("wrappers", {})
        for kind, wrapper in (
            (_WRAPPERS.SAMPLER_SAMPLE, self._sampler_sample),
            (_WRAPPERS.CALC_COND_BATCH, self._calc_cond_batch),
        ):
            # Ours goes first, that is outermost: a replayed call must not reach stateful patches.
            wrappers[kind] = {"sage": [wrapper], **wrappers.get(kind, {})}
        return options

    def _sampler_sample(self, executor: Any, model_wrap: Any, sigmas: Any, extra_args: Any, callback: Any,
                     noise: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:  # fmt: skip
        self.noise_mode = VariationNoise(self.clusters, self.variations, noise.shape[1:])
        try:
            with self.noise_mode:
                return executor(model_wrap, sigmas, extra_args, callback, noise, *args, **kwargs)
        except BranchReached:
            return self._last_denoised(like=noise)

    def _last_denoised(self, like: torch.Tensor) -> torch.Tensor:
        step = self.step_denoised
        if isinstance(step, torch.Tensor) and step.shape == like.shape:
            return step
        return torch.zeros_like(like) if self.denoised is None else self.denoised

    def _calc_cond_batch(
        self, executor: Any, model: Any, conds: list, x: torch.Tensor, timestep: torch.Tensor, model_options: Any
    ) -> list[torch.Tensor]:
        """Answer one call of the model: from the parents' traces while they last, else by evaluating."""
        sigma = float(timestep[0])
        recorded = self._recorded()
        if recorded is not None:
            self.sources.add(CallSource.REPLAYED)
            self._advance_hooks(model, conds, timestep, model_options)
            if self.followers is None:
                answer = replay(recorded, sigma, x)
            else:
                answer = self._corrected(self.followers, recorded, executor, model, conds, x, timestep, model_options)
            outputs = [torch.zeros_like(x) if output is None else output for output in answer]
        elif is_past(sigma, self.branch_sigma):
            # Guidance with a memory (APG's momentum) has to see the noise fall, or it takes the next run for a
            # part of this one. So the call gets some answer, and the run ends after the guidance.
            self.sources.add(CallSource.PAST_BRANCH)
            return [x.clone() for _ in conds]
        else:
            outputs = self._evaluate(executor, model, conds, x, timestep, model_options)
            self.sources.add(CallSource.EVALUATED)
        self.calls += 1
        self._add_to_traces(recorded, sigma, x, conds, outputs)
        return outputs

    def _add_to_traces(
        self, recorded: list[Call] | None, sigma: float, x: torch.Tensor, conds: list, outputs: list[torch.Tensor]
    ) -> None:
        """Add one call: the same record for all who replay it, a new one for what was evaluated or corrected."""
        if self.keep is None:
            return
        calls = recorded
        if calls is None or self.followers is not None:
            asked = [None if cond is None else output for cond, output in zip(conds, outputs, strict=True)]
            calls = record(sigma, x, asked, self.clusters, self.keep)
        for trace, call in zip(self.traces, calls, strict=True):
            trace.append(call)

    @staticmethod
    def _advance_hooks(model: Any, conds: list, timestep: torch.Tensor, model_options: Any) -> None:
        """Show hooks a replayed step: their keyframes count steps, and ComfyUI shows them those it evaluates."""
        for entry in (entry for cond in conds for entry in cond or ()):
            if entry.get("hooks") is not None and _is_active(entry, float(timestep[0])):
                model.current_patcher.prepare_hook_patches_current_keyframe(timestep, entry["hooks"], model_options)

    def _recorded(self) -> list[Call] | None:
        if self.parents is None or self.calls >= len(self.parents[0]):
            return None
        return [parent[self.calls] for parent in self.parents]

    def _corrected(
        self, followers: Sequence[Follower], recorded: Sequence[Call], executor: Any, model: Any, conds: list,
        x: torch.Tensor, timestep: torch.Tensor, model_options: Any,
    ) -> list[torch.Tensor | None]:  # fmt: skip
        """The recorded answers as every follower corrects them, after those that want to have asked the model."""
        rows = x.chunk(len(followers))
        for follower, call, own in zip(followers, recorded, rows, strict=True):
            if follower.differences:
                check_sigma([call], float(timestep[0]))
            else:
                replay([call], float(timestep[0]), own)  # nothing is corrected yet: the states have to agree
        changed = [self._begins_or_ends(*each, float(timestep[0])) for each in enumerate(followers)]
        asking = [at for at, each in enumerate(followers) if each.wants(self.calls, begins_or_ends=changed[at])]
        if asking:
            wanted = list(conds)
            if self.calls == 0 and not followers[0].own_negative:  # one noise, one negative: the answer is known
                wanted[1:] = [None] * (len(conds) - 1)
            found = self._evaluate_some(asking, executor, model, wanted, x, timestep, model_options)
            self.sources.add(CallSource.EVALUATED)
            for index, answers in zip(asking, found, strict=True):
                followers[index].learn(self.calls, recorded[index], answers, begins_or_ends=changed[index])
        taken = [f.take(self.calls, call, own) for f, call, own in zip(followers, recorded, rows, strict=True)]
        return [None if parts[0] is None else torch.cat(parts) for parts in zip(*taken, strict=True)]

    def _begins_or_ends(self, cluster: int, follower: Follower, sigma: float) -> bool:
        """Whether a text of a cluster has begun or ended since the last own call of its follower."""
        entries = [entry for kind in self.cluster_conds[cluster].values() for entry in kind]
        return any(_is_active(entry, sigma) != _is_active(entry, follower.sigma) for entry in entries)

    def _evaluate_some(
        self, clusters: Sequence[int], executor: Any, model: Any, conds: list, x: torch.Tensor,
        timestep: torch.Tensor, model_options: Any,
    ) -> list[list[torch.Tensor | None]]:  # fmt: skip
        """Evaluate the rows of some clusters; per cluster the outputs, one per condition, None where not asked."""
        if len(clusters) < self.clusters:
            batched = batch_conds([self.cluster_conds[index] for index in clusters], self.variations)
            kinds = {id(self.batched[kind]): kind for kind in self.batched}
            conds = [None if cond is None else batched[kinds[id(cond)]] for cond in conds]
        rows = [index * self.variations + row for index in clusters for row in range(self.variations)]
        outputs = self._evaluate(executor, model, conds, x[rows], timestep[rows], model_options)
        parts = [
            [None] * len(clusters) if cond is None else output.chunk(len(clusters))
            for cond, output in zip(conds, outputs, strict=True)
        ]
        return [list(of_cluster) for of_cluster in zip(*parts, strict=True)]

    def _evaluate(self, executor: Any, model: Any, conds: list, x: torch.Tensor, *args: Any) -> list[torch.Tensor]:
        with self.noise_mode.paused():
            outputs = executor(model, conds, x, *args)
        self.on_evaluation(x.shape[0] * sum(cond is not None for cond in conds))
        comfy.model_management.throw_exception_if_processing_interrupted()
        return outputs


def _is_active(entry: dict[str, Any], sigma: float) -> bool:
    """Whether ComfyUI evaluates an entry of a condition at a sigma."""
    return entry.get("timestep_start", sigma) >= sigma >= entry.get("timestep_end", sigma)
