"""What one training step asks of the model: states, conditions, targets and weights of the terms of L_SAGE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import comfy.model_sampling
import torch

from ..conditioning.combine import Conditioning
from ..grouping.partition import Cluster
from .dataset import TrainingSet
from .losses import Objective, bridge, mean_target, noised, posterior_target, weighting

TERMS = ("plain", "soft", "consistency")
SOFT_TARGETS = ("mean", "posterior")


@dataclass(frozen=True)
class LossSettings:
    """
    Attributes:
        soft_weight, consistency_weight: a and b of L_SAGE = L_plain + a L_soft + b L_cons.
        soft_target: "mean" of the group, or the "posterior" mean given the state.
        shortest_share, longest_share: between which the branch is drawn, as a fraction of the schedule.
        min_snr: gamma of Min-SNR; 0 for none.
        caption_dropout: how often the empty caption takes the place of a condition.
    """

    soft_weight: float = 1.0
    consistency_weight: float = 1.3
    soft_target: str = "mean"
    shortest_share: float = 0.1
    longest_share: float = 0.7
    min_snr: float = 0.0
    caption_dropout: float = 0.1


@dataclass(frozen=True)
class Batch:
    """B questions to the model.

    Attributes:
        states, targets: (B, channels, ...), in the model's own latent scale.
        sigma, weights: (B,).
        conditions: B.
        terms: B indices into `TERMS`.
    """

    states: torch.Tensor
    sigma: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    conditions: list[Conditioning]
    terms: list[int]


class BatchSampler:
    """Draws batches. Every row is of one term, drawn as often as the term weighs, so that a step of L_SAGE costs what
    a plain one does. Everything random comes from the generator that is handed in.
    """

    def __init__(
        self, training_set: TrainingSet, latents: Sequence[torch.Tensor], model_sampling: Any, settings: LossSettings,
        empty: Conditioning | None,
    ) -> None:  # fmt: skip
        """
        Args:
            latents: the examples', in the model's own scale.
            empty: conditioning of the empty caption; None drops no caption.

        Raises:
            ValueError: settings are out of range, or the model is of a family without a known weighting.
        """
        _check(settings)
        self.training_set = training_set
        self.latents = latents
        self.sampling = model_sampling
        self.settings = settings
        self.empty = empty
        self.objective = objective_of(model_sampling)
        self.shapes = training_set.shapes()
        groups = training_set.groups
        self.home: dict[int, Cluster] = {index: members for members in groups.partition for index in members}
        self.group_condition = {members: groups.condition(members) for members in groups.partition}

    def sample_batch(self, size: int, generator: torch.Generator) -> Batch:
        """A batch of images of one shape, each as likely as any other."""
        counts = torch.tensor([len(indices) for indices in self.shapes], dtype=torch.float)
        indices = self.shapes[int(torch.multinomial(counts, 1, generator=generator))]
        picks = torch.randint(len(indices), (size,), generator=generator)
        rows = [self._example(indices[int(pick)], generator) for pick in picks]
        states, sigma, targets, conditions, terms = zip(*rows, strict=True)
        sigmas = torch.tensor(sigma)
        weights = weighting(sigmas, self.objective, self.settings.min_snr)
        return Batch(torch.cat(states), sigmas, torch.cat(targets), weights, list(conditions), list(terms))

    def _example(
        self, index: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, float, torch.Tensor, Conditioning, int]:
        settings, members = self.settings, self.home[index]
        clean = self.latents[index]
        noise = torch.randn(clean.shape, generator=generator)
        at, branch, dropped = torch.rand(3, generator=generator).tolist()
        branch = settings.shortest_share + branch * (settings.longest_share - settings.shortest_share)
        mix = torch.tensor([1.0, settings.soft_weight, settings.consistency_weight])
        term = int(torch.multinomial(mix, 1, generator=generator)) if len(members) > 1 else 0
        condition, target = self.training_set.groups.conditionings[index], clean
        if term == 0:
            sigma = self._sigma(at)
            state = self._noised(clean, noise, sigma)
        elif term == 1:
            sigma = self._sigma(at * branch)
            condition = self.group_condition[members]
            state, target = self._shared(clean, members, noise, sigma)
        else:
            sigma = self._sigma(branch + at * (1 - branch))
            start = self._sigma(branch)
            group = mean_target(self._stack(members), self._member_weights(members))[None]
            state = bridge(clean, self._noised(group, noise, start), torch.tensor([sigma]), torch.tensor([start]))
        if self.empty is not None and dropped < settings.caption_dropout:
            condition = self.empty
        return state, sigma, target, condition, term

    def _shared(
        self, clean: torch.Tensor, members: Cluster, noise: torch.Tensor, sigma: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """State and target of the shared phase."""
        stack, shares = self._stack(members), self._member_weights(members)
        if self.settings.soft_target == "mean":
            group = mean_target(stack, shares)[None]
            return self._noised(group, noise, sigma), group
        state = self._noised(clean, noise, sigma)
        return state, posterior_target(state, stack, shares, torch.tensor([sigma]), self.objective)

    def _noised(self, clean: torch.Tensor, noise: torch.Tensor, sigma: float) -> torch.Tensor:
        return noised(clean, noise, torch.tensor([sigma]), self.objective)

    def _sigma(self, progress: float) -> float:
        """The sigma at a fraction of the schedule; never 0, where there is nothing to learn."""
        sigma = float(self.sampling.percent_to_sigma(min(max(progress, 1e-4), 1 - 1e-4)))
        return min(max(sigma, float(self.sampling.sigma_min)), float(self.sampling.sigma_max))

    def _stack(self, members: Cluster) -> torch.Tensor:
        return torch.cat([self.latents[index] for index in members])

    @staticmethod
    def _member_weights(members: Cluster) -> torch.Tensor:
        return torch.full((len(members),), 1 / len(members))


def objective_of(model_sampling: Any) -> Objective:
    """What the model was trained to predict.

    Raises:
        ValueError: a family without a known weighting.
    """
    if isinstance(model_sampling, comfy.model_sampling.CONST):
        return "flow"
    if isinstance(model_sampling, comfy.model_sampling.V_PREDICTION):
        return "v"
    if isinstance(model_sampling, comfy.model_sampling.EPS) and not isinstance(model_sampling, comfy.model_sampling.X0):
        return "epsilon"
    names = ", ".join(base.__name__ for base in type(model_sampling).__mro__[:-1])
    raise ValueError(f"model: expected a model that predicts epsilon, v or a flow, got {names}.")


def _check(settings: LossSettings) -> None:
    for name in ("soft_weight", "consistency_weight", "min_snr"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}: expected a number from 0 up, got {value}.")
    if not 0 <= settings.shortest_share <= settings.longest_share <= 1:
        raise ValueError(
            f"shortest_share, longest_share: expected 0 <= shortest <= longest <= 1, got {settings.shortest_share} "
            f"and {settings.longest_share}."
        )
    if not 0 <= settings.caption_dropout <= 1:
        raise ValueError(f"caption_dropout: expected 0 to 1, got {settings.caption_dropout}.")
    if settings.soft_target not in SOFT_TARGETS:
        raise ValueError(f"soft_target: expected one of {', '.join(SOFT_TARGETS)}, got {settings.soft_target!r}.")
