"""Samplers that draw random numbers themselves."""

from __future__ import annotations

import comfy.hooks
import comfy.samplers
import comfy.sd
import comfy.utils
import pytest
import torch
from comfyui_sage.sage_core.sampling.guiders import BranchGuider, PrefixGuider, SageGuider
from models import MODELS, conditioning, randn
from reference import (
    assert_equal,
    different,
    grouped,
    plan_levels,
)


class TestASamplerWithItsOwnNoise:
    """A third-party sampler may draw unseeded noise: never a silently wrong image."""

    @staticmethod
    def restless(model, x, sigmas, extra_args=None, callback=None, disable=None):  # noqa: ANN001, ANN205
        entropy = torch.Generator()
        entropy.seed()
        for sigma, following in zip(sigmas, sigmas[1:], strict=False):
            x = x + 0.3 * sigma * torch.zeros_like(x).normal_(generator=entropy)
            denoised = model(x, sigma * x.new_ones(len(x)), **extra_args)
            x = x + (x - denoised) / sigma * (following - sigma)
        return x

    def run(self, guider: SageGuider) -> torch.Tensor:
        sigmas = comfy.samplers.KSampler(MODELS["sd15"](), 8, "cpu", "euler", "normal").sigmas
        noise = randn(1, 4, 8, 8, seed=1)
        sampler = comfy.samplers.KSAMPLER(self.restless)
        return guider.sample(noise, torch.zeros_like(noise), sampler, sigmas, seed=1)

    def test_every_prompt_is_sampled_alone(self) -> None:
        groups = grouped(different("sd15", 2), [(0, 1)])
        guider = SageGuider(MODELS["sd15"](), groups, conditioning("sd15", seed=1), 3.0, 0.5)
        samples = self.run(guider)
        assert samples.shape[0] == 2 and torch.isfinite(samples).all()
        assert "does not repeat itself" in guider.record.warnings[0]

    def test_a_prefix_with_unrepeatable_noise_shares_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plan_levels(monkeypatch, [((0, 1, 2), 2), ((0, 1), 5)], 3)
        model, groups = MODELS["sd15"](), grouped(different("sd15", 3), [(0, 1, 2)])
        guider = PrefixGuider(model, groups, conditioning("sd15", seed=1), 3.0, 0.5)
        assert self.run(guider).shape[0] == 1
        assert guider.prefix.traces == [] and len(guider.prefix.plan.levels) == 1
        branch = BranchGuider(model, guider.prefix)
        samples = branch.sample()
        assert samples.shape[0] == 3 and torch.isfinite(samples).all()
        assert len(branch.record.warnings) == 1 and "does not repeat itself" in branch.record.warnings[0]


def test_noise_from_the_global_generator_is_shared_too() -> None:
    """s_churn draws from the global generator; the run's random state is part of the job."""
    model, one = MODELS["sd15"](), conditioning("sd15", seed=10)
    sampler = comfy.samplers.ksampler("euler", {"s_churn": 3.0})
    sigmas = comfy.samplers.KSampler(model, 8, model.load_device, "euler", "normal").sigmas
    image, negative = torch.zeros(2, 4, 8, 8), conditioning("sd15", seed=1)
    noise = torch.randn(image.shape, generator=torch.manual_seed(5))
    expected = comfy.samplers.sample(
        model, noise, one, negative, 3.0, model.load_device, sampler, sigmas, latent_image=image, seed=5
    )
    torch.manual_seed(5), torch.randn(image.shape)
    guider = SageGuider(model, grouped([one] * 3, [(0, 1, 2)]), negative, 3.0, 0.5)
    assert_equal(guider.sample(noise, image, sampler, sigmas, seed=5), expected.repeat(3, 1, 1, 1))
    assert guider.record.warnings == ()


def test_the_branch_starts_from_the_random_state_of_the_prefix() -> None:
    """Between the two nodes anything may draw random numbers."""
    model, groups = MODELS["sd15"](), grouped(different("sd15", 2), [(0, 1)])
    sampler = comfy.samplers.ksampler("euler", {"s_churn": 3.0})
    sigmas = comfy.samplers.KSampler(model, 8, model.load_device, "euler", "normal").sigmas
    image, negative = torch.zeros(1, 4, 8, 8), conditioning("sd15", seed=1)
    noise = torch.randn(image.shape, generator=torch.manual_seed(5))
    whole = SageGuider(model, groups, negative, 3.0, 0.5).sample(noise, image, sampler, sigmas, seed=5)
    first = PrefixGuider(model, groups, negative, 3.0, 0.5)
    first.sample(noise, image, sampler, sigmas, seed=5)
    torch.manual_seed(99)
    second = BranchGuider(model, first.prefix)
    assert_equal(second.sample(), whole)
    assert second.record.warnings == ()
