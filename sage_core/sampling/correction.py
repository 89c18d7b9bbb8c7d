"""Corrected sharing: a prompt follows its group's run, and evaluates the model itself at some of the calls.

The group's run visits states x_i and records the answers D(x_i; c). A prompt's own run visits states z_i. At some of
the calls it asks the model itself, and learns the difference d_i = D(z_i; c_m) - D(x_i; c). At the others it takes the
recorded answer plus the difference that it expects. So the group's run carries what prompts have in common, and the
few own calls only have to follow a difference, which changes slowly. Equal prompts have d = 0.

Of the answer to the prompt the difference stays. That to the negative prompt (uncond) has none at first, as all prompts
start from one noise, and nearly the same one at last, as the picture is then there to be seen: guidance, which is cond
less uncond, fades. How far it has faded shows in the recorded answers. So what the difference of cond is more than that
of uncond is expected to fade as the recorded guidance does.

The expected difference is less a part of how it has moved otherwise: a state that was led by old differences lags
behind, the model answers with a difference that is too large, and the next own call takes some of it back. How much is
learnt, too, see `overshoot`.

The first call is cheap: with one noise, the answer to a common negative prompt is the recorded one.

Source: ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch

from ..sharing.correction_plan import CorrectionPlan
from .trace import Call, ClusterTrace, rms

# The error of a gap that a share of 1 tolerates; see benchmarks/correction.py.
_TOLERANCE = 0.125

# The part of a first movement that is taken back, as nothing is known of it yet.
_FIRST_OVERSHOOT = 0.25

# What float arithmetic explains, relative to an answer's own size, when rows are batched differently.
_ROUNDING = 1e-5


class OwnCalls(Protocol):
    """Decides at which calls of the model a prompt asks itself."""

    def wants(self, call: int, *, begins_or_ends: bool = False) -> bool:
        """Whether the prompt asks the model at a call.

        Args:
            call: counted from 0.
            begins_or_ends: whether a text of the prompt has begun or ended since its last own call.
        """

    def learnt(self, call: int, drift: float) -> None:
        """What came of it: how far the prompt's own answer was from the one it would have taken, see `drift`."""


@dataclass
class FixedCalls:
    """Own calls that are known before the run.

    Attributes:
        calls: their indices.
    """

    calls: Sequence[int]

    def wants(self, call: int, *, begins_or_ends: bool = False) -> bool:
        """See `OwnCalls`."""
        return call in self.calls

    def learnt(self, call: int, drift: float) -> None:
        """Nothing depends on it."""


@dataclass
class ControlledCalls:
    """Own calls as far apart as a tolerance allows: step size control, with a gap of calls in the place of a step.

    The next gap is the longest at whose end the error is expected to be within the tolerance, see `gap_error`, if the
    drift grows as fast as in the last gap. It is at most twice as long as that. It ends where a text begins or ends:
    nothing before has told of that. The last call of all is always an own one.

    Attributes:
        tolerance: of the error of a gap.
        sigmas: of all calls of the run.
    """

    tolerance: float
    sigmas: Sequence[float]
    last: int = 0
    next: int = 0

    def wants(self, call: int, *, begins_or_ends: bool = False) -> bool:
        """See `OwnCalls`."""
        return begins_or_ends or call >= self.next or call == len(self.sigmas) - 1

    def learnt(self, call: int, drift: float) -> None:
        """See `OwnCalls`."""
        before = call - self.last
        longest = 1
        for gap in range(2, 2 * before + 1):
            if call + gap < len(self.sigmas):
                expected = gap_error(drift * gap / before, self.sigmas[call], self.sigmas[call + gap])
                longest = gap if expected <= self.tolerance else longest
        self.last, self.next = call, call + longest


@dataclass
class Follower:
    """A prompt's run along a recorded one.

    Attributes:
        own_calls: when the prompt asks the model itself.
        cfg: the guidance scale, since what a difference does to the picture is what guidance makes of it.
        own_negative: see `CorrectionPlan.own_negatives`.
        differences: from the recorded answers at the last own call, one per condition (cond, uncond), each
            (variations, *latent); empty before the first own call.
        expected: what they would be there for the calls until the next own one, see `overshoot`.
        movement: how far the guided difference was from what the one before had become, at the last own call.
        last, sigma, guidance: of the last own call, see `Call`.
        errors: of all gaps between own calls, see `gap_error`.
    """

    own_calls: OwnCalls
    cfg: float
    own_negative: bool = False
    differences: list[torch.Tensor | None] = field(default_factory=list)
    expected: list[torch.Tensor | None] = field(default_factory=list)
    movement: torch.Tensor | None = None
    last: int = -1
    sigma: float = 0.0
    guidance: tuple[torch.Tensor | None, ...] = ()
    errors: list[float] = field(default_factory=list)

    def wants(self, call: int, *, begins_or_ends: bool = False) -> bool:
        """Whether the model has to be asked at this call, see `OwnCalls`."""
        return self.own_calls.wants(call, begins_or_ends=begins_or_ends)

    def take(self, call: int, recorded: Call, like: torch.Tensor) -> list[torch.Tensor | None]:
        """The prompt's own answers if it asked at this call, else those that are expected; on the device of `like`."""
        answers = [None if output is None else output.to(like) for output in recorded.outputs]
        differences = self.differences if call == self.last else self._faded(self.expected, recorded)
        return [
            answer if answer is None or difference is None else answer + difference
            for answer, difference in zip(answers, differences or [None] * len(answers), strict=True)
        ]

    def learn(
        self, call: int, recorded: Call, answers: Sequence[torch.Tensor | None], *, begins_or_ends: bool = False
    ) -> None:
        """Take the prompt's own answers to a call in the place of what was known.

        Args:
            begins_or_ends: see `OwnCalls`. A difference that has moved by that is not taken back.
        """
        found = [
            None if own is None or output is None else _difference(own, output.to(own))
            for own, output in zip(answers, recorded.outputs, strict=True)
        ]
        expected, moved = found, 0.0
        if self.differences:
            known = self._faded(self.expected, recorded)
            moved = drift(guided(found, self.cfg), guided(known, self.cfg), guided(answers, self.cfg))
            self.errors.append(gap_error(moved, self.sigma, recorded.sigma))
            if begins_or_ends:
                self.movement = None
            else:
                expected = self._foreseen(found, self._faded(self.differences, recorded))
        self.differences, self.expected = found, expected
        self.last, self.sigma, self.guidance = call, recorded.sigma, recorded.guidance
        self.own_calls.learnt(call, moved)

    def _faded(self, differences: list[torch.Tensor | None], recorded: Call) -> list[torch.Tensor | None]:
        """Differences at the last own call, as they are at another call if they fade as the recorded guidance does."""
        if not differences:
            return differences
        cond, *others = differences
        assert cond is not None
        parts = zip(others, self.guidance, recorded.guidance, strict=True)
        return [cond, *itertools.starmap(partial(_fades, cond), parts)]

    def _foreseen(
        self, found: list[torch.Tensor | None], before: list[torch.Tensor | None]
    ) -> list[torch.Tensor | None]:
        """Differences, less a part of how they have moved from what those `before` have become."""
        movement = guided(found, self.cfg) - guided(before, self.cfg)
        back = overshoot(movement, self.movement)
        # At first the states are one, and only the prompt makes a difference.
        backs = [back, *[0.0 if self.movement is None else back] * (len(found) - 1)]
        self.movement = movement
        return [_moved_back(*each) for each in zip(found, before, backs, strict=True)]


def follow(plan: CorrectionPlan, prompt: int, cfg: float, trace: ClusterTrace) -> Follower:
    """A new follower for a prompt of a plan, not one whose own run the trace is, along a trace."""
    share = plan.shares[prompt]
    assert share is not None
    own_calls: OwnCalls = FixedCalls(plan.own_calls(prompt))
    if plan.is_controlled:
        own_calls = ControlledCalls(_TOLERANCE * share, [call.sigma for call in trace])
    return Follower(own_calls, cfg, plan.own_negatives)


def guided(outputs: Sequence[torch.Tensor | None], cfg: float) -> torch.Tensor:
    """Classifier-free guidance of the outputs for cond and uncond; what is missing counts as zero."""
    cond, *others = outputs
    assert cond is not None
    if not others or cfg == 1.0:
        return cond
    uncond = torch.zeros_like(cond) if others[0] is None else others[0]
    return uncond + cfg * (cond - uncond)


def drift(found: torch.Tensor, known: torch.Tensor, answer: torch.Tensor) -> float:
    """How far a difference has moved since the last own call, as a fraction of the answer's own size.

    Args:
        found, known: the guided difference now and then, (variations, *latent).
        answer: the prompt's own guided answer now.

    Returns:
        Root mean square of the movement by that of the answer, for the variation where it is largest.
    """
    return float((rms(found - known) / rms(answer).clamp_min(1e-6)).max())


def overshoot(movement: torch.Tensor, before: torch.Tensor | None) -> torch.Tensor | float:
    """The part of a movement of the difference that is to be taken back at once.

    It is half of the part of the movement before that this one took back: half, because what is taken back grows over
    the calls until the next own one.

    Args:
        movement, before: between the last two own calls, and between the two before; (variations, *latent). No `before`
            if there were no three yet.

    Returns:
        0 to 0.5, of the shape (variations, 1, ...).
    """
    if before is None:
        return _FIRST_OVERSHOOT
    rows, rows_before = movement.float().flatten(1), before.float().flatten(1)
    along = (rows * rows_before).sum(1) / rows_before.square().sum(1).clamp_min(1e-12)
    return (-0.5 * along.clamp(-1, 0)).view(-1, *[1] * (movement.ndim - 1)).to(movement)


def gap_error(drift: float, start: float, end: float) -> float:
    """How far a run is off at the end of a gap between own calls, as a fraction of the picture.

    The answers that were taken over were off by nothing at the start of the gap and by the drift at its end, so by half
    of it. Answers that are off by e move a run from sigma a to b by e (1 - b / a), as in Euler's method.

    Args:
        drift: over the gap.
        start, end: sigmas of the own calls.
    """
    return 0.5 * drift * abs(1 - end / start) if start else 0.0


def _difference(own: torch.Tensor, recorded: torch.Tensor) -> torch.Tensor:
    """Own minus recorded; zero where that is rounding, so that equal prompts get equal pictures."""
    found = own - recorded
    is_rounding = bool((rms(found) <= _ROUNDING * rms(own)).all())  # not where a number is not finite
    return torch.zeros_like(found) if is_rounding else found


def _fades(
    cond: torch.Tensor, uncond: torch.Tensor | None, then: torch.Tensor | None, now: torch.Tensor | None
) -> torch.Tensor | None:
    """The difference of uncond when guidance has gone from `then` to `now`; from that of cond and its own then.

    Guidance that has become more is taken for as much as then: samplers may go back to more noise, but not for long.
    """
    if then is None or now is None:
        return uncond
    left = (now / then.clamp_min(1e-9)).clamp(max=1).view(-1, *[1] * (cond.ndim - 1)).to(cond)
    return cond - left * (cond if uncond is None else cond - uncond)


def _moved_back(
    found: torch.Tensor | None, before: torch.Tensor | None, part: torch.Tensor | float
) -> torch.Tensor | None:
    """A difference, less a part of its movement since the one before, if there was one."""
    return found if found is None or before is None else found - part * (found - before)
