"""What one training step asks of the model: states, conditions, targets and weights of the terms of L_SAGE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import comfy.model_sampling
import torch

from ..conditioning.combine import Conditioning
from ..grouping.partition import Cluster
from .dataset import TrainingSet
from .losses import Objective, bridge, mean_target, noised, posterior_target, weighting


class Term(IntEnum):
    """The terms of L_SAGE = L_plain + a L_soft + b L_cons; the values are the order of their losses in a row."""

    PLAIN = 0
    SOFT = 1
    CONSISTENCY = 2


TERMS = tuple(term.name.lower() for term in Term)
SOFT_TARGETS = ("mean", "posterior")


@dataclass(frozen=True)
class LossSettings:
    """What L_SAGE weighs, and how its questions are drawn.

    Attributes:
        soft_weight, consistency_weight: a and b of L_SAGE = L_plain + a L_soft + b L_cons.
        soft_target: "mean" of the group, or the "posterior" mean given the state.
        shortest_share, longest_share: range of the branch, as fractions of the schedule.
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
    """B questions to the model: what should D(x; sigma, c) be?

    Attributes:
        states: x, (B, channels, ...), in the model's own latent scale.
        sigma: (B,).
        targets: what D should be, as the states.
        weights: of the squared errors, (B,).
        conditions: c, B of them.
        terms: B terms.
    """

    states: torch.Tensor
    sigma: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    conditions: list[Conditioning]
    terms: list[Term]


@dataclass(frozen=True)
class _Example:
    """One question to the model: a row of a `Batch`, (1, channels, ...)."""

    state: torch.Tensor
    sigma: float
    target: torch.Tensor
    condition: Conditioning
    term: Term


@dataclass(frozen=True)
class _Draw:
    """The random part of an example.

    Attributes:
        noise: (1, channels, ...), as strong as the model wants it.
        u_time: uniform from 0 to 1; where in its part of the schedule the state is.
        branch: fraction of the schedule at which prompts leave their group.
    """

    noise: torch.Tensor
    u_time: float
    branch: float


class BatchSampler:
    """Draws batches of questions to the model.

    The term of every row is drawn, with the terms' weights as odds, so that a step of L_SAGE costs what a step of plain
    fine-tuning does. Everything random comes from the generator that is handed in.
    """

    def __init__(
        self, training_set: TrainingSet, latents: Sequence[torch.Tensor], model_sampling: Any, settings: LossSettings,
        empty: Conditioning | None,
    ) -> None:  # fmt: skip
        """Prepare the batches of a training set.

        Args:
            latents: of the training set, in the model's own scale.
            model_sampling: the model's, from ComfyUI.
            empty: conditioning of the empty caption; with None no caption is dropped.

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
        self.sigma_data = float(getattr(model_sampling, "sigma_data", 1.0))
        # Some flow models want stronger noise (HiDream O1); ComfyUI scales it for no others.
        self.noise_scale = float(getattr(model_sampling, "noise_scale", 1.0)) if self.objective == "flow" else 1.0
        self.shapes = training_set.shapes()
        groups = training_set.groups
        self.home: dict[int, Cluster] = {index: members for members in groups.partition for index in members}
        self.group_condition = {members: groups.condition(members) for members in groups.partition}

    def sample_batch(self, size: int, generator: torch.Generator) -> Batch:
        """A batch of `size` questions on images of one shape. Every image of the set is as likely as any other."""
        counts = torch.tensor([len(indices) for indices in self.shapes], dtype=torch.float)
        indices = self.shapes[int(torch.multinomial(counts, 1, generator=generator))]
        picks = torch.randint(len(indices), (size,), generator=generator)
        examples = [self._example(indices[int(pick)], generator) for pick in picks]
        sigma = torch.tensor([example.sigma for example in examples])
        return Batch(
            states=torch.cat([example.state for example in examples]),
            sigma=sigma,
            targets=torch.cat([example.target for example in examples]),
            weights=weighting(
                sigma, self.objective, self.settings.min_snr, sigma_data=self.sigma_data, noise_scale=self.noise_scale
            ),
            conditions=[example.condition for example in examples],
            terms=[example.term for example in examples],
        )

    def _example(self, index: int, generator: torch.Generator) -> _Example:
        """A question on an image.

        The order of the draws must stay: a saved training goes on with the same numbers, bit for bit.
        """
        settings, members = self.settings, self.home[index]
        noise = self.noise_scale * torch.randn(self.latents[index].shape, generator=generator)
        u_time, u_branch, u_drop = torch.rand(3, generator=generator).tolist()
        branch = settings.shortest_share + u_branch * (settings.longest_share - settings.shortest_share)
        draw = _Draw(noise, u_time, branch)
        term = self._draw_term(generator) if len(members) > 1 else Term.PLAIN
        if term is Term.PLAIN:
            example = self._denoising_example(index, draw)
        elif term is Term.SOFT:
            example = self._soft_target_example(index, members, draw)
        else:
            example = self._consistency_example(index, members, draw)
        if self.empty is not None and u_drop < settings.caption_dropout:
            return replace(example, condition=self.empty)
        return example

    def _draw_term(self, generator: torch.Generator) -> Term:
        """One of the terms, with their weights as odds."""
        mix = torch.tensor([1.0, self.settings.soft_weight, self.settings.consistency_weight])
        return Term(int(torch.multinomial(mix, 1, generator=generator)))

    def _denoising_example(self, index: int, draw: _Draw) -> _Example:
        """Plain fine-tuning: from any noised state of an image to the image."""
        clean, sigma = self.latents[index], self._sigma(draw.u_time)
        state = self._noised(clean, draw.noise, sigma)
        return _Example(state, sigma, clean, self.training_set.groups.conditionings[index], Term.PLAIN)

    def _soft_target_example(self, index: int, members: Cluster, draw: _Draw) -> _Example:
        """Soft-target alignment: from a state before the branch to the middle of the group."""
        sigma = self._sigma(draw.u_time * draw.branch)
        stack, member_weights = self._stack(members), self._member_weights(members)
        if self.settings.soft_target == "mean":
            target = mean_target(stack, member_weights)[None]
            state = self._noised(target, draw.noise, sigma)
        else:
            state = self._noised(self.latents[index], draw.noise, sigma)
            target = posterior_target(
                state, stack, member_weights, torch.tensor([sigma]), self.objective, self.noise_scale
            )
        return _Example(state, sigma, target, self.group_condition[members], Term.SOFT)

    def _consistency_example(self, index: int, members: Cluster, draw: _Draw) -> _Example:
        """Dual-phase consistency: from a state between the shared one at the branch and an image to that image."""
        clean = self.latents[index]
        sigma = self._sigma(draw.branch + draw.u_time * (1 - draw.branch))
        branch_sigma = self._sigma(draw.branch)
        middle = mean_target(self._stack(members), self._member_weights(members))[None]
        branch_state = self._noised(middle, draw.noise, branch_sigma)
        state = bridge(clean, branch_state, torch.tensor([sigma]), torch.tensor([branch_sigma]))
        return _Example(state, sigma, clean, self.training_set.groups.conditionings[index], Term.CONSISTENCY)

    def _noised(self, clean: torch.Tensor, noise: torch.Tensor, sigma: float) -> torch.Tensor:
        """See `losses.noised`."""
        return noised(clean, noise, torch.tensor([sigma]), self.objective)

    def _sigma(self, progress: float) -> float:
        """The sigma at a fraction of the schedule; never 0, since there is nothing to learn there."""
        sigma = float(self.sampling.percent_to_sigma(min(max(progress, 1e-4), 1 - 1e-4)))
        return min(max(sigma, float(self.sampling.sigma_min)), float(self.sampling.sigma_max))

    def _stack(self, members: Cluster) -> torch.Tensor:
        """The members' latents, (M, channels, ...)."""
        return torch.cat([self.latents[index] for index in members])

    @staticmethod
    def _member_weights(members: Cluster) -> torch.Tensor:
        """Equal weights that sum to 1, (M,)."""
        return torch.full((len(members),), 1 / len(members))


def objective_of(model_sampling: Any) -> Objective:
    """What a model was trained to predict.

    Args:
        model_sampling: the model's, from ComfyUI.

    Raises:
        ValueError: the model is of a family without a known weighting.
    """
    sees_no_noise = getattr(comfy.model_sampling, "IMG_TO_IMG_FLOW", ())  # a CONST that predicts the image itself
    if isinstance(model_sampling, comfy.model_sampling.CONST) and not isinstance(model_sampling, sees_no_noise):
        return "flow"
    if isinstance(model_sampling, comfy.model_sampling.V_PREDICTION):
        return "v"
    if isinstance(model_sampling, comfy.model_sampling.EPS) and not isinstance(model_sampling, comfy.model_sampling.X0):
        return "epsilon"
    names = ", ".join(base.__name__ for base in type(model_sampling).__mro__[:-1])
    raise ValueError(f"model: expected a model that predicts epsilon, v or a flow, got {names}.")


def _check(settings: LossSettings) -> None:
    """Raises ValueError where a setting is out of range."""
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
