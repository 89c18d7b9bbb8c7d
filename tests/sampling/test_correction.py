"""Correction: the pure parts against their definition, and the laws with it switched on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import comfy.samplers
import numpy as np
import pytest
import torch
from comfy_extras import nodes_easycache
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.prefix.extend import extend_prefix
from comfyui_sage.sage_core.prefix.file import load_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.correction import (
    ControlledCalls,
    FixedCalls,
    Follower,
    drift,
    gap_error,
    guided,
    overshoot,
)
from comfyui_sage.sage_core.sampling.divergence import noise_fraction
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sampling.report import sampling_report
from comfyui_sage.sage_core.sampling.trace import Call
from comfyui_sage.sage_core.serialization import read_data
from comfyui_sage.sage_core.sharing.correction_plan import spread_calls
from embeddings import directions
from evaluations import count_evaluations
from models import MODELS, conditioning, randn
from prefixes import new_prompts, sample_branch, sample_prefix, six_prompts
from reference import (
    ADAPTIVE,
    SAMPLERS,
    SETTINGS,
    SOME_SAMPLERS,
    assert_equal,
    comfy_ksampler,
    difference,
    different,
    grouped,
    ksampler_for_each,
    sage,
    sage_in_two,
    sampler_settings,
    small,
)

PARTITION = [(0, 1, 2), (3,)]


def four_prompts(partition: list = PARTITION, prompts: list | None = None) -> PromptGroups:
    """Three prompts in a group, of which the first is the most central, and one alone."""
    return grouped(prompts or different("sd15", 4), partition, group_condition="auto")


class TestControlledCalls:
    SIGMAS = [10 * 0.5**call for call in range(20)]

    def own(self, calls: ControlledCalls, drift_of: Any) -> list[int]:
        found: list[int] = []
        for call in range(len(calls.sigmas)):
            if calls.wants(call):
                calls.learnt(call, drift_of(call - (found[-1] if found else 0)))
                found.append(call)
        return found

    def test_gaps_double_while_nothing_drifts(self) -> None:
        assert self.own(ControlledCalls(0.5, self.SIGMAS), lambda gap: 0.0) == [0, 1, 3, 7, 15, 19]

    def test_every_call_where_it_drifts_too_far(self) -> None:
        assert self.own(ControlledCalls(0.1, self.SIGMAS), lambda gap: float(gap)) == list(range(20))

    def test_the_longest_gap_within_the_tolerance(self) -> None:
        """Half a drift of 0.1 a call: 0.075 after two calls, where sigma is a quarter, and 0.13 after three."""
        found = self.own(ControlledCalls(0.08, self.SIGMAS), lambda gap: 0.1 * gap)
        assert found[:4] == [0, 1, 3, 5] and set(np.diff(found)[1:-1]) == {2}

    def test_a_gap_ends_where_a_text_begins(self) -> None:
        calls = ControlledCalls(0.5, self.SIGMAS, last=1, next=3)
        assert not calls.wants(2) and calls.wants(2, begins_or_ends=True) and calls.wants(3)

    def test_where_sigma_hardly_falls_there_is_no_haste(self) -> None:
        sigmas = np.linspace(1.0, 0.9, 20).tolist()
        assert len(self.own(ControlledCalls(0.08, sigmas), lambda gap: 0.1 * gap)) == 6


def test_the_error_of_a_gap_is_euler_s() -> None:
    """Answers wrong by a ramp from 0 to the drift, through many small steps; to first order in the gap."""
    wrong, sigmas = 0.0, np.linspace(1.0, 0.99, 1001)
    for a, b in zip(sigmas, sigmas[1:], strict=False):
        drift_there = 0.3 * (1.0 - a) / 0.01
        wrong = wrong + (wrong - drift_there) / a * (b - a)
    assert gap_error(0.3, 1.0, 0.99) == pytest.approx(abs(wrong), rel=0.02)
    assert gap_error(0.3, 0.0, 0.0) == 0.0


class TestFollower:
    CALLS = [Call(sigma, (torch.full((1, 2), value), torch.full((1, 2), 9.0)), torch.zeros(1, 1))
             for sigma, value in ((4.0, 1.0), (2.0, 2.0), (1.0, 3.0))]  # fmt: skip

    def test_the_last_difference_is_added_less_a_quarter_of_its_movement(self) -> None:
        follower, x = Follower(FixedCalls((0, 2)), cfg=3.0), torch.zeros(1, 2)
        follower.learn(0, self.CALLS[0], [torch.full((1, 2), 6.0), None])
        # The recorded guidance was 8, is 7 and will be 6. Guided, the difference was 3 x 5.
        assert [each.tolist() for each in follower.take(1, self.CALLS[1], x)] == [[[7.0, 7.0]], [[9.625, 9.625]]]
        follower.learn(2, self.CALLS[2], [torch.full((1, 2), 4.0), torch.full((1, 2), 10.0)])
        assert [each.tolist() for each in follower.take(2, self.CALLS[2], x)] == [[[4.0, 4.0]], [[10.0, 10.0]]]
        assert [each.tolist() for each in follower.take(3, self.CALLS[2], x)] == [[[5.0, 5.0]], [[10.0, 10.0]]]
        # Guided it was to be 5 x 2/8 + 3 x 5 x 6/8, and is 1 + 3 x (1 - 1); the answer is 10 + 3 x (4 - 10).
        assert follower.errors == [pytest.approx(0.5 * abs(1 - 12.5) / 8 * (1 - 1.0 / 4.0))]

    def test_the_difference_of_uncond_comes_to_that_of_cond_as_guidance_fades(self) -> None:
        """From any difference of its own; guidance that grows again is taken for as much as then."""
        then, x = (
            Call(4.0, (torch.tensor([[0.0], [0.0]]), torch.tensor([[4.0], [4.0]])), torch.zeros(1, 1)),
            torch.ones(2, 1),
        )
        follower = Follower(FixedCalls((0,)), cfg=3.0)
        follower.learn(0, then, [torch.tensor([[2.0], [2.0]]), torch.tensor([[5.0], [5.0]])])
        for guidance, uncond in ((4.0, 1.0), (2.0, 1.5), (0.0, 2.0), (8.0, 1.0)):
            now = Call(2.0, (torch.zeros(2, 1), torch.tensor([[-guidance], [0.0]])), torch.zeros(1, 1))
            found = follower.take(1, now, x)
            assert found[0] is not None and found[0].tolist() == [[2.0], [2.0]]
            assert found[1] is not None and (found[1] - now.outputs[1]).tolist() == [[uncond], [2.0]]

    def test_nothing_is_taken_back_of_what_a_text_that_begins_has_moved(self) -> None:
        follower, x = Follower(FixedCalls((0, 2)), cfg=3.0), torch.zeros(1, 2)
        follower.learn(0, self.CALLS[0], [torch.full((1, 2), 6.0), None])
        follower.learn(2, self.CALLS[2], [torch.full((1, 2), 4.0), torch.full((1, 2), 10.0)], begins_or_ends=True)
        assert [each.tolist() for each in follower.take(3, self.CALLS[2], x)] == [[[4.0, 4.0]], [[10.0, 10.0]]]
        assert follower.movement is None and len(follower.errors) == 1

    def test_overshoot_is_half_of_what_was_taken_back_of_each_variation(self) -> None:
        before = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
        movement = torch.tensor([[-0.4, 7.0], [0.4, 7.0], [1.0, 1.0], [-9.0, 0.0]])
        assert overshoot(movement, before).tolist() == [[pytest.approx(0.1)], [0.0], [0.0], [0.5]]
        assert overshoot(movement, None) == 0.25

    def test_the_drift_is_that_of_the_worst_variation(self) -> None:
        now, then, answer = torch.tensor([[1.0], [6.0]]), torch.tensor([[0.0], [2.0]]), torch.tensor([[2.0], [4.0]])
        assert drift(now, then, answer) == 1.0

    def test_guidance_is_comfyui_s(self) -> None:
        cond, uncond = randn(1, 4, seed=1), randn(1, 4, seed=2)
        expected = comfy.samplers.cfg_function(None, cond, uncond, 3.0, cond, 1.0)
        assert torch.allclose(guided([cond, uncond], 3.0), expected)
        assert guided([cond, None], 1.0) is cond


def by_brute_force(groups: PromptGroups, share: float, sampler_name: str) -> torch.Tensor:
    """The group's images by ComfyUI's own sampling, one prompt and one evaluation at a time, from the definition."""
    model, negative, image = MODELS["sd15"](), conditioning("sd15", seed=1), small("sd15")
    use = {**SETTINGS, **sampler_settings(sampler_name)}
    recorded: list[list[torch.Tensor]] = []
    noise: list[float] = []

    def run(prompt: int, follows: bool) -> torch.Tensor:
        state: dict[str, Any] = {"call": 0, "moves": [], "known": None}

        def answer(args: dict[str, Any]) -> list[torch.Tensor]:
            options = {key: value for key, value in args["model_options"].items() if "calc_cond" not in key}

            def evaluate() -> list[torch.Tensor]:
                rest = (args["input"], args["sigma"], options)
                return comfy.samplers.calc_cond_batch(args["model"], args["conds"], *rest)

            call, state["call"] = state["call"], state["call"] + 1
            if not follows:
                noise.append(noise_fraction(args["model"].model_sampling, float(args["sigma"][0])))
                recorded.append(evaluate())
                return recorded[-1]
            if call in spread_calls(len(recorded), share, noise):
                found = torch.stack(evaluate()) - torch.stack(recorded[call])
                if state["known"] is None:
                    state["known"] = found
                else:
                    then = faded(state["found"], recorded[state["own"]], recorded[call])
                    state["moves"].append(found - then)
                    state["known"] = found - taken_back(state["moves"])
                state["found"], state["own"] = found, call
                return [there + own for there, own in zip(recorded[call], found, strict=True)]
            known = faded(state["known"], recorded[state["own"]], recorded[call])
            return [there + each for there, each in zip(recorded[call], known, strict=True)]

        patched = model.clone()
        patched.model_options["sampler_calc_cond_batch_function"] = answer
        return comfy_ksampler("sd15", groups.conditionings[prompt], image, patched, negative=negative, **use)

    first = run(0, follows=False)
    return torch.cat([first, *(run(prompt, follows=True) for prompt in groups.partition[0][1:])])


def faded(difference: torch.Tensor, then: list[torch.Tensor], now: list[torch.Tensor]) -> torch.Tensor:
    """A difference (cond and uncond, 1, *latent) after the recorded guidance has faded."""
    cond, uncond = difference
    left = min(1.0, float((now[0] - now[1]).norm() / (then[0] - then[1]).norm()))
    return torch.stack([cond, cond - left * (cond - uncond)])


def taken_back(moves: list[torch.Tensor]) -> torch.Tensor:
    """What is taken back of the last of all movements so far, each (cond and uncond, 1, *latent)."""
    if len(moves) == 1:
        return moves[0] * torch.tensor([0.25, 0.0]).view(2, 1, 1, 1, 1)
    before, now = (SETTINGS["cfg"] * move[0] + (1 - SETTINGS["cfg"]) * move[1] for move in moves[-2:])
    return moves[-1] * 0.5 * min(1.0, max(0.0, -float((before * now).sum() / (before * before).sum())))


@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "dpmpp_2m_sde", "uni_pc", "heun", "lcm"])
@pytest.mark.parametrize("share", [0.4, 0.6])
def test_against_the_definition(sampler_name: str, share: float) -> None:
    groups = four_prompts([(0, 1, 2)], different("sd15", 3))
    settings = sampler_settings(sampler_name)
    images = sage("sd15", groups, small("sd15"), share=share, correction="on", **settings)
    assert_equal(images, by_brute_force(groups, share, sampler_name), 1e-4)


@pytest.mark.parametrize("sampler_name", SAMPLERS)
class TestEverySampler:
    def test_identical_prompts_equal_comfyui(self, sampler_name: str) -> None:
        """At any share: they do not differ from the run that they follow."""
        prompts, settings = different("sd15", 1) * 2, sampler_settings(sampler_name)
        expected = ksampler_for_each("sd15", prompts, small("sd15"), sampler_name)
        for share_mode, share in [("fixed", 0.5), ("fixed", 1.0)] + [("auto", 0.5)] * (sampler_name in SOME_SAMPLERS):
            settings["share_mode"] = share_mode
            groups = four_prompts([(0, 1)], prompts)
            images = sage("sd15", groups, small("sd15"), share=share, correction="on", **settings)
            assert_equal(images, expected)

    def test_evaluations_doors_and_who_is_followed(self, sampler_name: str) -> None:
        """What reaches the model is what was planned; in two nodes as in one; the followed and the lone are exact."""
        settings = {**sampler_settings(sampler_name), "share": 0.5, "correction": "on"}
        groups, image = four_prompts(), small("sd15", batch=2)
        with count_evaluations(MODELS["sd15"]()) as evaluations:
            guider, images = one_node(groups, **settings)
        record = guider.record
        assert record is not None and record.evaluations == evaluations.rows
        assert_equal(sage_in_two("sd15", groups, image, **settings), images)
        if sampler_name in ADAPTIVE:
            assert "are not corrected: the sampler decides its steps by the image" in record.warnings[0]
            plain = sage("sd15", groups, image, **{**settings, "share": 0.4, "correction": "off"})
            assert_equal(images, plain)
            return
        assert record.cost is not None and record.cost.total == evaluations.rows
        own = different("sd15", 4)
        for prompt in (0, 3):
            expected = comfy_ksampler("sd15", own[prompt], image, **sampler_settings(sampler_name))
            assert_equal(images[2 * prompt : 2 * prompt + 2], expected)
        order = [2, 3, 0, 1]
        permuted = replace(
            groups, prompts=tuple(groups.prompts[at] for at in order),
            conditionings=tuple(groups.conditionings[at] for at in order), partition=((0, 2, 3), (1,)),
        )  # fmt: skip
        again = sage("sd15", permuted, image, **settings)
        assert_equal(again.unflatten(0, (4, 2)), images.unflatten(0, (4, 2))[order])


def one_node(groups: PromptGroups, **settings: Any) -> tuple[SageGuider, torch.Tensor]:
    """The one-node sampler in two variations, and its guider."""
    use = {**SETTINGS, "correction": "on", **settings}
    negative, image = conditioning("sd15", seed=1), small("sd15", batch=2)
    guider, out = ksampler._sample_with(SageGuider, MODELS["sd15"](), groups, negative, image, None, use)
    return guider, out["samples"]


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux", "video", "audio"])
def test_every_family(family: str) -> None:
    prompts, image = different(family, 2), small(family)
    own = torch.cat([comfy_ksampler(family, prompt, image) for prompt in prompts])
    twins = sage(family, four_prompts([(0, 1)], prompts[:1] * 2), image, share=0.9, correction="on")
    assert_equal(twins, torch.cat([own[:1]] * 2))
    groups = four_prompts([(0, 1)], prompts)
    corrected, followed = (sage(family, groups, image, share=share, correction="on") for share in (0.25, 1.0))
    assert_equal(corrected[:1], own[:1])
    assert difference(corrected, own) < difference(followed, own), "nearer than the picture of the one they follow"


def test_with_cfg_1_there_is_no_negative_prompt_to_save() -> None:
    guider, _ = one_node(four_prompts(), share=0.5, cfg=1.0)
    assert guider.record.cost.total == guider.record.evaluations == (2 * 8 + 2 * 4) * 2


def test_image_to_image_with_a_mask() -> None:
    prompts = different("sd15", 1) * 2
    image = {**small("sd15", seed=3), "noise_mask": torch.zeros(1, 64, 64).index_fill_(2, torch.arange(32), 1.0)}
    for sampler_name in ("euler", "ddim", "dpmpp_2m_sde"):
        settings = {"sampler_name": sampler_name, "denoise": 0.7}
        images = sage("sd15", four_prompts([(0, 1)], prompts), image, share=0.5, correction="on", **settings)
        expected = comfy_ksampler("sd15", prompts[0], image, **settings)
        assert_equal(images, torch.cat([expected] * 2))


class TestControlled:
    @pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "heun", "uni_pc"])
    def test_never_more_than_alone(self, sampler_name: str) -> None:
        groups = four_prompts()
        guider, _ = one_node(groups, share=0.2, share_mode="auto", sampler_name=sampler_name)
        record = guider.record
        assert record is not None and record.cost is not None and record.baseline_evaluations is not None
        assert record.evaluations <= record.cost.total < record.baseline_evaluations
        assert record.errors[0] == record.errors[3] == 0.0 < min(record.errors[1:3])

    def test_no_tolerance_is_sampling_alone(self) -> None:
        """Every call is a prompt's own; what is saved is the negative prompt of the first."""
        groups, image = four_prompts(), small("sd15", batch=2)
        guider, images = one_node(groups, share=1e-6, share_mode="auto")
        assert_equal(images, torch.cat([comfy_ksampler("sd15", prompt, image) for prompt in groups.conditionings]))
        assert guider.record.evaluations == guider.record.baseline_evaluations - 2 * 2

    def test_every_prompt_asks_where_its_text_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However much is tolerated: until then it has the common text, and nothing tells what comes."""
        asked: list[tuple[float, bool]] = []
        learn = Follower.learn

        def note(self: Follower, call: int, recorded: Call, *args: Any, **more: Any) -> None:
            asked.append((recorded.sigma, more["begins_or_ends"]))
            learn(self, call, recorded, *args, **more)

        monkeypatch.setattr(Follower, "learn", note)
        common = conditioning("sd15", seed=7)[0]
        prompts = [
            [[common[0], {**common[1], "start_percent": 0.0, "end_percent": 0.3}],
             [own[0][0], {**own[0][1], "start_percent": 0.3, "end_percent": 1.0}]]
            for own in different("sd15", 4)
        ]  # fmt: skip
        one_node(four_prompts(prompts=prompts), share=1.0, share_mode="auto")
        model = MODELS["sd15"]()
        begin = model.get_model_object("model_sampling").percent_to_sigma(0.3)
        sigmas = ksampler.KSamplerSettings(**SETTINGS, share=1.0).sampler(model)[1]
        first = max(float(sigma) for sigma in sigmas if sigma <= begin)
        assert [each for each in asked if each[1] and each[0] < float(sigmas[0])] == [(pytest.approx(first), True)] * 2

    def test_a_smaller_tolerance_is_nearer_and_costs_more(self) -> None:
        groups, image = four_prompts(), small("sd15", batch=2)
        alone = torch.cat([comfy_ksampler("sd15", prompt, image) for prompt in groups.conditionings])
        runs = [one_node(groups, share=share, share_mode="auto") for share in (0.05, 0.9)]
        assert runs[0][0].record.evaluations > runs[1][0].record.evaluations
        assert (runs[0][1] - alone).square().mean() < (runs[1][1] - alone).square().mean()

    def test_memory_chunks_do_not_change_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from comfyui_sage.sage_core.sampling.level_runner import LevelRunner

        settings = {"share": 0.5, "share_mode": "auto"}
        guider, images = one_node(four_prompts(), **settings)
        monkeypatch.setattr(LevelRunner, "_clusters_at_once", lambda self, job: 1)
        other, again = one_node(four_prompts(), **settings)
        assert_equal(again, images)
        assert other.record.evaluations == guider.record.evaluations


class TestPrefix:
    def groups(self) -> PromptGroups:
        return replace(six_prompts(), group_condition="auto")

    @pytest.mark.parametrize("share_mode", ["fixed", "tree", "auto"])
    def test_it_is_branched_in_another_session(self, tmp_path: Any, share_mode: str) -> None:
        prefix = sample_prefix(self.groups(), share_mode=share_mode, share=0.4, correction="on", variations=2)
        save_prefix(prefix, tmp_path / "a.prefix.safetensors")
        assert read_data(tmp_path / "a.prefix.safetensors")["format"] == 3
        assert torch.equal(sample_branch(load_prefix(tmp_path / "a.prefix.safetensors")), sample_branch(prefix))

    @pytest.mark.parametrize("share_mode", ["fixed", "auto"])
    def test_added_prompts_are_corrected_too(self, share_mode: str) -> None:
        prefix = sample_prefix(self.groups(), share_mode=share_mode, share=0.4, correction="on", variations=2)
        groups, order = prefix.groups, [5, 3, 0, 1]
        again, _ = extend_prefix(
            prefix, tuple(groups.prompts[at] for at in order), tuple(groups.conditionings[at] for at in order),
            groups.embeddings[order],
        )  # fmt: skip
        assert_equal(sample_branch(again).unflatten(0, (4, 2)), sample_branch(prefix).unflatten(0, (6, 2))[order])
        texts, conditionings, embeddings = new_prompts(1, 15, 123, 190)
        added, _ = extend_prefix(prefix, texts, conditionings, embeddings)
        with count_evaluations(MODELS["sd15"]()) as evaluations:
            images = sample_branch(added)
        cost = added.record.cost
        assert cost is not None
        assert evaluations.rows == cost.total if share_mode == "fixed" else evaluations.rows <= cost.total
        image = small("sd15", batch=2)
        alone = torch.cat([comfy_ksampler("sd15", each, image) for each in conditionings])
        plain, _ = extend_prefix(
            sample_prefix(self.groups(), share=0.4, variations=2), texts, conditionings, embeddings
        )
        assert difference(images[:6], alone[:6]) < difference(sample_branch(plain)[:6], alone[:6])

    def test_an_added_prompt_without_a_group(self) -> None:
        """It follows nobody: what it costs is certain, and there is nothing to say of own calls."""
        prefix = sample_prefix(self.groups(), share_mode="auto", share=0.4, correction="on", variations=2)
        texts, conditionings, embeddings = new_prompts(1, 190)
        added, report = extend_prefix(prefix, texts, conditionings, embeddings)
        assert "follows its run" in report and "alone; the nearest is" in report
        lone, _ = extend_prefix(prefix, texts[1:], conditionings[1:], embeddings[1:])
        assert added.record.cost.is_bound and not lone.record.cost.is_bound
        assert ["own calls" in sampling_report(each.record) for each in (added, lone)] == [True, False]


class TestFallbacks:
    def test_a_cache_is_not_corrected(self) -> None:
        model = nodes_easycache.EasyCacheNode.execute(MODELS["sd15"](), 0.2, 0.15, 0.95, False).args[0]
        groups, negative = four_prompts([(0, 1)], different("sd15", 2)), conditioning("sd15", seed=1)
        runs = [
            ksampler.sample(model, groups, negative, small("sd15"), **SETTINGS, share=share, correction=correction)
            for share, correction in ((0.7, "on"), (0.4, "off"))
        ]
        assert torch.equal(runs[0][0]["samples"], runs[1][0]["samples"])
        report = runs[0][1]
        assert "The shared steps are not corrected: a patch of the model sees the whole batch" in report
        assert "So 40% of them are shared." in report

    @pytest.mark.parametrize("share_mode", ["tree", "auto"])
    def test_at_most_as_much_is_shared_by_the_other_modes(self, share_mode: str) -> None:
        model = nodes_easycache.EasyCacheNode.execute(MODELS["sd15"](), 0.0, 0.0, 0.95, False).args[0]
        settings = {**SETTINGS, "share": 0.9, "share_mode": share_mode, "correction": "on"}
        same = replace(four_prompts([(0, 1, 2)], different("sd15", 3)), embeddings=directions(0, 1, 60))
        _, record = ksampler.sample_recorded(model, same, conditioning("sd15", seed=1), small("sd15"), **settings)
        assert any("So at most 40% of them are shared." in warning for warning in record.warnings)
        sigmas = ksampler.KSamplerSettings(**settings).sampler(model)[1]
        assert all(level.branch_sigma >= float(sigmas[3]) for level in record.plan.levels[:-1])  # 40% of 8 steps

    def test_a_sampler_that_does_not_repeat_itself(self) -> None:
        """Found by the replay of the reference, before an own call is paid."""

        def unseeded(model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any = None, **_: Any) -> Any:
            for sigma in sigmas[:-1]:
                noise = torch.from_numpy(np.random.default_rng().normal(size=x.shape)).float()
                x = model(x, sigma * x.new_ones(len(x)), **extra_args) + 0.1 * noise
            return x

        prompts, image = different("sd15", 2), small("sd15")
        guider = SageGuider(
            MODELS["sd15"](), four_prompts([(0, 1)], prompts), conditioning("sd15", seed=1), 3.0, 0.5, correction="on"
        )
        sigmas = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])
        guider.sample(randn(1, 4, 8, 8, seed=1), image["samples"], comfy.samplers.KSAMPLER(unseeded), sigmas, seed=1)
        assert guider.record is not None and "does not repeat itself" in guider.record.warnings[-1]
        assert guider.record.evaluations == (4 + 2 * 4) * 2, "the shared run, then every prompt alone"

    def test_an_unknown_correction(self) -> None:
        with pytest.raises(ValueError, match="correction: expected one of off, on, got 'twice'"):
            sage("sd15", four_prompts([(0, 1)]), small("sd15"), share=0.5, correction="twice")


class TestReport:
    def test_own_calls_and_drift(self) -> None:
        groups, negative = four_prompts(), conditioning("sd15", seed=1)
        use = {**SETTINGS, "share": 0.5, "correction": "on"}
        _, report = ksampler.sample(MODELS["sd15"](), groups, negative, small("sd15"), **use)
        lines = report.splitlines()
        assert "- shared: 2 whole runs, 32 evaluations" in lines
        assert "- own calls: 2 prompts with 4 of 8, 14 evaluations" in lines
        assert "- evaluations: 46 done, 46 planned, 64 for every prompt alone: 28.1% saved" in lines
        assert any(line.startswith("- estimated error: at most ") for line in lines)

    def test_controlled(self) -> None:
        groups, negative = four_prompts(), conditioning("sd15", seed=1)
        use = {**SETTINGS, "share": 0.5, "share_mode": "auto", "correction": "on"}
        _, report = ksampler.sample(MODELS["sd15"](), groups, negative, small("sd15"), **use)
        assert "2 prompts with as few as the share tolerates of 8, at most 30 evaluations" in report

    def test_too_few_own_calls_are_said(self) -> None:
        guider, _ = one_node(four_prompts(), share=0.8)
        assert guider.record.warnings[0].startswith("Few steps are every prompt's own")


def test_a_prompt_that_breaks_stays_broken() -> None:
    """It must not get the picture of the prompt that it follows."""
    prompts = different("sd15", 2)
    prompts[1][0][0][0, 0, 0] = float("nan")
    groups = replace(four_prompts([(0, 1)], prompts), group_condition="medoid")
    for correction in ("off", "on"):
        found = sage("sd15", groups, small("sd15"), share=0.5, correction=correction)
        assert torch.isfinite(found[0]).all() and torch.isnan(found[1]).any()


def test_the_memory_of_a_run_is_its_answers() -> None:
    """What is kept for the prompts that follow: the answers, and nothing else of a latent's size."""
    prefix = sample_prefix(replace(six_prompts(), group_condition="auto"), share=0.75, correction="on", variations=2)
    for trace in prefix.traces:
        assert len(trace) == SETTINGS["steps"]
        for call in trace:
            assert [tuple(output.shape) for output in call.outputs] == [(2, 4, 8, 8)] * 2
            assert call.fingerprint.numel() <= 2 * 512
