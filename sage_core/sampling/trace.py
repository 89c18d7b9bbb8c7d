"""The trace: what the model answered in a level's run, in call order, kept in system memory or on the disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from ..sharing.plan import is_past
from ..tensor_shelf import OnDisk, TensorShelf

# Values of x kept per row: enough to see any difference of a whole latent, in very little memory.
_FINGERPRINT = 512
# Largest difference, relative to x's own size, that float arithmetic explains.
_TOLERANCE = 1e-3
# Bytes of all traces of a run that stay in memory: about two hundred images of 1024 x 1024 in 20 steps with CFG.
_IN_MEMORY = 2_000_000_000

# Takes an answer, and gives what a trace holds of it.
Keep = Callable[[torch.Tensor], torch.Tensor | OnDisk]


class ReplayMismatch(Exception):
    """A sampler did not repeat itself: it came to another state than the one that was recorded."""


@dataclass(frozen=True)
class Call:
    """One model call of one cluster's run.

    Attributes:
        sigma: noise level of the call.
        kept: denoised predictions, one per condition (cond, uncond; None where not asked), each of
            shape (variations, *latent), on the CPU or on the disk.
        fingerprint: some values of the state x the sampler asked at, shape (variations, k).
    """

    sigma: float
    kept: tuple[torch.Tensor | OnDisk | None, ...]
    fingerprint: torch.Tensor

    @property
    def outputs(self) -> tuple[torch.Tensor | None, ...]:
        """The denoised predictions, as tensors on the CPU; those on the disk are read."""
        return tuple(kept.read() if isinstance(kept, OnDisk) else kept for kept in self.kept)

    @cached_property
    def guidance(self) -> tuple[torch.Tensor | None, ...]:
        """How far the prompt's prediction is from each other one (uncond): root mean square, (variations,)."""
        cond, *others = self.outputs
        return tuple(None if cond is None or other is None else rms(cond - other) for other in others)


ClusterTrace = list[Call]


def trace_shelf() -> TensorShelf:
    """What keeps the traces of a run."""
    return TensorShelf(_IN_MEMORY, "the recorded steps of the groups")


def in_memory(answer: torch.Tensor) -> torch.Tensor:
    """Keeps an answer as it is."""
    return answer


def down_to(trace: ClusterTrace, branch_sigma: float | None) -> ClusterTrace:
    """The calls of a run that ends at a branch sigma, of one that goes on; all of them for None."""
    return list(itertools.takewhile(lambda call: not is_past(call.sigma, branch_sigma), trace))


def evaluations(trace: ClusterTrace) -> int:
    """Evaluations of the model that the calls of a run took."""
    return sum(kept.shape[0] for call in trace for kept in call.kept if kept is not None)


def fingerprint(x: torch.Tensor) -> torch.Tensor:
    """Evenly spaced values of each row of x, shape (rows, k), fp32 on the CPU."""
    flat = x.detach().flatten(1)
    values = flat.shape[1]
    kept = min(_FINGERPRINT, values)
    # In integers: a long video has more values than fp32 can number.
    index = torch.arange(kept, device=x.device) * (values - 1) // max(1, kept - 1)
    return flat[:, index].to("cpu", torch.float32)


def record(
    sigma: float, x: torch.Tensor, outputs: Sequence[torch.Tensor | None], clusters: int, keep: Keep = in_memory
) -> list[Call]:
    """One call of a run of `clusters` clusters, as one `Call` per cluster (rows are cluster-major)."""
    copies = [None if output is None else output.detach().to("cpu", copy=True) for output in outputs]
    prints = fingerprint(x).chunk(clusters)
    parts = [[None] * clusters if copy is None else [keep(part) for part in copy.chunk(clusters)] for copy in copies]
    return [Call(sigma, tuple(part[index] for part in parts), prints[index]) for index in range(clusters)]


def check_sigma(calls: Sequence[Call], sigma: float) -> None:
    """Check that a run asks at the sigma of the recorded calls.

    Raises:
        ReplayMismatch: it asks at another one.
    """
    if any(abs(call.sigma - sigma) > 1e-5 * max(abs(sigma), 1e-8) for call in calls):
        raise ReplayMismatch(f"the model is asked at sigma {sigma:.6g}, recorded was {calls[0].sigma:.6g}")


def replay(calls: Sequence[Call], sigma: float, x: torch.Tensor) -> list[torch.Tensor | None]:
    """The recorded answer to one call, from one `Call` per cluster of the asking run.

    Raises:
        ReplayMismatch: this run asks at another sigma, or in another state, than the recorded one.
    """
    check_sigma(calls, sigma)
    now, then = fingerprint(x), torch.cat([call.fingerprint for call in calls])
    if now.shape != then.shape or not _same_state(now, then):
        raise ReplayMismatch(f"the state differs from the recorded one at sigma {sigma:.6g}")
    outputs: list[torch.Tensor | None] = []
    for parts in zip(*(call.outputs for call in calls), strict=True):
        answer = None if parts[0] is None else torch.cat(parts).to(x.device)
        outputs.append(answer)
    return outputs


def rms(rows: torch.Tensor) -> torch.Tensor:
    """Root mean square of every row."""
    return rows.float().flatten(1).square().mean(1).sqrt()


def _same_state(now: torch.Tensor, then: torch.Tensor) -> bool:
    """NaN equals NaN: a model that breaks down does so every time, and that is not for the sampler to mend."""
    size = then.nan_to_num(0, 0, 0).abs().amax().clamp_min(1e-6)
    return torch.allclose(now, then, rtol=0, atol=_TOLERANCE * float(size), equal_nan=True)
