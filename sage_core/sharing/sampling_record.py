"""What a sampling run planned, evaluated and saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .plan import Cost, SharePlan


@dataclass(frozen=True)
class SamplingRecord:
    """A sampling run's plan and what came of it.

    Attributes:
        cost: predicted evaluations; None where the sampler's calls depend on the image.
        evaluations: those that reached the model so far.
        stands_for: for every prompt of the list the one of the plan that is rendered for it; empty if the plan
            has all of them.
        warnings: what the person should know.
    """

    plan: SharePlan
    cost: Cost | None
    steps: int
    variations: int
    evaluations: int = 0
    representative_of: tuple[int, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def repeats(self) -> int:
        """Prompts that another one stands for."""
        return max(0, len(self.representative_of) - self.plan.n_prompts)

    @property
    def baseline_evaluations(self) -> int | None:
        """Evaluations if every prompt of the list were sampled for itself; None where they cannot be predicted."""
        if self.cost is None:
            return None
        return self.cost.without_sharing * (self.plan.n_prompts + self.repeats) // self.plan.n_prompts

    @property
    def saving(self) -> float | None:
        """Fraction of those evaluations that the plan saves."""
        return (
            None
            if self.cost is None or not self.baseline_evaluations
            else 1 - self.cost.total / self.baseline_evaluations
        )

    def expected(self, *, shared_only: bool = False) -> int:
        """Evaluations to show progress against; a guess of two a step where they cannot be predicted."""
        if self.cost is not None:
            return self.cost.total - (self.cost.per_level[-1] if shared_only else 0)
        return 2 * self.steps * self.variations * self.plan.n_prompts

    def finished(self, evaluations: int, warnings: Sequence[str]) -> SamplingRecord:
        return replace(self, evaluations=evaluations, warnings=(*self.warnings, *warnings))
