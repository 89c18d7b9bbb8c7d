"""What a sampling run planned, evaluated and saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..phrases import saved_fraction
from .correction_plan import CorrectionPlan
from .plan import Cost, SharePlan


@dataclass(frozen=True)
class SamplingRecord:
    """A sampling run's plan and what came of it.

    Attributes:
        cost: predicted evaluations; None where the sampler's calls depend on the image.
        evaluations: those that reached the model so far.
        representative_of: for every prompt of the list the prompt of the plan that is rendered for it; empty if the
            plan has all of them.
        warnings: what the user should know.
        correction: how prompts follow their groups' runs; None where that is not corrected.
        errors: for every prompt of the plan the largest estimated error between two own calls, as a fraction of its
            picture (see `sampling.correction.gap_error`); empty before the end.
        remembered: for every prompt of the plan the prompt of the earlier render that it takes or follows, None for
            none; empty where earlier renders are not used.
    """

    plan: SharePlan
    cost: Cost | None
    steps: int
    variations: int
    evaluations: int = 0
    representative_of: tuple[int, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    correction: CorrectionPlan | None = None
    errors: tuple[float, ...] = ()
    remembered: tuple[str | None, ...] = ()

    @property
    def calls_depend_on_image(self) -> bool:
        """Whether the sampler calls the model as often as the image asks for (dpm_adaptive)."""
        return self.cost is None

    @property
    def repeats(self) -> int:
        """Prompts that are not rendered, because an equal one is."""
        return max(0, len(self.representative_of) - self.plan.n_prompts)

    def number(self, prompt: int) -> int:
        """The number in the user's list of a prompt of the plan, counted from 1."""
        return (self.representative_of or range(self.plan.n_prompts)).index(prompt) + 1

    @property
    def rendered_earlier(self) -> list[int]:
        """The prompts of the plan that take the run of an earlier render as it is."""
        return [prompt for prompt, text in enumerate(self.remembered) if text is not None and not self._follows(prompt)]

    @property
    def following_earlier(self) -> dict[str, list[int]]:
        """The prompts of the plan that follow the run of an earlier render, by the prompt of that."""
        by_text: dict[str, list[int]] = {}
        for prompt, text in enumerate(self.remembered):
            if text is not None and self._follows(prompt):
                by_text.setdefault(text, []).append(prompt)
        return by_text

    def _follows(self, prompt: int) -> bool:
        """Whether a prompt has own calls."""
        return self.correction is not None and self.correction.shares[prompt] is not None

    @property
    def baseline_evaluations(self) -> int | None:
        """Evaluations if every prompt of the list were sampled for itself; None where they cannot be predicted."""
        if self.cost is None:
            return None
        return self.cost.without_sharing * (self.plan.n_prompts + self.repeats) // self.plan.n_prompts

    @property
    def saving(self) -> float | None:
        """Fraction of those evaluations that the plan saves; None where they cannot be predicted."""
        return None if self.cost is None or self.cost.is_bound else self.saving_of(self.cost.total)

    def saving_of(self, evaluations: int) -> float | None:
        """Fraction of `baseline_evaluations` that a number of evaluations saves; None where that is not known."""
        baseline = self.baseline_evaluations
        return saved_fraction(evaluations, baseline) if baseline else None

    def expected(self, *, shared_only: bool = False) -> int:
        """Evaluations to show progress against; a guess of two per step where they cannot be predicted."""
        if self.cost is not None:
            return self.cost.total - (self.cost.per_level[-1] + self.cost.corrections if shared_only else 0)
        return 2 * self.steps * self.variations * self.plan.n_prompts

    def finished(self, evaluations: int, warnings: Sequence[str], errors: Sequence[float] = ()) -> SamplingRecord:
        """The same record after the run, with the evaluations it made."""
        return replace(self, evaluations=evaluations, warnings=(*self.warnings, *warnings), errors=tuple(errors))
