"""The terms of the SAGE loss, against their derivations."""

from __future__ import annotations

import pytest
import torch
from comfyui_sage.sage_core.training.losses import (
    Objective,
    bridge,
    mean_target,
    noised,
    posterior_target,
    weighted_error,
    weighting,
)

OBJECTIVES: tuple[Objective, ...] = ("epsilon", "v", "flow")


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sigmas(objective: Objective, number: int) -> torch.Tensor:
    high = 1.0 if objective == "flow" else 14.0
    return torch.linspace(0.02, high, number, dtype=torch.float64)


def network_output(denoised: torch.Tensor, x: torch.Tensor, sigma: torch.Tensor, objective: Objective) -> torch.Tensor:
    """The network's output for this objective if its denoised prediction is D, solved from ComfyUI's formulas."""
    at = sigma.view(-1, 1)
    if objective == "v":  # D = x / (sigma^2 + 1) - output sigma / (sigma^2 + 1)^(1/2)
        return (x / (at**2 + 1) - denoised) * (at**2 + 1).sqrt() / at
    return (x - denoised) / at  # epsilon: D = x - sigma output; flow: the same


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_weighting_turns_the_denoised_error_into_the_networks_own(objective: Objective) -> None:
    sigma = sigmas(objective, 9)
    clean, noise, guess = randn(9, 5), randn(9, 5, seed=1), randn(9, 5, seed=2)
    x = noised(clean, noise, sigma, objective)
    error = network_output(guess, x, sigma, objective) - network_output(clean, x, sigma, objective)
    expected = error.square().mean(1)
    weight = weighting(sigma, objective)
    assert weight * (guess - clean).square().mean(1) == pytest.approx(expected)
    assert weighted_error(guess, clean, weight) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_agrees_with_comfyui_model_sampling(objective: Objective) -> None:
    from comfy import model_sampling

    kinds = {"epsilon": model_sampling.EPS, "v": model_sampling.V_PREDICTION, "flow": model_sampling.CONST}
    comfy_sampling = kinds[objective]()
    comfy_sampling.sigma_data = 1.0
    sigma, clean, noise = sigmas(objective, 6), randn(6, 5), randn(6, 5, seed=1)
    x = noised(clean, noise, sigma, objective)
    torch.testing.assert_close(x, comfy_sampling.noise_scaling(sigma.view(-1, 1), noise, clean))
    output = network_output(clean, x, sigma, objective)
    torch.testing.assert_close(comfy_sampling.calculate_denoised(sigma, output, x), clean)


@pytest.mark.parametrize("kind", ["EDM", "V_PREDICTION"])
@pytest.mark.parametrize("sigma_data", [1.0, 0.5])
def test_the_weighting_is_that_of_the_models_own_scale_of_data(kind: str, sigma_data: float) -> None:
    """Playground v2.5 is an EDM model with sigma_data 0.5; `Model Sampling Continuous EDM` gives v models any."""
    from comfy import model_sampling

    comfy_sampling = getattr(model_sampling, kind)()
    comfy_sampling.sigma_data = sigma_data
    sigma, x, one, other = sigmas("v", 6), randn(6, 5), randn(6, 5, seed=1), randn(6, 5, seed=2)
    change = comfy_sampling.calculate_denoised(sigma, one, x) - comfy_sampling.calculate_denoised(sigma, other, x)
    weight = weighting(sigma, "v", sigma_data=sigma_data)
    assert weight * change.square().mean(1) == pytest.approx((one - other).square().mean(1))
    snr = (sigma_data / sigma) ** 2
    assert weighting(sigma, "v", 5.0, sigma_data=sigma_data) == pytest.approx(weight * (5 / snr).clamp(max=1))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_min_snr_takes_weight_from_small_sigmas_only(objective: Objective) -> None:
    sigma = sigmas(objective, 50)
    plain, clamped = weighting(sigma, objective), weighting(sigma, objective, min_snr=5.0)
    snr = ((1 - sigma) / sigma) ** 2 if objective == "flow" else sigma**-2
    assert clamped[snr <= 5] == pytest.approx(plain[snr <= 5])
    assert clamped[snr > 5] == pytest.approx((plain * 5 / snr)[snr > 5])
    assert torch.isfinite(clamped).all()


def test_mean_target() -> None:
    members, weights = randn(3, 2, 4), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    expected = sum(weight * member for weight, member in zip(weights, members, strict=True))
    torch.testing.assert_close(mean_target(members, weights), expected)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_posterior_target_is_bayes_rule(objective: Objective) -> None:
    members, weights = randn(4, 2, 3), torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    sigma = sigmas(objective, 7).clamp(min=0.3)  # lower, the densities themselves are zero
    states = randn(7, 2, 3, seed=3)
    expected = []
    for x, s in zip(states, sigma, strict=True):
        scale = 1 - s if objective == "flow" else 1
        normal = [torch.distributions.Normal(scale * member, s).log_prob(x).sum().exp() for member in members]
        chances = weights * torch.stack(normal)
        expected.append(torch.tensordot(chances / chances.sum(), members, dims=1))
    torch.testing.assert_close(posterior_target(states, members, weights, sigma, objective), torch.stack(expected))


def test_posterior_target_of_stronger_noise() -> None:
    members, weights = randn(4, 2, 3), torch.full((4,), 0.25, dtype=torch.float64)
    sigma, noise = torch.full((6,), 0.6, dtype=torch.float64), 8 * randn(6, 2, 3, seed=3)
    states = noised(members[0].expand(6, 2, 3), noise, sigma, "flow")
    expected = []
    for x in states:
        normal = [torch.distributions.Normal(0.4 * member, 0.6 * 8).log_prob(x).sum().exp() for member in members]
        expected.append(torch.tensordot(torch.stack(normal) / sum(normal), members, dims=1))
    torch.testing.assert_close(posterior_target(states, members, weights, sigma, "flow", 8.0), torch.stack(expected))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_posterior_target_is_what_plain_training_would_learn(objective: Objective) -> None:
    """The analytic denoiser of a mixture: the mean of the clean latents that led to a state."""
    members = torch.tensor([[-1.0], [0.4], [1.5]], dtype=torch.float64)
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    chosen = torch.multinomial(weights, 400_000, replacement=True, generator=generator)
    sigma = torch.full((400_000,), 0.5, dtype=torch.float64)
    noise = torch.randn(400_000, 1, generator=generator, dtype=torch.float64)
    x = noised(members[chosen], noise, sigma, objective)
    target = posterior_target(x, members, weights, sigma, objective)
    for low in torch.linspace(-0.8, 1.2, 9):
        near = ((x - low).abs() < 0.05)[:, 0]
        assert float(target[near].mean()) == pytest.approx(float(members[chosen][near].mean()), abs=0.05)


def test_posterior_target_at_its_ends() -> None:
    members, weights = randn(3, 5), torch.full((3,), 1 / 3, dtype=torch.float64)
    tiny, huge = (torch.full((3,), value, dtype=torch.float64) for value in (1e-3, 1e4))
    torch.testing.assert_close(posterior_target(members, members, weights, tiny, "epsilon"), members)
    mean = mean_target(members, weights).expand(3, -1)
    torch.testing.assert_close(posterior_target(members, members, weights, huge, "epsilon"), mean, atol=1e-4, rtol=0)
    far = posterior_target(1e6 * members, members, weights, tiny, "epsilon")
    assert torch.isfinite(far).all(), "no exponential may overflow"


def test_the_bridge_is_where_euler_goes() -> None:
    """A sampler that starts in the shared state and predicts the member, whatever its steps."""
    member, state = randn(2, 5), randn(2, 5, seed=1)
    path = torch.linspace(0.8, 0.1, 12, dtype=torch.float64)
    x = state
    for sigma, following in zip(path[:-1], path[1:], strict=True):
        x = x + (x - member) / sigma * (following - sigma)
    ends = torch.full((2,), 0.1, dtype=torch.float64), torch.full((2,), 0.8, dtype=torch.float64)
    torch.testing.assert_close(bridge(member, state, *ends), x)
    torch.testing.assert_close(bridge(member, state, ends[1], ends[1]), state)


def test_errors_of_half_precision_do_not_overflow() -> None:
    big = torch.full((1, 4), 300.0, dtype=torch.float16)
    assert float(weighted_error(big, -big, torch.ones(1))) == pytest.approx(360_000)
