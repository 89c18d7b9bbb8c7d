"""The tiny models are what they say they are, on every ComfyUI version.

Every other test leans on this: two runs that agree mean nothing if the model ignores its input.
"""

from __future__ import annotations

import comfy.model_detection
import comfy.model_sampling
import comfy.sample
import comfy.samplers
import pytest
import torch
from evaluations import count_evaluations
from models import (
    INPUTS,
    MODELS,
    clip_l,
    conditioning,
    controlnet,
    latent,
    randn,
    vae,
)

STEPS = 4
PREDICTION = {
    "sd15": comfy.model_sampling.EPS,
    "sd2_v": comfy.model_sampling.V_PREDICTION,
    "sdxl": comfy.model_sampling.EPS,
    "sd3": comfy.model_sampling.CONST,  # ComfyUI's name for rectified flow
    "flux": comfy.model_sampling.CONST,
    "lumina": comfy.model_sampling.CONST,
    "video": comfy.model_sampling.CONST,
    "audio": comfy.model_sampling.V_PREDICTION,
}

families = pytest.mark.parametrize("family", MODELS)


def noise_of(family: str, *seeds: int) -> torch.Tensor:
    """One row of noise a seed."""
    return torch.cat([randn(*latent(family)["samples"].shape, seed=seed) for seed in seeds])


def sample(family: str, noise: torch.Tensor, positive: list, steps: int = STEPS) -> torch.Tensor:
    """ComfyUI's own sampling from an empty latent, CFG 4."""
    return comfy.sample.sample(
        MODELS[family](),
        noise,
        steps,
        4.0,
        "euler",
        "normal",
        positive,
        conditioning(family, seed=100),
        torch.zeros_like(noise),
        disable_pbar=True,
        seed=0,
    )


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative to the second."""
    return ((a - b).norm() / b.norm()).item()


@pytest.fixture(autouse=True)
def as_a_node_runs():
    """ComfyUI runs its nodes so."""
    with torch.inference_mode():
        yield


@families
def test_output_is_finite_and_image_sized(family: str) -> None:
    out = sample(family, noise_of(family, 1), conditioning(family, seed=1), steps=15)
    assert out.shape == latent(family)["samples"].shape
    assert out.isfinite().all()
    scaled = MODELS[family]().model.process_latent_in(out).std()
    assert 0.3 < scaled < 4, "far from what a VAE decodes"


@families
def test_output_is_reproducible(family: str) -> None:
    once, again = (sample(family, noise_of(family, 1), conditioning(family, seed=1)) for _ in range(2))
    assert torch.equal(once, again)


@families
def test_weights_do_not_depend_on_the_cache(family: str) -> None:
    first, second = MODELS[family](), MODELS[family].__wrapped__()
    assert first is MODELS[family]() and first is not second
    weights = second.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in first.model.state_dict().items())


@families
def test_output_depends_on_noise_and_condition(family: str) -> None:
    out = sample(family, noise_of(family, 1), conditioning(family, seed=1))
    other_noise = sample(family, noise_of(family, 2), conditioning(family, seed=1))
    other_text = sample(family, noise_of(family, 1), conditioning(family, seed=2))
    assert difference(other_noise, out) > 1e-2
    assert difference(other_text, out) > 1e-2


@pytest.mark.parametrize("family", [name for name, needs in INPUTS.items() if needs.pooled])
def test_output_depends_on_the_pooled_text_where_the_model_takes_it(family: str) -> None:
    [[text, extras]] = conditioning(family, seed=1)
    [[_, other]] = conditioning(family, seed=2)
    out = sample(family, noise_of(family, 1), [[text, extras]])
    change = difference(sample(family, noise_of(family, 1), [[text, other]]), out)
    assert (change > 1e-2) == (family in ("sdxl", "sd3", "flux")), "SD1 and SD2 do not look at it"


@families
def test_prediction_type(family: str) -> None:
    model = MODELS[family]().model
    assert isinstance(model.model_sampling, PREDICTION[family])
    assert model.get_dtype() == torch.float32
    assert MODELS[family]().load_device.type == "cpu"


@families
def test_rows_do_not_mix(family: str) -> None:
    positive = conditioning(family, seed=1)
    batch = sample(family, noise_of(family, 1, 2), positive)
    for row, seed in zip(batch, (1, 2), strict=True):
        assert difference(row, sample(family, noise_of(family, seed), positive)[0]) < 1e-5


@families
def test_text_of_another_length(family: str) -> None:
    short = conditioning(family, seed=1, tokens=7)
    assert short[0][0].shape == (1, 7, INPUTS[family].width)
    assert sample(family, noise_of(family, 1), short).isfinite().all()


@pytest.mark.parametrize("family", [name for name in MODELS if name != "sdxl"])
def test_the_loader_would_build_the_same_kind(family: str) -> None:
    """ComfyUI's detection, given these weights, finds the config class that was filled in by hand."""
    patcher = MODELS[family]()
    weights = patcher.model.diffusion_model.state_dict()
    detected = comfy.model_detection.detect_unet_config(weights, "")
    if "model_channels" in detected:
        ours = patcher.model.model_config.unet_config
        assert {name: ours[name] for name in detected} == detected
        detected["model_channels"] = 320  # the only thing about this UNet that no real one has
    found = comfy.model_detection.model_config_from_unet_config(detected, weights)
    assert type(found) is type(patcher.model.model_config)


@families
def test_counting(family: str) -> None:
    patcher = MODELS[family]()
    with count_evaluations(patcher) as evaluations:
        sample(family, noise_of(family, 1, 2, 3), conditioning(family, seed=1))
    assert evaluations.rows == STEPS * 3 * 2  # cond and uncond
    assert len(evaluations.timesteps) == evaluations.rows
    sample(family, noise_of(family, 1), conditioning(family, seed=1))
    assert evaluations.rows == STEPS * 3 * 2, "still counting after the end"


def test_weights_can_take_part_in_training() -> None:
    """Made under inference_mode, a tensor could never be saved for a backward pass."""
    model = MODELS["sd3"].__wrapped__().model
    [[text, extras]] = conditioning("sd3", seed=1)
    with torch.inference_mode(False):
        x = noise_of("sd3", 1).clone().requires_grad_()
        y = extras["pooled_output"]
        model.apply_model(x, torch.tensor([0.5]), c_crossattn=text, y=y).square().sum().backward()
    assert x.grad.norm() > 0


def test_clip_encodes_like_comfyui() -> None:
    clip = clip_l()

    def encode(text: str) -> list:
        return clip.encode_from_tokens_scheduled(clip.tokenize(text))

    [[short, extras]] = encode("a red fox")
    assert short.shape == (1, 77, 768) and short.dtype == torch.float32
    assert extras["pooled_output"].shape == (1, 768)
    assert torch.equal(short, encode("a red fox")[0][0])
    [[other, other_extras]] = encode("a blue car in the snow")
    assert difference(other, short) > 1e-2
    assert difference(other_extras["pooled_output"], extras["pooled_output"]) > 1e-2
    [[long, _]] = encode("fox " * 80)
    assert long.shape == (1, 154, 768)
    assert sample("sd15", noise_of("sd15", 1), [[long, {}]]).isfinite().all()


@pytest.mark.parametrize("channels", [4, 16])
def test_vae_decodes_and_encodes(channels: int) -> None:
    first, second = vae(channels).decode(randn(2, channels, 8, 8, seed=1))
    assert first.shape == (64, 64, 3)
    assert first.isfinite().all() and first.min() >= 0 and first.max() <= 1
    assert 0.02 < first.std() < 0.45, "a picture, neither flat nor black and white"
    assert difference(first, second) > 1e-2
    assert vae(channels).encode(first[None]).shape == (1, channels, 8, 8)


def test_controlnet_changes_the_picture() -> None:
    plain = conditioning("sd15", seed=1)
    control = controlnet().copy().set_cond_hint(randn(1, 3, 64, 64, seed=5).sigmoid(), strength=0.5)
    controlled = [[plain[0][0], plain[0][1] | {"control": control, "control_apply_to_uncond": True}]]
    out = sample("sd15", noise_of("sd15", 1), controlled)
    assert out.isfinite().all()
    assert difference(out, sample("sd15", noise_of("sd15", 1), plain)) > 1e-2
