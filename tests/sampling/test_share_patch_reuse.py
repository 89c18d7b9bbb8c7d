"""Remembered runs under ComfyUI's own samplers: the memory of the SAGE samplers, with what they have not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_custom_sampler import Guider_Basic, Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.sampling.reference_memory import MEMORY
from comfyui_sage.sage_core.sampling.share_patch import SamplerInputs, share_sampling
from comfyui_sage.sage_core.sharing.settings import SharingSettings
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import SOME_SAMPLERS, assert_equal, comfy_ksampler, sampler_settings, small
from shared_graphs import ksampler
from test_reference_memory import CHANGES, STEPS, WHOLE, memory, prompts_at, render, with_lora  # noqa: F401

import nodes as comfy_nodes

FIRST, EDITED = ((0, 10, 20), (120,)), ((0, 10, 25), (120,))
NEGATIVE = conditioning("sd15", seed=1)


def inputs_for(
    *groups: tuple[float, ...], model: Any = None, negatives: Sequence[Any] = (NEGATIVE,), image: Any = None,
    share: float = 0.5, reuse: bool = True, latent_rows: str = "auto",
) -> SamplerInputs:  # fmt: skip
    """What Share Sampling gives a sampler."""
    made = prompts_at(*groups)
    return share_sampling(
        model or MODELS["sd15"](), made.conditionings, negatives, [image or small("sd15")], latent_rows=latent_rows,
        settings=SharingSettings(share, "fixed", "on", reuse), group=lambda _: made,
        zeroed=lambda each: comfy_nodes.ConditioningZeroOut().zero_out(each)[0],
    )  # fmt: skip


def render_below(*groups: tuple[float, ...], sampling: dict[str, Any] | None = None, **given: Any) -> tuple[Any, int]:
    """ComfyUI's KSampler after Share Sampling: the images, and the evaluations that reached the model."""
    inputs = inputs_for(*groups, **given)
    with count_evaluations(inputs.model) as evaluations:
        return ksampler(inputs, **(sampling or {}))["samples"], evaluations.rows


@pytest.mark.parametrize("sampler_name", SOME_SAMPLERS)
def test_as_with_the_sage_sampler(sampler_name: str) -> None:
    settings = sampler_settings(sampler_name)
    lists = (FIRST, FIRST, EDITED)
    expected = [render(prompts_at(*groups), **settings)[1:] for groups in lists]
    MEMORY.clear()
    found = [render_below(*groups, sampling=settings) for groups in lists]
    for (images, paid), (own, own_paid) in zip(found, expected, strict=True):
        assert paid == own_paid
        assert_equal(images, own)
    assert [paid for _, paid in found][1] == 0


def test_off_is_as_if_nothing_had_been_rendered() -> None:
    images, paid = render_below(*FIRST, reuse=False)
    assert MEMORY.size == 0
    first, as_without = render_below(*FIRST)
    assert torch.equal(first, images) and as_without == paid
    size = MEMORY.size
    again, as_before = render_below(*FIRST, reuse=False)
    assert torch.equal(again, images) and as_before == paid and MEMORY.size == size > 0


def test_what_the_sage_sampler_has_rendered() -> None:
    _, images, _ = render(prompts_at(*FIRST))
    same, nothing = render_below(*FIRST)
    assert nothing == 0
    assert_equal(same, images)


@pytest.mark.parametrize("name", CHANGES)
def test_with_other_settings_nothing_is_reused(name: str) -> None:
    render_below((0,))
    changed = CHANGES[name]()
    if "negative" in changed:
        changed["negatives"] = [changed.pop("negative")]
    if "variations" in changed:
        changed["image"] = small("sd15", batch=changed.pop("variations"))
    given = {key: changed.pop(key) for key in ("model", "image", "negatives") if key in changed}
    images, paid = render_below((0,), sampling=changed, **given)
    MEMORY.clear()
    anew, as_anew = render_below((0,), sampling=changed, **given)
    assert paid == as_anew > 0 and torch.equal(images, anew)


def test_the_strength_of_a_lora() -> None:
    models = [with_lora(1.0), with_lora(0.5)]
    assert [render_below((0,), model=model)[1] for model in (*models, *models)] == [WHOLE, WHOLE, 0, 0]


class TestNegatives:
    OWN = [conditioning("sd15", seed=seed) for seed in (30, 31, 32)]

    def test_a_prompt_with_another_one_follows_and_asks_for_it(self) -> None:
        first, second, third = self.OWN
        render_below((0,), (120,), negatives=[first, second])
        images, paid = render_below((0,), (120,), negatives=[first, third], share=1e-9)
        assert paid == WHOLE, "the first is taken, and the other has only own calls"
        assert_equal(images[1:], comfy_ksampler("sd15", conditioning("sd15", seed=220), small("sd15"), negative=third))

    def test_one_for_all_is_not_one_of_each(self) -> None:
        first, second, _ = self.OWN
        render_below((0,), (120,), negatives=[first, second])
        assert render_below((0,), (120,), negatives=[first])[1] == 2 * WHOLE

    def test_where_the_model_is_not_asked_for_it_any_will_do(self) -> None:
        """CFG 1, with the zeroed prompts of a list as negatives, one of which may be longer than the others."""
        first, second, third = self.OWN
        settings = {"cfg": 1.0}
        assert render_below((0,), (120,), negatives=[first, second], sampling=settings)[1] == 2 * STEPS
        images, nothing = render_below((0,), (120,), negatives=[third], sampling=settings)
        assert nothing == 0
        assert_equal(images[:1], comfy_ksampler("sd15", conditioning("sd15", seed=100), small("sd15"), cfg=1.0))

    def test_an_area_that_reaches_it(self) -> None:
        """The answer to the negative prompt of one such run is not that of another prompt's run."""
        inputs = inputs_for((0,))
        limited = comfy_nodes.ConditioningSetArea().append(inputs.positive, 32, 64, 0, 0, 1.0)[0]
        ksampler(inputs._replace(positive=limited))
        assert MEMORY.size > 0
        assert render_below((10,))[1] == WHOLE


def test_a_guider_without_negative_prompt() -> None:
    """BasicGuider in SamplerCustomAdvanced: both outputs, where no step reaches the model."""
    sigmas = comfy.samplers.KSampler(MODELS["sd15"](), 4, "cpu", "euler", "normal").sigmas
    outputs, paid = [], []
    for _ in range(2):
        inputs = inputs_for((0, 10))
        guider, sampler = Guider_Basic(inputs.model), comfy.samplers.sampler_object("euler")
        guider.set_conds(inputs.positive)
        with count_evaluations(inputs.model) as evaluations:
            out = SamplerCustomAdvanced.execute(Noise_RandomNoise(1), guider, sampler, sigmas, inputs.latent)
        outputs.append(out.args)
        paid.append(evaluations.rows)
    assert paid[0] > 0 and paid[1] == 0
    for one, other in zip(*outputs, strict=True):
        assert_equal(other["samples"], one["samples"])


def test_rows_of_their_own_are_not_remembered(caplog: pytest.LogCaptureFixture) -> None:
    image = {"samples": torch.cat([small("sd15", seed=seed)["samples"] for seed in (1, 2)])}
    with caplog.at_level("INFO"):
        render_below((0, 10), image=image, latent_rows="prompts")
    assert "neither used nor remembered: every prompt begins from a latent of its own" in caplog.text
    assert MEMORY.size == 0
