"""Corrected sharing, as plain data: which prompts follow a recorded run, and at which calls they ask the model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..grouping.prompt_groups import PromptGroups

CORRECTIONS = ("off", "on")

# Fewer own calls than this, or than half of a shorter run, cannot follow how a prompt differs from its group.
FEWEST_OWN_CALLS = 4

NOISE_EXPONENT = 1.35
"""How the part of noise falls from own call to own call: 1 is evenly, more than 1 by growing amounts. Measured, see
benchmarks/own_calls.py."""


@dataclass(frozen=True)
class CorrectionPlan:
    """How the prompts of a plan follow the runs of their groups; see `sampling.correction`.

    Attributes:
        share: what the user asked for.
        shares: for every prompt the fraction of the calls that it takes from its group's run, 0 to 1; None for the
            prompt whose own run that is.
        calls: of the model, in one whole run.
        evaluations_per_row: of a call: 2 with a negative prompt (CFG), 1 without.
        is_controlled: the shares are tolerances instead, and own calls are chosen during the run.
        own_negatives: whether a prompt asks for the negative one at its first own call, too: the answer may be another
            one for every prompt, or a patch needs both at once.
        noise: the part of noise in the model's input at every call, 0 to 1, see `divergence.noise_fraction`; empty in
            prefixes that were saved before it counted: their own calls are evenly spread.
    """

    share: float
    shares: tuple[float | None, ...]
    calls: int
    evaluations_per_row: int
    is_controlled: bool = False
    own_negatives: bool = False
    noise: tuple[float, ...] = ()

    @property
    def following(self) -> list[int]:
        """The prompts that follow a recorded run."""
        return [prompt for prompt, share in enumerate(self.shares) if share is not None]

    def own_calls(self, prompt: int) -> tuple[int, ...]:
        """The calls, by index, at which a prompt asks the model; all that are possible, where that is controlled."""
        share = self.shares[prompt]
        return () if share is None else self._own_calls_at[share]

    @cached_property
    def _own_calls_at(self) -> dict[float, tuple[int, ...]]:
        """Own calls by share: of thousands of prompts most have the same one."""
        shares = {share for share in self.shares if share is not None}
        return {each: spread_calls(self.calls, 0.0 if self.is_controlled else each, self.noise) for each in shares}

    def evaluations(self, variations: int) -> int:
        """Evaluations of all own calls; at most so many, where they are controlled.

        The first of a prompt does not ask for the negative prompt, where that is the same for all.

        Args:
            variations: images per prompt.
        """
        own = [self.own_calls(prompt) for prompt in range(len(self.shares))]
        saved = 0 if self.own_negatives else self.evaluations_per_row - 1
        return variations * sum(len(calls) * self.evaluations_per_row - (0 in calls) * saved for calls in own)

    @property
    def has_few_own_calls(self) -> bool:
        """Whether a prompt has fewer own calls than it takes to follow its differences."""
        own = [len(self.own_calls(prompt)) for prompt in self.following]
        return min(own, default=self.calls) < min(FEWEST_OWN_CALLS, (self.calls + 1) // 2)


def spread_calls(calls: int, share: float, noise: Sequence[float] = ()) -> tuple[int, ...]:
    """Own calls from the first to the last: what is left of all calls when a share is taken over.

    Between them the part of noise falls by growing amounts: what is left of the noise decides less and less.

    Args:
        calls: of the whole run.
        share: fraction of them that is taken from the recorded run, 0 to 1.
        noise: the part of noise at every call; empty for evenly spread calls.
    """
    own = calls - round(share * calls)
    if own < 2:
        return tuple(range(calls - own, calls))
    if not noise:
        return tuple(round(index * (calls - 1) / (own - 1)) for index in range(own))
    fallen = _fallen(noise)
    chosen: list[int] = []
    for index in range(own - 1):
        wanted = (index / (own - 1)) ** NOISE_EXPONENT
        possible = range(chosen[-1] + 1 if chosen else 0, calls - own + index + 1)  # the later ones need room, too
        chosen.append(min(possible, key=lambda call: abs(fallen[call] - wanted)))
    return (*chosen, calls - 1)


def _fallen(noise: Sequence[float]) -> list[float]:
    """How much of its fall the noise has behind it at every call, 0 to 1; of the calls, if it does not fall."""
    lowest = list(itertools.accumulate(noise, min))
    fall = lowest[0] - lowest[-1]
    if not fall:
        return [call / max(1, len(noise) - 1) for call in range(len(noise))]
    return [(lowest[0] - level) / fall for level in lowest]


def correction_shares(groups: PromptGroups, share: float, share_mode: str) -> tuple[float | None, ...]:
    """For every prompt the share of its calls, or the tolerance, that `CorrectionPlan` takes.

    With "tree" a prompt d from its group's reference, in a group where the farthest is D from it, takes
    `share * (2 - d / D)`: the farthest `share`, equal ones twice that.
    """
    shares: list[float | None] = [share] * len(groups.prompts)
    for members in groups.partition:
        reference = groups.reference(members)
        if share_mode == "tree" and len(members) > 1:
            centre = groups.embeddings[groups.central(members)]
            distances = 1 - groups.embeddings[list(members)] @ centre
            farthest = max(float(distances.max()), 1e-6)
            for prompt, distance in zip(members, distances.tolist(), strict=True):
                shares[prompt] = min(1.0, share * (2 - max(0.0, distance) / farthest))
        if reference is not None:
            shares[reference] = None
    return tuple(shares)
