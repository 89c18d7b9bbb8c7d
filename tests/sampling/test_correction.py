"""Correction: the pure functions against their definition, and the laws with it switched on."""

from __future__ import annotations

from typing import Any

import comfy.samplers
import numpy as np
import pytest
import torch
from comfy_extras import nodes_easycache
from comfyui_sage.sage_core.prefix.extend import extend_prefix
from comfyui_sage.sage_core.prefix.file import load_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.correction import correct, interpolate, probed_calls, residuals
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sampling.trace import Call
from comfyui_sage.sage_core.serialization import read_data
from evaluations import count_evaluations
from hypothesis import given
from hypothesis import strategies as st
from models import MODELS, conditioning, randn
from prefixes import BOATS, CARS, new_prompts, sample_branch, sample_prefix, six_prompts
from reference import (
    SAMPLERS,
    SETTINGS,
    assert_equal,
    comfy_ksampler,
    difference,
    different,
    grouped,
    plan_levels,
    sage,
    sage_in_two,
    small,
)

GROUPS = [(0, 1, 2), (3,)]


def call(sigma: float, value: float, state: float | None = None) -> Call:
    """A recorded call of one variation and two latent values."""
    cond, uncond = torch.tensor([[value, -value]]), torch.tensor([[9.0, 9.0]])
    return Call(sigma, (cond, uncond), torch.zeros(1, 2), None if state is None else torch.full((1, 2), state))


class TestProbedCalls:
    def test_the_first_and_the_last_of_every_level(self) -> None:
        assert probed_calls([0, 0, 0, 0, 1, 1, 1], 2) == [0, 3, 4, 6]

    def test_three_have_one_in_the_middle(self) -> None:
        assert probed_calls([0] * 9, 3) == [0, 4, 8]

    def test_a_short_level_is_probed_everywhere(self) -> None:
        assert probed_calls([0, 1, 1], 3) == [0, 1, 2]

    def test_none(self) -> None:
        assert probed_calls([0, 0], 0) == probed_calls([], 2) == []


class TestInterpolate:
    @given(st.lists(st.integers(0, 50), min_size=1, max_size=5, unique=True), st.floats(-1, 51))
    def test_it_is_numpy_s(self, sigmas: list[int], sigma: float) -> None:
        values = np.random.default_rng(len(sigmas)).normal(size=len(sigmas))
        known = {float(at): torch.tensor(value) for at, value in zip(sigmas, values, strict=True)}
        order = np.argsort(sigmas)
        expected = np.interp(sigma, np.array(sigmas)[order], values[order])
        assert float(interpolate(known, sigma)) == pytest.approx(expected, abs=1e-6)


class TestCorrect:
    TRACE = [call(10, 1, state=1), call(6, 2), call(2, 3, state=3), call(1, 4, state=4)]
    LEVELS = [0, 0, 0, 1]

    def test_against_the_definition(self) -> None:
        """D(x_i; c) + r(sigma_i), level by level; the negative prompt's answers as they were recorded."""
        answers = {0: torch.tensor([[2.0, 0.0]]), 2: torch.tensor([[3.0, -3.0]]), 3: torch.tensor([[0.0, 0.0]])}
        found = residuals({at: self.TRACE[at] for at in answers}, answers)
        corrected = correct(self.TRACE, self.LEVELS, found)
        expected = [[2.0, 0.0], [2.5, -1.5], [3.0, -3.0], [0.0, 0.0]]
        assert [each.outputs[0].tolist() for each in corrected] == [[row] for row in expected]
        for each, recorded in zip(corrected, self.TRACE, strict=True):
            assert each.outputs[1] is recorded.outputs[1] and each.recorded is recorded
            assert each.fingerprint is None, "nobody has seen the state of a corrected run"

    def test_a_corrected_trace_is_corrected_from_the_recorded_answers(self) -> None:
        once = correct(self.TRACE, self.LEVELS, {0: torch.ones(1, 2), 3: torch.ones(1, 2)})
        twice = correct(once, self.LEVELS, {0: torch.zeros(1, 2), 3: torch.zeros(1, 2)})
        assert [each.outputs[0].tolist() for each in twice] == [each.outputs[0].tolist() for each in self.TRACE]

    def test_a_level_without_a_probe_stays(self) -> None:
        assert correct(self.TRACE, self.LEVELS, {3: torch.ones(1, 2)})[:3] == self.TRACE[:3]


def sampled(sampler_name: str, correction: str, **settings: Any) -> tuple[SageGuider, torch.Tensor]:
    """Three prompts in a group and one alone, in two variations, by the one-node sampler."""
    use = {**SETTINGS, "share": 0.5, "sampler_name": sampler_name, "correction": correction, **settings}
    groups, negative = grouped(different("sd15", 4), GROUPS), conditioning("sd15", seed=1)
    guider, out = ksampler._sample_with(
        SageGuider, MODELS["sd15"](), groups, negative, small("sd15", batch=2), None, use
    )
    return guider, out["samples"]


@pytest.mark.parametrize("sampler_name", SAMPLERS)
class TestEverySampler:
    def test_identical_prompts_equal_comfyui(self, sampler_name: str) -> None:
        """At any share: their residuals are zero."""
        prompts, image = different("sd15", 1) * 2, small("sd15")
        expected = comfy_ksampler("sd15", prompts[0], image, sampler_name=sampler_name)
        for share in (0.5, 1.0):
            images = sage(
                "sd15", grouped(prompts, [(0, 1)]), image, share=share, sampler_name=sampler_name, correction="on"
            )
            for index in (0, 1):
                assert_equal(images[index : index + 1], expected)

    def test_evaluations_and_doors(self, sampler_name: str) -> None:
        """What reaches the model is what was planned; in two nodes as in one; a prompt alone is untouched."""
        with count_evaluations(MODELS["sd15"]()) as evaluations:
            guider, images = sampled(sampler_name, "thorough")
        record = guider.record
        assert record is not None and record.evaluations == evaluations.rows
        groups, image = grouped(different("sd15", 4), GROUPS), small("sd15", batch=2)
        in_two = sage_in_two("sd15", groups, image, share=0.5, sampler_name=sampler_name, correction="thorough")
        assert_equal(in_two, images)
        plain = sage("sd15", groups, image, share=0.5, sampler_name=sampler_name)
        assert_equal(plain[6:], images[6:])
        if record.cost is None:
            assert "are not corrected: the sampler decides its steps by the image" in record.warnings[0]
            assert_equal(plain, images)
        else:
            assert record.warnings == () and record.cost.total == evaluations.rows
            assert sum(record.cost.probes) == 3 * 3 * 2, "probes x prompts that share x variations"
            assert difference(plain[:6], images[:6]) > 1e-4


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux", "video", "audio"])
def test_every_family(family: str) -> None:
    prompts, image = different(family, 2), small(family)
    own = [comfy_ksampler(family, prompt, image) for prompt in prompts]
    twins = sage(family, grouped(prompts[:1] * 2, [(0, 1)]), image, share=0.9, correction="on")
    assert_equal(twins, torch.cat([own[0]] * 2))
    corrected, plain = (
        sage(family, grouped(prompts, [(0, 1)]), image, share=0.5, correction=correction)
        for correction in ("thorough", "off")
    )
    assert difference(corrected, torch.cat(own)) < difference(plain, torch.cat(own)), "nearer to the own pictures"


def test_with_cfg_1_a_probe_is_a_whole_step() -> None:
    guider, _ = sampled("euler", "on", cfg=1.0)
    assert guider.record.cost.total == guider.record.evaluations == (2 * 4 + 4 * 4) * 2 + 2 * 3 * 2


def test_image_to_image_with_a_mask() -> None:
    prompts = different("sd15", 1) * 2
    image = {**small("sd15", seed=3), "noise_mask": torch.zeros(1, 64, 64).index_fill_(2, torch.arange(32), 1.0)}
    for sampler_name in ("euler", "ddim", "dpmpp_2m_sde"):
        settings = {"sampler_name": sampler_name, "denoise": 0.7}
        images = sage("sd15", grouped(prompts, [(0, 1)]), image, share=0.5, correction="on", **settings)
        expected = comfy_ksampler("sd15", prompts[0], image, **settings)
        assert_equal(images, torch.cat([expected] * 2))


class TestLevels:
    """Groups inside groups are corrected level by level."""

    STEPS = [(CARS, 2), ((0, 3), 5), (BOATS, 4)]

    @pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "euler_ancestral", "uni_pc"])
    def test_identical_prompts_and_evaluations(self, sampler_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        plan_levels(monkeypatch, self.STEPS, 6)
        image, model = small("sd15"), MODELS["sd15"]()
        twins = six_prompts(different("sd15", 1) * 6)
        expected = comfy_ksampler("sd15", twins.conditionings[0], image, sampler_name=sampler_name)
        images = sage("sd15", twins, image, share=0.5, sampler_name=sampler_name, correction="on")
        assert_equal(images, torch.cat([expected] * 6))
        with count_evaluations(model) as evaluations:
            images = sage("sd15", six_prompts(), image, share=0.5, sampler_name=sampler_name, correction="on")
        prefix = sample_prefix(six_prompts(), sampler_name=sampler_name, correction="on")
        assert_equal(sample_branch(prefix), images)
        cost = prefix.record.cost
        assert cost is not None and cost.total == evaluations.rows
        # (0, 3) and 2 leave the cars after level 1; 1 and 4 part after level 2; 0 and 3 after level 3.
        assert cost.probes == (0, 2 * 2, 2 * (2 + 2), 2 * (2 + 2 + 1)), "the third level has one call only"

    def test_a_prefix_is_branched_in_another_session(self, tmp_path: Any) -> None:
        prefix = sample_prefix(six_prompts(), share_mode="tree", share=0.4, correction="on", variations=2)
        save_prefix(prefix, tmp_path / "a.prefix.safetensors")
        assert read_data(tmp_path / "a.prefix.safetensors")["format"] == 2
        assert torch.equal(sample_branch(load_prefix(tmp_path / "a.prefix.safetensors")), sample_branch(prefix))

    @pytest.mark.parametrize("share_mode", ["fixed", "tree"])
    def test_added_prompts_are_corrected_too(self, share_mode: str) -> None:
        prefix = sample_prefix(six_prompts(), share_mode=share_mode, share=0.4, correction="on", variations=2)
        groups, order = prefix.groups, [5, 3, 0, 1]
        again, _ = extend_prefix(
            prefix, tuple(groups.prompts[at] for at in order), tuple(groups.conditionings[at] for at in order),
            groups.embeddings[order],
        )  # fmt: skip
        assert_equal(sample_branch(again).unflatten(0, (4, 2)), sample_branch(prefix).unflatten(0, (6, 2))[order])
        added, _ = extend_prefix(prefix, *new_prompts(1, 15, 123, 190))
        with count_evaluations(MODELS["sd15"]()) as evaluations:
            images = sample_branch(added)
        assert added.record.cost is not None and added.record.cost.total == evaluations.rows
        plain, _ = extend_prefix(
            sample_prefix(six_prompts(), share_mode=share_mode, share=0.4, variations=2), *new_prompts(1, 15, 123, 190)
        )
        assert difference(images[:6], sample_branch(plain)[:6]) > 1e-4


class TestFallbacks:
    def test_a_cache_is_not_corrected(self) -> None:
        model = nodes_easycache.EasyCacheNode.execute(MODELS["sd15"](), 0.2, 0.15, 0.95, False).args[0]
        groups, negative = grouped(different("sd15", 2), [(0, 1)]), conditioning("sd15", seed=1)
        use = {**SETTINGS, "share": 0.5}
        _, report = ksampler.sample(model, groups, negative, small("sd15"), **use, correction="on")
        assert "The shared steps are not corrected: a patch of the model sees the whole batch" in report

    def test_a_sampler_that_does_not_repeat_itself(self) -> None:
        """Found by an uncorrected replay, before a probe is paid."""

        def unseeded(model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any = None, **_: Any) -> Any:
            for sigma in sigmas[:-1]:
                noise = torch.from_numpy(np.random.default_rng().normal(size=x.shape)).float()
                x = model(x, sigma * x.new_ones(len(x)), **extra_args) + 0.1 * noise
            return x

        prompts, image = different("sd15", 2), small("sd15")
        guider = SageGuider(
            MODELS["sd15"](), grouped(prompts, [(0, 1)]), conditioning("sd15", seed=1), 3.0, 0.5, correction="on"
        )
        sigmas = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])
        guider.sample(randn(1, 4, 8, 8, seed=1), image["samples"], comfy.samplers.KSAMPLER(unseeded), sigmas, seed=1)
        assert guider.record is not None and "does not repeat itself" in guider.record.warnings[0]
        assert guider.record.evaluations == (2 + 2 * 4) * 2, "the shared steps, then every prompt alone; no probe"

    def test_an_unknown_correction(self) -> None:
        with pytest.raises(ValueError, match="correction: expected one of off, on, thorough, got 'twice'"):
            sage("sd15", grouped(different("sd15", 2), [(0, 1)]), small("sd15"), share=0.5, correction="twice")


def test_the_report_counts_probes() -> None:
    groups, negative = grouped(different("sd15", 4), GROUPS), conditioning("sd15", seed=1)
    _, report = ksampler.sample(
        MODELS["sd15"](), groups, negative, small("sd15"), **SETTINGS, share=0.5, correction="on"
    )
    assert "- correction: 6 evaluations to correct the shared steps per prompt" in report.splitlines()


def test_states_are_kept_at_probed_calls_only() -> None:
    prefix = sample_prefix(six_prompts(), share=0.75, correction="thorough", variations=2)
    for trace in prefix.traces:
        assert [at for at, each in enumerate(trace) if each.state is not None] == [0, 2, 5]
        assert all(each.state.shape == (2, 4, 8, 8) for each in trace if each.state is not None)
