"""The memory of runs: what is taken and followed, what it costs, and what makes it forget."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import comfy.model_management
import comfy.samplers
import numpy as np
import pytest
import torch
from comfy_extras import nodes_model_advanced
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.prefix.extend import extend_prefix
from comfyui_sage.sage_core.prefix.file import load_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler, planner
from comfyui_sage.sage_core.sampling.content import content
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sampling.reference_memory import MEMORY, ReferenceMemory, RememberedRun, RunKey
from comfyui_sage.sage_core.sampling.report import sampling_report
from comfyui_sage.sage_core.sampling.trace import Call
from embeddings import directions
from evaluations import count_evaluations
from models import MODELS, conditioning, randn, sd15
from prefixes import new_prompts, sample_branch
from reference import (
    ADAPTIVE,
    SAMPLERS,
    SETTINGS,
    assert_equal,
    comfy_ksampler,
    grouped,
    sage,
    sampler_settings,
    small,
)

THRESHOLD = float(np.cos(np.radians(40)))
STEPS = SETTINGS["steps"]
WHOLE = 2 * STEPS
"""Evaluations of a whole run."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[ReferenceMemory]:
    """The memory of the samplers, empty before and after."""
    MEMORY.clear()
    yield MEMORY
    MEMORY.clear()


def prompts_at(*groups: tuple[float, ...]) -> PromptGroups:
    """Groups of prompts whose embeddings are at these angles; equal angles are equal prompts."""
    degrees = [angle for members in groups for angle in members]
    starts = np.cumsum([0, *map(len, groups)])
    partition = [tuple(range(start, start + len(members))) for start, members in zip(starts, groups, strict=False)]
    made = grouped(
        [conditioning("sd15", seed=100 + int(angle)) for angle in degrees], partition, group_condition="auto"
    )
    texts = tuple(f"at {angle}" for angle in degrees)
    return replace(made, prompts=texts, embeddings=directions(*degrees), threshold=THRESHOLD)


def render(groups: PromptGroups, *, model: Any = None, variations: int = 1, **settings: Any) -> tuple[Any, Any, int]:
    """The one-node sampler with reuse: its record, the images, and the evaluations that reached the model."""
    use = {**SETTINGS, "share": 0.5, "correction": "on", "reuse": True, **settings}
    negative = use.pop("negative", conditioning("sd15", seed=1))
    image = use.pop("image", small("sd15", batch=variations))
    model = model or MODELS["sd15"]()
    with count_evaluations(model) as evaluations:
        guider, out = ksampler._sample_with(SageGuider, model, groups, negative, image, None, use)
    assert guider.record is not None and guider.record.evaluations == evaluations.rows
    return guider.record, out["samples"], evaluations.rows


def alone(angle: float, **settings: Any) -> torch.Tensor:
    return comfy_ksampler("sd15", conditioning("sd15", seed=100 + int(angle)), small("sd15"), **settings)


@pytest.mark.parametrize("share_mode", ["fixed", "tree", "auto"])
def test_the_same_again_costs_nothing(share_mode: str) -> None:
    groups = prompts_at((0, 10, 20), (120,), (240, 250))
    settings = {"share_mode": share_mode, "variations": 2}
    record, images, paid = render(groups, **settings)
    _, without, as_without = render(groups, **settings, reuse=False)
    assert torch.equal(images, without) and paid == as_without > 0
    again, same, nothing = render(groups, **settings)
    assert nothing == 0 and again.cost.total == 0
    assert_equal(same, images)
    assert record.remembered == (None,) * 6 and again.remembered == groups.prompts


@pytest.mark.parametrize("sampler_name", SAMPLERS)
def test_every_sampler(sampler_name: str) -> None:
    """The second run is the first, for nothing; an edited prompt pays its own calls; others are as they were."""
    settings = {**sampler_settings(sampler_name), "variations": 2}
    record, images, paid = render(prompts_at((0, 10, 20), (120,)), **settings)
    if sampler_name in ADAPTIVE:
        assert "neither used nor remembered: that needs correction, which is not possible here" in record.warnings[-1]
        assert MEMORY.size == 0
        return
    assert record.cost.total == paid
    _, again, nothing = render(prompts_at((0, 10, 20), (120,)), **settings)
    assert nothing == 0
    assert_equal(again, images)
    edited, new, own = render(prompts_at((0, 10, 25), (120,)), **settings)
    assert own == edited.cost.total and 0 < own < paid / 3
    assert_equal(new[[0, 1, 2, 3, 6, 7]], images[[0, 1, 2, 3, 6, 7]])
    assert edited.remembered == ("at 0", "at 10", "at 10", "at 120"), "the most central one was the reference"


def test_a_new_prompt_follows_the_most_similar_run() -> None:
    """As in a group with the remembered prompt, whose picture is exact."""
    render(prompts_at((0,), (90,)))
    record, images, paid = render(prompts_at((70, 100), (30,), (200,)))
    assert record.remembered == ("at 90", "at 90", "at 0", None)
    assert paid == record.cost.total == 3 * (2 * STEPS // 2 - 1) + WHOLE
    assert_equal(images[3:], alone(200))
    MEMORY.clear()
    twins = prompts_at((0, 30))
    # Of two, the first by its text is the most central one: "at 0".
    assert_equal(images[2:3], render(twins, reuse=False)[1][1:])


def test_embeddings_are_those_of_the_list_now() -> None:
    """They are of what differs in a list: alone, a prompt is embedded whole; with similar ones, without its start."""
    render(replace(prompts_at((0,)), embeddings=directions(90)))
    assert render(prompts_at((0, 30)))[0].remembered == ("at 0", "at 0")
    assert render(prompts_at((35,)))[0].remembered == ("at 0",), "remembered as it was embedded last"


def test_prompts_that_are_not_similar_pay_all() -> None:
    render(prompts_at((0,)))
    record, images, paid = render(prompts_at((41,)))
    assert paid == WHOLE and record.remembered == (None,)
    assert_equal(images, alone(41))


def test_only_whole_runs_are_followed() -> None:
    render(prompts_at((0, 30)))
    record, _, paid = render(prompts_at((60,)))
    assert record.remembered == (None,) and paid == WHOLE, "near the prompt that followed, far from the one followed"


def test_a_followed_run_is_taken_at_its_share_only() -> None:
    groups = prompts_at((0, 30))
    render(groups)
    record, images, paid = render(groups, share=0.25)
    assert record.remembered == ("at 0", "at 0") and paid == 2 * STEPS * 3 // 4 - 1
    assert_equal(images, render(groups, share=0.25, reuse=False)[1])
    assert render(groups, share=0.25, share_mode="auto")[2] > 0
    assert render(groups)[2] == 0, "both are remembered"


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "seed": lambda: {"seed": 6},
    "sampler": lambda: {"sampler_name": "heun"},
    "sampler of as many calls": lambda: {"sampler_name": "dpmpp_2m"},
    "scheduler": lambda: {"scheduler": "karras"},
    "steps": lambda: {"steps": 9},
    "denoise": lambda: {"denoise": 0.7},
    "cfg": lambda: {"cfg": 4.0},
    "negative": lambda: {"negative": conditioning("sd15", seed=2)},
    "latent": lambda: {"image": small("sd15", seed=3)},
    "size": lambda: {"image": small("sd15", h=16)},
    "mask": lambda: {"image": {**small("sd15"), "noise_mask": torch.ones(1, 64, 64)}},
    "variations": lambda: {"variations": 2},
    "model": lambda: {"model": sd15.__wrapped__()},
    "LoRA": lambda: {"model": with_lora(1.0)},
    "sampling of the model": lambda: {
        "model": nodes_model_advanced.ModelSamplingDiscrete().patch(MODELS["sd15"](), "v_prediction", False)[0]
    },
}


def with_lora(strength: float) -> Any:
    """The model with a patch of a weight, as a LoRA makes it."""
    model = MODELS["sd15"]().clone()
    key = "diffusion_model.out.2.weight"
    weight = model.model.state_dict()[key]
    assert model.add_patches({key: ("diff", (0.1 * randn(*weight.shape, seed=4),))}, strength) == [key]
    return model


@pytest.mark.parametrize("name", CHANGES)
def test_with_other_settings_nothing_is_reused(name: str) -> None:
    groups = prompts_at((0,))
    render(groups)
    settings = CHANGES[name]()
    record, images, _ = render(groups, **settings)
    assert record.remembered == (None,)
    MEMORY.clear()
    assert torch.equal(images, render(groups, **settings)[1])


def test_the_strength_of_a_lora() -> None:
    groups, models = prompts_at((0,)), [with_lora(1.0), with_lora(0.5)]
    assert [render(groups, model=model)[2] for model in (*models, *models)] == [WHOLE, WHOLE, 0, 0]


def test_a_patch_is_known_again_but_not_what_it_cannot_be_told_from() -> None:
    def scaled(factor: float) -> Any:
        model = MODELS["sd15"]().clone()
        model.set_model_attn2_patch(lambda q, k, v, extra: (q * factor, k, v))
        return model

    groups = prompts_at((0,))
    paid = [render(groups, model=scaled(factor))[2] for factor in (0.5, 2.0, 0.5)]
    assert paid == [WHOLE, WHOLE, 0]


def test_two_nodes_are_one() -> None:
    """From the same memory; and they leave the same."""
    first, edited = prompts_at((0, 10, 20), (120,)), prompts_at((0, 10, 25, 200), (130,))
    results = []
    for in_two in (False, True):
        MEMORY.clear()
        found = []
        for groups in (first, edited, edited):
            found.append(in_two_nodes(groups) if in_two else render(groups)[1:])
        results.append(found)
    for one, two in zip(*results, strict=True):
        assert one[1] == two[1]
        assert_equal(two[0], one[0])
    assert [paid for _, paid in results[0]][-1] == 0


def prefix_of(groups: PromptGroups) -> Any:
    """The shared steps of these groups, with reuse."""
    settings = {**SETTINGS, "share": 0.5, "correction": "on", "reuse": True}
    negative, image = conditioning("sd15", seed=1), small("sd15")
    return ksampler.sample_prefix(MODELS["sd15"](), groups, negative, image, **settings)[0]


def in_two_nodes(groups: PromptGroups) -> tuple[torch.Tensor, int]:
    """The images, and the evaluations that reached the model."""
    with count_evaluations(MODELS["sd15"]()) as evaluations:
        images = sample_branch(prefix_of(groups))
    return images, evaluations.rows


class TestPrefix:
    def test_the_branch_remembers_with_the_same_model_only(self) -> None:
        groups = prompts_at((0, 10))
        prefix = prefix_of(groups)
        assert MEMORY.size == 0
        ksampler.sample_branch(with_lora(1.0), prefix)
        assert MEMORY.size == 0
        sample_branch(prefix)
        assert render(groups)[2] == 0

    def test_a_saved_one(self, tmp_path: Any) -> None:
        render(prompts_at((0, 10)))
        prefix = prefix_of(prompts_at((0, 15), (120,)))
        save_prefix(prefix, tmp_path / "a.prefix.safetensors")
        loaded = load_prefix(tmp_path / "a.prefix.safetensors")
        assert loaded.record == prefix.record
        size = MEMORY.size
        assert torch.equal(sample_branch(loaded), sample_branch(prefix))
        assert size < MEMORY.size, "what another session began is not remembered, the other is"

    def test_prompts_added_to_one(self) -> None:
        """They join the parts of groups, and what follows an earlier render follows it with them."""
        render(prompts_at((0,)))
        prefix = prefix_of(prompts_at((10, 20), (120, 130)))
        added, _ = extend_prefix(prefix, *new_prompts(15, 125, 250))
        assert added.record.cost is not None
        with count_evaluations(MODELS["sd15"]()) as evaluations:
            sample_branch(added)
        assert evaluations.rows == added.record.cost.total == 2 * (STEPS - 1) + WHOLE
        assert render(prompts_at((250,)))[2] == WHOLE, "prompts that were added are not remembered"


class TestBounds:
    @staticmethod
    def run(number: int, size: int = 100) -> RememberedRun:
        call = Call(1.0, (torch.zeros(size - 4, dtype=torch.uint8), None), torch.zeros(1))
        return RememberedRun("settings", None, "", number, ("test", ""), np.ones(1), [call])

    def test_the_oldest_go_first_whatever_their_model(self) -> None:
        memory, models = ReferenceMemory(most_bytes=300), [torch.nn.Identity(), torch.nn.Identity()]
        for number in range(4):
            memory.add(models[number % 2], [self.run(number)])
        assert memory.size == 300
        key = RunKey("settings", (0.5, "fixed"), asks_negative=True)
        assert [[run.conditioning for run in memory.runs(model, key)] for model in models] == [[2], [3, 1]]
        memory.add(models[1], [self.run(1)])
        assert [run.conditioning for run in memory.runs(models[1], key)] == [1, 3], "the same again is new again"
        memory.add(models[1], [self.run(9, size=301)])
        assert memory.size == 0

    def test_of_a_render_too_large_for_it_the_references_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        groups = prompts_at((0, 10, 20))
        render(groups)
        one = MEMORY.size // 3
        MEMORY.clear()
        monkeypatch.setattr(MEMORY, "most_bytes", int(1.5 * one))
        render(groups)
        assert MEMORY.size == one
        assert render(groups)[0].remembered == ("at 10",) * 3

    def test_a_run_that_is_followed_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        render(prompts_at((0,)))
        monkeypatch.setattr(MEMORY, "most_bytes", 3 * MEMORY.size)
        for angle in range(1, 8):
            assert render(prompts_at((angle,)))[0].remembered == ("at 0",)

    def test_what_is_kept_is_only_its_own(self) -> None:
        """Rows are parts of a batch, and a part would keep the whole batch in memory."""
        render(prompts_at((0, 10), (120,), (240,)))
        tensors = [
            tensor for runs in MEMORY._runs.values() for _, run in runs for call in run.trace for tensor in call.outputs
        ]  # fmt: skip
        assert MEMORY.size > sum(tensor.untyped_storage().nbytes() for tensor in tensors)


class TestForgetting:
    @staticmethod
    def with_a_patch_that_knows_it(model: Any) -> Any:
        patched = model.clone()
        patched.set_model_attn2_patch(lambda q, k, v, extra: (q, k, v + 0 * len(model.patches)))
        return patched

    def test_freeing_memory_forgets(self) -> None:
        """ComfyUI unloads all models, drops the outputs of all nodes, and collects garbage."""
        model = self.with_a_patch_that_knows_it(sd15.__wrapped__())
        alive = weakref.ref(model.model)
        render(prompts_at((0, 10)), model=model)
        assert MEMORY.size > 0
        comfy.model_management.unload_all_models()
        gc.collect()
        assert MEMORY.size > 0 and alive() is not None, "the model still is the output of a node"
        del model
        gc.collect()
        assert alive() is None and MEMORY.size == 0

    def test_a_stopped_run_leaves_it_as_it_was(self) -> None:
        render(prompts_at((0,)))
        before = [run for runs in MEMORY._runs.values() for run in runs]
        groups, image = prompts_at((120, 130), (0,)), small("sd15")

        def stop(step: int, *_: Any) -> None:
            if step >= 2 * WHOLE + 2:  # at the second own call
                raise comfy.model_management.InterruptProcessingException

        guider = SageGuider(MODELS["sd15"](), groups, conditioning("sd15", seed=1), 3.0, 0.5, "fixed", "on", True)
        sampler = comfy.samplers.sampler_object("euler")
        sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", 8)
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            guider.sample(randn(1, 4, 8, 8, seed=1), image["samples"], sampler, sigmas, callback=stop, seed=1)
        assert [run for runs in MEMORY._runs.values() for run in runs] == before

    def test_a_sampler_that_does_not_repeat_itself_is_not_remembered(self) -> None:
        def unseeded(model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any = None, **_: Any) -> Any:
            for sigma in sigmas[:-1]:
                noise = torch.from_numpy(np.random.default_rng().normal(size=x.shape)).float()
                x = model(x, sigma * x.new_ones(len(x)), **extra_args) + 0.1 * noise
            return x

        guider = SageGuider(
            MODELS["sd15"](), prompts_at((0,)), conditioning("sd15", seed=1), 3.0, 0.5, "fixed", "on", True
        )
        sigmas = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])
        noise, image = randn(1, 4, 8, 8, seed=1), small("sd15")["samples"]
        guider.sample(noise, image, comfy.samplers.KSAMPLER(unseeded), sigmas, seed=1)
        assert guider.record is not None and "does not repeat itself" in guider.record.warnings[-1]
        assert MEMORY.size == 0


class TestWithoutReuse:
    def test_nothing_is_used_or_remembered(self) -> None:
        groups = prompts_at((0, 10), (120,))
        images, paid = render(groups, reuse=False)[1:]
        assert MEMORY.size == 0
        render(groups)
        size = MEMORY.size
        record, again, as_before = render(groups, reuse=False)
        assert torch.equal(again, images) and as_before == paid and MEMORY.size == size
        assert record.remembered == () and record.cost.remembered == 0

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [({"correction": "off"}, "that needs correction."), ({"share": 0.0}, "with share 0 nothing is shared.")],
    )
    def test_where_it_cannot_be_the_report_says_so(self, settings: dict[str, Any], reason: str) -> None:
        record, images, _ = render(prompts_at((0, 10)), **settings)
        assert record.warnings[-1] == f"Earlier renders are neither used nor remembered: {reason}"
        assert torch.equal(images, render(prompts_at((0, 10)), **settings, reuse=False)[1]) and MEMORY.size == 0

    def test_a_sampler_that_asks_at_sigma_0(self) -> None:
        def to_the_end(model: Any, x: torch.Tensor, sigmas: torch.Tensor, extra_args: Any = None, **_: Any) -> Any:
            for sigma in sigmas:
                x = model(x, sigma * x.new_ones(len(x)), **extra_args)
            return x

        guider = SageGuider(
            MODELS["sd15"](), prompts_at((0,)), conditioning("sd15", seed=1), 3.0, 0.5, "fixed", "on", True
        )
        noise, image = randn(1, 4, 8, 8, seed=1), small("sd15")["samples"]
        guider.sample(noise, image, comfy.samplers.KSAMPLER(to_the_end), torch.tensor([8.0, 1.0, 0.0]), seed=1)
        assert guider.record is not None and "where no noise is left" in guider.record.warnings[-1]

    def test_a_group_with_a_condition_that_the_user_chose(self) -> None:
        """What guides its shared steps is no prompt's, and may be changed next time."""
        groups = replace(prompts_at((0, 10), (120,)), group_condition="mean")
        _, images, paid = render(groups)
        record, again, second = render(groups)
        assert record.remembered == (None, None, "at 120") and second == paid - WHOLE
        assert record.warnings == (planner._CHOSEN_CONDITION,)
        assert_equal(again[:2], images[:2])


def test_the_order_of_the_prompts() -> None:
    render(prompts_at((0,), (120,)))
    kept = [(model, [run for _, run in runs]) for model, runs in MEMORY._runs.items()]
    images = render(prompts_at((5, 0, 20), (125, 250)))[1]
    MEMORY.clear()
    for model, runs in kept:
        MEMORY.add(model, runs)
    again = render(prompts_at((250, 125), (20, 5, 0)))[1]
    assert_equal(again[[3, 4, 2, 1, 0]], images)


def test_repeated_prompts() -> None:
    groups = prompts_at((0, 0, 10))
    _, images, _ = render(groups)
    record, again, paid = render(groups)
    assert paid == 0 and record.repeats == 1
    assert_equal(again, images)


def test_the_guider_in_comfyui_s_sampler() -> None:
    """Both outputs, where no step reaches the model."""
    sigmas = comfy.samplers.KSampler(MODELS["sd15"](), 4, "cpu", "euler", "normal").sigmas
    guider = SageGuider(
        MODELS["sd15"](), prompts_at((0, 10)), conditioning("sd15", seed=1), 3.0, 0.5, "fixed", "on", True
    )
    sampler, image = comfy.samplers.sampler_object("euler"), small("sd15", batch=2)
    first, second = (
        SamplerCustomAdvanced.execute(Noise_RandomNoise(1), guider, sampler, sigmas, image).args for _ in range(2)
    )
    assert guider.record is not None and guider.record.evaluations == 0
    for one, other in zip(first, second, strict=True):
        assert_equal(other["samples"], one["samples"])


def test_a_tolerance_decides_how_much_is_taken() -> None:
    render(prompts_at((0,)), share_mode="auto", share=0.1)
    record, images, paid = render(prompts_at((20,)), share_mode="auto", share=0.1)
    assert 0 < paid <= record.cost.total == WHOLE - 1 and record.errors[0] > 0
    looser = render(prompts_at((25,)), share_mode="auto", share=1.0)[2]
    assert looser < paid


class TestReport:
    def test_what_was_taken_and_followed(self) -> None:
        render(prompts_at((0,), (120,)))
        record, _, _ = render(prompts_at((0, 10, 20), (125,), (250, 260)))
        lines = sampling_report(record).splitlines()
        assert lines[0] == "6 prompts x 1 variation, with earlier renders, 8 steps"
        assert lines[2:] == [
            "- rendered earlier: prompt 1, no evaluations",
            "- prompts 2, 3: following the earlier render of 'at 0'",
            "- prompt 4: following the earlier render of 'at 120'",
            "- shared: 1 whole run, 16 evaluations",
            "- own calls: 4 prompts with 4 of 8, 28 evaluations",
            lines[-2],
            "- evaluations: 44 done, 44 planned, 96 for every prompt alone: 54.2% saved",
        ]
        assert lines[-2].startswith("- estimated error: ")

    def test_where_nothing_was_run(self) -> None:
        render(prompts_at((0,)))
        report = sampling_report(render(prompts_at((0,)))[0])
        assert "no evaluations\n- evaluations: 0 done, 0 planned, 16 for every" in report
        assert "shared" not in report and "own calls" not in report

    def test_where_no_earlier_render_fits(self) -> None:
        report = sampling_report(render(prompts_at((0,)))[0])
        assert "- earlier renders: none has these settings, this seed and a similar prompt\n- shared: 1 whole" in report
        assert "earlier" not in sampling_report(render(prompts_at((0,)), reuse=False)[0])

    def test_without_own_calls_the_plan_is_certain(self) -> None:
        settings = {"share_mode": "auto", "share": 0.4}
        assert "16 done, 16 planned, " in sampling_report(render(prompts_at((0,)), **settings)[0])
        assert "at most 15 planned, " in sampling_report(render(prompts_at((10,)), **settings)[0])


class TestContent:
    def test_values(self) -> None:
        made = [
            lambda: [1, 1.0, True, None, "1", {"a": (torch.ones(2), [])}],
            lambda: comfy.samplers.sampler_object("euler"),
            lambda: comfy.samplers.sampler_object("dpm_fast"),
            lambda: comfy.samplers.sampler_object("ddim"),
            lambda: torch.ones(2, dtype=torch.float16),
            lambda: torch.ones(1, 2),
            lambda: torch.ones(()),
            lambda: [torch.zeros(0)],
        ]
        found = [[content(make(), as_data=(comfy.samplers.Sampler,)) for make in made] for _ in range(2)]
        for row, own in enumerate(found[0]):
            assert [own == other for other in found[1]] == [row == column for column in range(len(made))]

    def test_functions_by_what_they_enclose(self) -> None:
        def make(value: Any) -> Callable[[], Any]:
            def again() -> Any:
                return value, again

            return again

        assert content(make(1)) == content(make(1)) != content(make(2))
        assert content(make(object())) != content(make(object()))

    def test_objects_are_themselves_as_long_as_they_live(self) -> None:
        thing, other = torch.nn.Identity(), torch.nn.Identity()
        own = content([thing])
        assert own == content([thing]) != content([other])
        kept, same = weakref.ref(thing), content([thing])
        del thing
        assert kept() is None and own != same


def test_a_prompt_is_not_followed_over_another_encoder() -> None:
    render(prompts_at((0,)))
    record, _, _ = render(replace(prompts_at((10,)), encoder="another"))
    assert record.remembered == (None,)
    MEMORY.clear()
    render(prompts_at((0,)))
    wider = replace(prompts_at((10,)), embeddings=np.pad(directions(10), ((0, 0), (0, 1))))
    assert render(wider)[0].remembered == (None,)


def test_sage_without_the_memory_is_the_law() -> None:
    groups = prompts_at((0, 10))
    assert torch.equal(
        render(groups)[1], sage("sd15", groups, small("sd15"), share=0.5, correction="on")
    )  # fmt: skip
