"""The divergence of the predictions of a group's prompts."""

from __future__ import annotations

import comfy.model_sampling
import comfy.samplers
import pytest
import torch
from comfyui_sage.sage_core.sampling.divergence import divergence, group_divergences, noise_ratio
from comfyui_sage.sage_core.sampling.job import Job, random_state
from comfyui_sage.sage_core.sampling.level_runner import LevelRunner, plain_guider
from comfyui_sage.sage_core.sampling.progress import Progress
from comfyui_sage.sage_core.sampling.prompt_conditions import PromptConditions
from evaluations import count_evaluations
from models import MODELS, conditioning, randn
from reference import assert_equal, different, grouped, small


def apart(pattern: torch.Tensor) -> torch.Tensor:
    """Two predictions that are a pattern away from their mean."""
    shared = randn(*pattern.shape, seed=1)
    return torch.stack([shared + pattern, shared - pattern])


class TestDivergence:
    def test_it_is_a_distance(self) -> None:
        assert divergence(apart(0.3 * torch.ones(4, 8, 8))) == pytest.approx(0.3, rel=1e-5)
        assert divergence(torch.ones(3, 4, 8, 8)) == 0.0

    def test_a_small_thing_counts_as_much_as_all_of_it(self) -> None:
        corner = torch.zeros(4, 8, 8)
        corner[:, :2, :2] = 0.3
        assert divergence(apart(corner)) == pytest.approx(0.3, rel=1e-5)

    def test_of_some_channels_it_is_the_part(self) -> None:
        channel = torch.zeros(4, 8, 8)
        channel[0] = 0.3
        assert divergence(apart(channel)) == pytest.approx(0.15, rel=1e-5)

    @pytest.mark.parametrize("shape", [(4, 3, 8, 8), (64, 40), (4, 10, 6), (4, 2, 2), (4, 9, 13), (4, 2, 1)])
    def test_video_audio_and_odd_sizes(self, shape: tuple[int, ...]) -> None:
        assert divergence(apart(0.3 * torch.ones(shape))) == pytest.approx(0.3, rel=1e-5)
        assert divergence(randn(3, *shape, seed=2)) > 0


class TestGroupDivergences:
    def ask(self, partition: tuple, prompts: list) -> tuple[list[float], int]:
        model, image = MODELS["sd15"](), small("sd15", batch=2)["samples"]
        groups, sigmas = grouped(prompts, partition), torch.tensor([9.0, 3.0, 0.0])
        noise = torch.cat([randn(1, 4, 8, 8, seed=seed) for seed in (1, 2)])
        job = Job(noise, image, None, comfy.samplers.ksampler("euler"), sigmas, 1, random_state(torch.device("cpu")))
        conditions = PromptConditions(groups, {"negative": conditioning("sd15", seed=1)})
        engine = LevelRunner(plain_guider(model, model.model_options, 8.0), conditions.of)
        with Progress(None, 0) as progress, count_evaluations(model) as evaluations:
            found = group_divergences(engine, job, groups.partition, progress)
        assert progress.done == evaluations.rows
        return found, evaluations.rows

    def test_one_evaluation_per_prompt_in_a_group(self) -> None:
        found, evaluations = self.ask(((0, 2), (1,), (3, 4)), different("sd15", 5))
        assert evaluations == 4
        assert found[1] == 0.0 and all(found[at] > 0 for at in (0, 2))

    def test_groups_do_not_touch_each_other(self) -> None:
        prompts = different("sd15", 4)
        both, _ = self.ask(((0, 2), (1, 3)), prompts)
        assert_equal(torch.tensor(self.ask(((0, 1),), [prompts[1], prompts[3]])[0]), torch.tensor(both[1:]), 1e-4)

    def test_no_prompts_to_evaluate(self) -> None:
        assert self.ask(((0,), (1,)), different("sd15", 2)) == ([0.0, 0.0], 0)

    def test_equal_prompts_disagree_about_nothing(self) -> None:
        assert self.ask(((0, 1),), different("sd15", 1) * 2)[0] == [0.0]


class TestNoiseRatio:
    def test_of_epsilon_models_it_is_sigma(self) -> None:
        assert noise_ratio(comfy.model_sampling.EPS(), 3.5) == pytest.approx(3.5)

    def test_of_flows_the_picture_fades(self) -> None:
        assert noise_ratio(comfy.model_sampling.CONST(), 0.75) == pytest.approx(3)
        assert noise_ratio(comfy.model_sampling.CONST(), 1.0) == float("inf")

    @pytest.mark.parametrize("family", sorted(MODELS))
    def test_every_family_has_one(self, family: str) -> None:
        sampling = MODELS[family]().get_model_object("model_sampling")
        sigmas = [float(sampling.percent_to_sigma(part)) for part in (0.1, 0.5, 0.9)]
        loud, middle, quiet = (noise_ratio(sampling, sigma) for sigma in sigmas)
        assert loud > middle > quiet > 0
