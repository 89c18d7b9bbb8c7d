"""Rows of a training batch match their loss term."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import comfy.model_sampling
import pytest
import torch
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.training.dataset import TrainingSet
from comfyui_sage.sage_core.training.losses import Objective
from comfyui_sage.sage_core.training.objective import Batch, BatchSampler, LossSettings, objective_of
from models import flux, sd2_v, sd3, sd15, sdxl

EMPTY = [[torch.zeros(1, 2, 3), {}]]
FAMILIES = [(sd15, "epsilon"), (sdxl, "epsilon"), (sd2_v, "v"), (sd3, "flow"), (flux, "flow")]


def training_set(partition: tuple[tuple[int, ...], ...]) -> TrainingSet:
    count = sum(map(len, partition))
    make = torch.Generator().manual_seed(0)
    latents = tuple(torch.randn(1, 4, 4, 4, generator=make) for _ in range(count))
    conditionings = tuple([[torch.full((1, 2, 3), float(at + 1)), {}]] for at in range(count))
    vectors = torch.nn.functional.normalize(torch.randn(count, 5, generator=make), dim=1).numpy()
    names = tuple(map(str, range(count)))
    return TrainingSet(latents, PromptGroups(names, conditionings, vectors, partition, 0.5, "fixed", "clip", "mean"))


def batch_sampler(
    family: Any, partition: tuple[tuple[int, ...], ...] = ((0, 1, 2), (3,)), **settings: Any
) -> BatchSampler:
    given = training_set(partition)
    sampling = family().get_model_object("model_sampling")
    return BatchSampler(given, given.latents, sampling, replace(LossSettings(caption_dropout=0), **settings), EMPTY)


def drawn(made: BatchSampler, size: int = 64, seed: int = 1) -> Batch:
    return made.sample_batch(size, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("family", "objective"), FAMILIES)
class TestEveryFamily:
    def test_is_known(self, family: Any, objective: Objective) -> None:
        assert objective_of(family().get_model_object("model_sampling")) == objective

    def test_plain_rows_are_noised_images(self, family: Any, objective: Objective) -> None:
        made = batch_sampler(family, soft_weight=0, consistency_weight=0)
        batch = drawn(made)
        assert set(batch.terms) == {0}
        sampling = made.sampling
        for row in range(64):
            sigma = batch.sigma[row]
            clean = (1 - sigma) * batch.targets[row] if objective == "flow" else batch.targets[row]
            noise = (batch.states[row] - clean) / sigma
            assert 0.5 < float(noise.std()) < 1.6, "64 numbers of a normal distribution"
            which = int(batch.conditions[row][0][0][0, 0, 0]) - 1
            assert torch.equal(batch.targets[row], made.latents[which][0])
            assert float(sampling.sigma_min) <= float(sigma) <= float(sampling.sigma_max)

    def test_soft_rows_aim_at_the_posterior_mean_with_the_group_condition(
        self, family: Any, objective: Objective
    ) -> None:
        made = batch_sampler(family, soft_weight=1e9, consistency_weight=0)
        batch = drawn(made)
        middle = torch.cat(made.latents[:3]).mean(0)
        branch = float(made.sampling.percent_to_sigma(0.7))
        soft = [row for row in range(64) if batch.terms[row] == 1]
        assert soft
        for row in soft:
            torch.testing.assert_close(batch.targets[row], middle)
            assert float(batch.conditions[row][0][0].mean()) == pytest.approx(2.0), "mean of 1, 2, 3"
            assert float(batch.sigma[row]) >= branch * 0.999

    def test_consistency_rows_lie_on_the_bridge_from_the_shared_state(self, family: Any, objective: Objective) -> None:
        made = batch_sampler(family, soft_weight=0, consistency_weight=1e9, shortest_share=0.4, longest_share=0.4)
        batch = drawn(made)
        start = float(made.sampling.percent_to_sigma(0.4))
        middle = torch.cat(made.latents[:3]).mean(0)
        rows = [row for row in range(64) if batch.terms[row] == 2]
        assert rows
        for row in rows:
            sigma = float(batch.sigma[row])
            assert sigma <= start * 1.001
            shared = batch.targets[row] + (batch.states[row] - batch.targets[row]) * start / sigma
            clean = (1 - start) * middle if objective == "flow" else middle
            noise = (shared - clean) / start
            assert 0.4 < float(noise.std()) < 1.7


def test_images_alone_are_plain() -> None:
    assert set(drawn(batch_sampler(sd15, ((0,), (1,)))).terms) == {0}


def test_the_mix_is_the_weights() -> None:
    terms = torch.tensor(drawn(batch_sampler(sd15, ((0, 1, 2, 3),)), 3000).terms)
    shares = [float((terms == term).float().mean()) for term in range(3)]
    assert shares == pytest.approx([1 / 3.3, 1 / 3.3, 1.3 / 3.3], abs=0.03)


def test_captions_drop() -> None:
    made = batch_sampler(sd15, caption_dropout=0.25)
    batch = drawn(made, 2000)
    dropped = sum(condition is EMPTY for condition in batch.conditions) / 2000
    assert dropped == pytest.approx(0.25, abs=0.04)


def test_without_an_empty_caption_none_drops() -> None:
    made = batch_sampler(sd15, caption_dropout=1.0)
    made.empty = None
    assert not any(condition is EMPTY for condition in drawn(made).conditions)


def test_the_posterior_of_well_separated_images_is_the_image_itself() -> None:
    made = batch_sampler(sd15, soft_weight=1e9, consistency_weight=0, soft_target="posterior")
    made.latents = [100 * latent for latent in made.latents]
    batch = drawn(made)
    for row in [row for row in range(64) if batch.terms[row] == 1]:
        assert min(float((batch.targets[row] - each[0]).abs().max()) for each in made.latents[:3]) < 1e-3


def test_one_seed_is_one_batch() -> None:
    one, same = drawn(batch_sampler(sd15)), drawn(batch_sampler(sd15))
    assert torch.equal(one.states, same.states)
    assert one.terms == same.terms
    assert not torch.equal(one.states, drawn(batch_sampler(sd15), seed=2).states)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("soft_weight", -1.0), ("consistency_weight", float("nan")), ("min_snr", -1.0), ("longest_share", 0.05),
        ("caption_dropout", 1.5), ("soft_target", "median"),
    ],
)  # fmt: skip
def test_refused_settings_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        batch_sampler(sd15, **{name: value})


def sampling_of(parameters: type, prediction: type, **settings: float) -> Any:
    """ComfyUI's model sampling, as its models put it together."""
    made = type("ModelSampling", (parameters, prediction), {})
    return made(SimpleNamespace(sampling_settings=settings))


def test_states_of_a_model_with_stronger_noise() -> None:
    """HiDream O1 samples from noise that is 8 times as strong; ComfyUI 0.3.75 does not know it."""
    given, shares = training_set(((0, 1),)), {"shortest_share": 0.4, "longest_share": 0.4}
    sampling = sampling_of(
        comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST, shift=3.0, noise_scale=8.0
    )
    if not hasattr(sampling, "noise_scale"):
        pytest.skip("this ComfyUI has no noise scale")
    settings = LossSettings(caption_dropout=0, soft_target="posterior", **shares)
    batch = drawn(BatchSampler(given, given.latents, sampling, settings, EMPTY), 200)
    for term, state, sigma, target in zip(batch.terms, batch.states, batch.sigma, batch.targets, strict=True):
        if term == 0:
            noise = (state - (1 - sigma) * target) / sigma
            torch.testing.assert_close(sampling.noise_scaling(sigma, noise / 8, target), state)
            assert 4 < float(noise.std()) < 13
    soft = [row for row in range(200) if batch.terms[row] == 1]
    assert soft
    for row in soft:  # at this noise no image is recognized, so the target is near the middle
        torch.testing.assert_close(batch.targets[row], torch.cat(given.latents).mean(0), atol=1.0, rtol=0)


def test_weights_are_those_of_the_models_scale_of_data() -> None:
    sampling = sampling_of(
        comfy.model_sampling.ModelSamplingContinuousEDM, comfy.model_sampling.EDM, sigma_data=0.5, sigma_max=80.0
    )
    given = training_set(((0,), (1,)))
    batch = drawn(BatchSampler(given, given.latents, sampling, LossSettings(), EMPTY))
    torch.testing.assert_close(batch.weights, batch.sigma**-2 + 4)


def test_a_model_that_predicts_the_image_is_no_flow_model() -> None:
    kind = getattr(comfy.model_sampling, "IMG_TO_IMG_FLOW", None)
    if kind is None:
        pytest.skip("this ComfyUI has no such models")
    with pytest.raises(ValueError, match="model: expected a model that predicts .* IMG_TO_IMG_FLOW"):
        objective_of(sampling_of(comfy.model_sampling.ModelSamplingDiscreteFlow, kind))


def test_an_unknown_family_is_named() -> None:
    class Odd(comfy.model_sampling.X0):
        pass

    with pytest.raises(ValueError, match="model: expected a model that predicts epsilon, v or a flow, got Odd"):
        objective_of(Odd())
    with pytest.raises(ValueError, match="model: expected"):
        objective_of(SimpleNamespace())
