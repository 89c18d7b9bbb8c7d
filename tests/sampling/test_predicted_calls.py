"""Prediction of the sigmas at which a sampler calls the model, without the model."""

from __future__ import annotations

from typing import Any

import comfy.patcher_extension
import comfy.samplers
import pytest
import torch
from comfyui_sage.sage_core.sampling.level_runner import plain_guider
from comfyui_sage.sage_core.sampling.predicted_calls import predict_model_calls
from evaluations import count_evaluations
from models import MODELS, conditioning, latent, randn
from reference import ADAPTIVE, SAMPLERS

STEPS = 5


def ksampler_sigmas(family: str, sampler_name: str, steps: int = STEPS) -> torch.Tensor:
    model = MODELS[family]()
    return comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, "normal").sigmas


def real_calls(family: str, sampler_name: str) -> tuple[float, ...]:
    """The sigmas at which a real run calls the model."""
    seen: list[float] = []

    def look(executor: Any, model: Any, conds: Any, x: Any, timestep: torch.Tensor, options: Any) -> Any:
        seen.append(float(timestep[0]))
        return executor(model, conds, x, timestep, options)

    guider = comfy.samplers.CFGGuider(MODELS[family]())
    guider.set_conds(conditioning(family, seed=10), conditioning(family, seed=1))
    guider.set_cfg(3.0)
    wrappers = {comfy.patcher_extension.WrappersMP.CALC_COND_BATCH: {"test": [look]}}
    guider.model_options = {"transformer_options": {"wrappers": wrappers}}
    image = latent(family)["samples"]
    sampler = comfy.samplers.sampler_object(sampler_name)
    sigmas = ksampler_sigmas(family, sampler_name)
    guider.sample(randn(*image.shape, seed=3), image, sampler, sigmas, disable_pbar=True, seed=5)
    return tuple(seen)


def probe(family: str, sampler_name: str, **settings: Any) -> Any:
    guider = plain_guider(MODELS[family](), settings.pop("model_options", {}), settings.pop("cfg", 3.0))
    sampler = settings.pop("sampler", None) or comfy.samplers.sampler_object(sampler_name)
    sigmas = settings.pop("sigmas", None)
    sigmas = ksampler_sigmas(family, sampler_name) if sigmas is None else sigmas
    return predict_model_calls(guider, sampler, sigmas)


@pytest.mark.parametrize("sampler_name", SAMPLERS)
def test_every_sampler_calls_as_in_a_real_run(sampler_name: str) -> None:
    found = probe("sd15", sampler_name)
    if sampler_name in ADAPTIVE:
        assert found is None
        return
    assert found.evaluations_per_row == 2
    assert found.sigmas == pytest.approx(real_calls("sd15", sampler_name), rel=1e-4)


@pytest.mark.parametrize("sampler_name", ["euler", "heun", "dpmpp_sde", "uni_pc"])
@pytest.mark.parametrize("family", sorted(set(MODELS) - {"sd15"}))
def test_every_family(family: str, sampler_name: str) -> None:
    assert probe(family, sampler_name).sigmas == pytest.approx(real_calls(family, sampler_name), rel=1e-4)


class TestEvaluationsPerRow:
    def test_cfg_1_needs_no_negative(self) -> None:
        assert probe("sd15", "euler", cfg=1.0).evaluations_per_row == 1

    def test_unless_a_patch_switches_that_off(self) -> None:
        found = probe("sd15", "euler", cfg=1.0, model_options={"disable_cfg1_optimization": True})
        assert found.evaluations_per_row == 2

    def test_cfg_plus_plus_always_needs_it(self) -> None:
        assert probe("sd15", "euler_cfg_pp", cfg=1.0).evaluations_per_row == 2


class TestNoSideEffects:
    @pytest.mark.parametrize("sampler_name", ["euler_ancestral", "dpmpp_sde", "dpmpp_2m_sde", "dpm_adaptive"])
    def test_random_numbers(self, sampler_name: str) -> None:
        before = torch.get_rng_state()
        probe("sd15", sampler_name)
        assert torch.equal(torch.get_rng_state(), before)

    def test_random_numbers_of_a_sampler_that_ignores_the_seed(self) -> None:
        def careless(model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any, **kwargs: Any) -> torch.Tensor:
            return model(x + torch.randn_like(x), sigmas[:1].expand(len(x)), **extra_args)

        before = torch.get_rng_state()
        assert probe("sd15", "euler", sampler=comfy.samplers.KSAMPLER(careless)) is not None
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_model_is_not_evaluated(self) -> None:
        with count_evaluations(MODELS["sd15"]()) as evaluations:
            probe("sd15", "heun")
        assert evaluations.rows == 0

    def test_sigmas_and_options(self) -> None:
        sigmas, options = ksampler_sigmas("sd15", "euler"), {"transformer_options": {"patches": {}}}
        before = sigmas.clone()
        probe("sd15", "euler", sigmas=sigmas, model_options=options)
        assert torch.equal(sigmas, before)
        assert options == {"transformer_options": {"patches": {}}}


class TestUnpredictableSamplers:
    @staticmethod
    def sampler(function: Any) -> Any:
        return comfy.samplers.KSAMPLER(function)

    def test_one_that_cannot_run_on_a_tiny_latent(self) -> None:
        def picky(model: Any, x: torch.Tensor, sigmas: torch.Tensor, **kwargs: Any) -> torch.Tensor:
            raise RuntimeError(f"x must be a picture, got {tuple(x.shape)}")

        assert probe("sd15", "euler", sampler=self.sampler(picky)) is None

    def test_one_whose_calls_depend_on_the_image(self) -> None:
        def fickle(model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any, **kwargs: Any) -> torch.Tensor:
            denoised = model(x, sigmas[:1].expand(len(x)), **extra_args)
            if denoised.abs().mean() > 0.01:
                denoised = model(x, sigmas[1:2].expand(len(x)), **extra_args)
            return denoised

        assert probe("sd15", "euler", sampler=self.sampler(fickle)) is None

    def test_one_that_skips_and_repeats_steps(self) -> None:
        def odd(model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any, **kwargs: Any) -> torch.Tensor:
            for sigma in (sigmas[0], sigmas[0], sigmas[2]):
                x = model(x, sigma.expand(len(x)), **extra_args)
            return x

        sigmas = ksampler_sigmas("sd15", "euler")
        found = probe("sd15", "euler", sampler=self.sampler(odd), sigmas=sigmas)
        assert found.sigmas == tuple(sigmas[[0, 0, 2]].tolist())

    def test_one_step(self) -> None:
        sigmas = ksampler_sigmas("sd15", "euler", steps=1)
        assert probe("sd15", "euler", sigmas=sigmas).sigmas == (float(sigmas[0]),)


def test_a_sampler_that_makes_the_latent_larger() -> None:
    upscale = pytest.importorskip("comfy_extras.nodes_advanced_samplers").SamplerLCMUpscale
    assert not probe("sd15", "", sampler=upscale.execute(2.0, -1, "bilinear").args[0]).keep_size
    assert probe("sd15", "lcm").keep_size
