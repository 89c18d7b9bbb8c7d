"""ComfyUI's progress bar and previews during a run, and interruption within one evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import comfy.model_management
import comfy.samplers
import comfy.utils
import latent_preview
import pytest
import torch
from comfyui_sage.sage_core.sampling import ksampler
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import SETTINGS, different, grouped, small


class Screen:
    """Records calls of the progress bar's hook, previews included, in place of ComfyUI's server."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int, Any]] = []
        self.stop_at: int | None = None

    def __call__(self, value: int, total: int, preview: Any, node_id: Any = None) -> None:
        self.events.append((value, total, preview))
        if self.stop_at is not None and value >= self.stop_at:
            comfy.model_management.interrupt_current_processing()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    screen = Screen()
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", screen)
    monkeypatch.setattr(latent_preview.args, "preview_method", latent_preview.LatentPreviewMethod.Latent2RGB)
    yield screen
    comfy.model_management.interrupt_current_processing(False)


def groups_of_five() -> Any:
    return grouped(different("sd15", 5), [(0, 1, 2), (3, 4)])


def one_node(**settings: Any) -> Any:
    image = small("sd15", batch=2)
    return ksampler.sample(
        MODELS["sd15"](), groups_of_five(), conditioning("sd15", seed=1), image, share=0.5, **{**SETTINGS, **settings}
    )


@pytest.mark.parametrize("sampler_name", ["euler", "heun", "dpmpp_2m_sde"])
def test_progress_counts_evaluations(screen: Screen, sampler_name: str) -> None:
    with count_evaluations(MODELS["sd15"]()) as evaluations:
        one_node(sampler_name=sampler_name)
    values = [value for value, _, _ in screen.events]
    totals = {total for _, total, _ in screen.events}
    assert totals == {evaluations.rows}, "the total is known before the first evaluation"
    assert values == sorted(values) and values[-1] == evaluations.rows
    assert set(values) == {sum(evaluations.batches[: count + 1]) for count in range(len(evaluations.batches))}


def test_prefix_and_branch_share_one_progress(screen: Screen) -> None:
    model, image = MODELS["sd15"](), small("sd15", batch=2)
    prefix, _ = ksampler.sample_prefix(
        model, groups_of_five(), conditioning("sd15", seed=1), image, share=0.5, **SETTINGS
    )
    assert screen.events[-1][:2] == (2 * 2 * 2 * 4, 2 * 2 * 2 * 4)
    screen.events.clear()
    ksampler.sample_branch(model, prefix)
    assert screen.events[0][0] == 2 * 2 * 2 * 4 + 5 * 2 * 2
    assert screen.events[-1][:2] == (2 * 2 * 2 * 4 + 5 * 2 * 2 * 4,) * 2


def test_previews_show_every_row(screen: Screen) -> None:
    """Two groups in the shared steps, five prompts after, each with two variations of 8 x 8 latent pixels."""
    one_node()
    sizes = [preview[1].size for _, _, preview in screen.events]
    assert sizes[0] == (16, 16), "4 rows"
    assert sizes[5] == (24, 32), "10 rows, nearly square"


def test_previews_follow_the_users_setting(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_preview.args, "preview_method", latent_preview.LatentPreviewMethod.NoPreviews)
    one_node()
    assert all(preview is None for _, _, preview in screen.events)


def test_previews_of_video(screen: Screen) -> None:
    groups = grouped(different("video", 4), [(0, 1), (2, 3)])
    ksampler.sample(MODELS["video"](), groups, conditioning("video", seed=1), small("video"), share=0.5, **SETTINGS)
    assert screen.events[0][2][1].size == (16, 8) or screen.events[0][2][1].size == (8, 16)


@pytest.mark.parametrize("part", ["shared", "branch"])
def test_stop_ends_within_one_evaluation(screen: Screen, part: str) -> None:
    screen.stop_at = 16 if part == "shared" else 60
    with (
        count_evaluations(MODELS["sd15"]()) as evaluations,
        pytest.raises(comfy.model_management.InterruptProcessingException),
    ):
        one_node()
    done = next(done for done, *_ in screen.events if done >= screen.stop_at)
    assert evaluations.rows <= done + max(evaluations.batches)
    screen.stop_at = None
    comfy.model_management.interrupt_current_processing(False)
    samples = one_node()[0]["samples"]
    assert torch.isfinite(samples).all(), "a stopped run leaves nothing behind"


class Silent(comfy.samplers.KSAMPLER):
    """A sampler that never says how far it is."""

    def sample(self, model: Any, sigmas: torch.Tensor, extra_args: Any, callback: Any, *others: Any) -> torch.Tensor:
        return super().sample(model, sigmas, extra_args, None, *others)


@pytest.mark.parametrize("kind", [comfy.samplers.KSAMPLER, Silent])
def test_the_guiders_denoised_output_has_every_row(kind: type[comfy.samplers.KSAMPLER]) -> None:
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
    from comfyui_sage.sage_core.sampling.guiders import SageGuider

    model = MODELS["sd15"]()
    guider = SageGuider(model, groups_of_five(), conditioning("sd15", seed=1), 3.0, 0.5)
    sigmas = comfy.samplers.KSampler(model, 8, model.load_device, "euler", "normal").sigmas
    euler = comfy.samplers.sampler_object("euler").sampler_function
    out, denoised = SamplerCustomAdvanced.execute(
        Noise_RandomNoise(1), guider, kind(euler), sigmas, small("sd15", batch=2)
    ).args
    assert out["samples"].shape == denoised["samples"].shape == (10, 4, 8, 8)
    assert torch.allclose(out["samples"], denoised["samples"], atol=1e-5), "euler ends on its last prediction"
