"""Errors for invalid input name the input, the expected and the given value."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfyui_sage.nodes.group_prompts import SemanticGroupPrompts
from comfyui_sage.nodes.samplers import BranchKSampler, Guider, OneNodeKSampler, SharedKSamplerPrefix
from list_calls import execute_listed
from models import MODELS, clip_l, conditioning
from reference import SETTINGS, different, grouped, small

TWO = grouped(different("sd15", 2), [(0, 1)])


def group(prompts: str, **changes: Any) -> Any:
    settings = {
        "clip": clip_l(), "encoder": "clip", "threshold_mode": "auto", "threshold": 0.8, "max_group_size": 0,
        "group_condition": "mean", **changes,
    }  # fmt: skip
    return execute_listed(SemanticGroupPrompts, prompts, **settings)


def run(node: Any = OneNodeKSampler, *, groups: Any = TWO, image: Any = None, negative: Any = None,
        share: float = 0.5, **settings: Any) -> Any:  # fmt: skip
    return node.execute(
        MODELS["sd15"](), groups, negative or conditioning("sd15", seed=1), image or small("sd15"),
        **{**SETTINGS, **settings}, share=share,
    )  # fmt: skip


@pytest.mark.parametrize("prompts", ["", "   \n\n", "# only\n  # comments"])
def test_no_prompts(prompts: str) -> None:
    with pytest.raises(ValueError, match="prompts: expected at least one prompt .* got none"):
        group(prompts)


def test_an_open_brace() -> None:
    with pytest.raises(ValueError, match=r"prompts: line 2: '\{' at character 3 is never closed"):
        group("fine\na {red|blue car")


@pytest.mark.parametrize("node", [OneNodeKSampler, SharedKSamplerPrefix])
@pytest.mark.parametrize(("changes", "message"), [
    ({"share": 1.5}, "share: expected a finite number from 0 to 1, got 1.5"),
    ({"share": -0.1}, "share: expected .* got -0.1"),
    ({"share": float("nan")}, "share: expected .* got nan"),
    ({"share_mode": "often"}, "share_mode: expected one of fixed, tree.*, got 'often'"),
    ({"cfg": float("inf")}, "cfg: expected a finite number from 0 to 100, got inf"),
    ({"steps": 0}, "steps: expected a whole number from 1 to 10000, got 0"),
    ({"denoise": 1.2}, "denoise: expected a finite number from 0 to 1, got 1.2"),
    ({"sampler_name": "quantum"}, "sampler_name: expected one of euler.* got 'quantum'"),
    ({"scheduler": "bus"}, "scheduler: expected one of .* got 'bus'"),
    ({"groups": "a string"}, "groups: expected the output of Semantic Group Prompts, got str"),
    ({"groups": grouped(different("sdxl", 2), [(0, 1)])}, "groups: .* text width 2048, the negative prompt has 768"),
    ({"groups": grouped(different("sdxl", 2), [(0, 1)]), "negative": conditioning("sdxl", seed=1)},
     "groups: the model expects text width 768, the prompts have 2048"),
    ({"image": {"samples": torch.full((1, 4, 8, 8), float("nan"))}},
     "latent_image: expected finite values, got 256 NaN or infinite of 256"),
    ({"image": {"samples": torch.ones(0, 4, 8, 8)}}, r"latent_image: expected samples .* got .* shape \(0, 4, 8, 8\)"),
    ({"image": {"samples": torch.ones(1, 4, 8, 0)}}, r"latent_image: expected samples .* no side of length 0"),
    ({"image": {"samples": torch.ones(1, 4, 64)}}, r"latent_image: expected a latent with 2 sides, got shape"),
    ({"image": {**small("sd15"), "noise_mask": torch.full((1, 8, 8), float("nan"))}},
     "latent_image, its noise_mask: expected finite values, got 64 NaN"),
    ({"image": {**small("sd15"), "noise_mask": torch.ones(1, 0, 8)}}, "latent_image: expected a noise_mask"),
    ({"negative": [[torch.full((1, 77, 768), float("nan")), {}]]}, "negative: expected finite values"),
])  # fmt: skip
def test_settings(node: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(node, **changes)


def test_an_empty_negative() -> None:
    with pytest.raises(ValueError, match="negative: expected a CONDITIONING with at least one entry"):
        OneNodeKSampler.execute(MODELS["sd15"](), TWO, [], small("sd15"), **SETTINGS, share=0.5)


def test_the_guider_checks_too() -> None:
    with pytest.raises(ValueError, match="share: expected"):
        Guider.execute(MODELS["sd15"](), TWO, conditioning("sd15", seed=1), 3.0, 2.0)


def test_a_prefix_of_another_model_family() -> None:
    prefix = run(SharedKSamplerPrefix).args[0]
    with pytest.raises(ValueError, match="prefix: made with another kind of model .*latent channels 4 in the prefix"):
        BranchKSampler.execute(MODELS["sd3"](), prefix)
    with pytest.raises(ValueError, match="prefix: expected the output of Shared KSampler Prefix, got str"):
        BranchKSampler.execute(MODELS["sd15"](), "a string")


def test_latents_of_another_size_than_the_model() -> None:
    with pytest.raises(ValueError, match="latent_image: expected 4 channels, got 16"):
        run(image=small("sd3", seed=1))


@pytest.mark.parametrize(("template", "message"), [
    ([], "template: expected a CONDITIONING with at least one entry"),
    (conditioning("sdxl", seed=1), "template: expected a conditioning from the connected CLIP .* got width 2048"),
])  # fmt: skip
def test_a_template_that_does_not_fit(template: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group("a red car", template=template)


@pytest.mark.parametrize("changes", [{"encoder": "sentence"}, {"encoder": "open_clip", "encoder_model": "nope"}])
def test_an_encoder_that_is_not_there(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="encoder_model: expected one of .*sage_encoders"):
        group("a red car", **changes)


def test_no_clip() -> None:
    with pytest.raises(ValueError, match="clip: expected a text encoder, got None"):
        group("a red car", clip=None)


@pytest.mark.parametrize(("prompts", "count"), [
    ("one prompt", 1),
    ("the same\nthe same", 2),
    ("\U0001f98a in the snow \u2603\ufe0f\n\u062b\u0639\u0644\u0628 \u0641\u064a \u0627\u0644\u062b\u0644\u062c\n"
     "\u05e9\u05d5\u05e2\u05dc", 3),
    ("x" * 20_000 + "\n" + "a castle on a hill, " * 1000, 2),
    ("a {red|blue} {car|house} number " + "{" + "|".join(str(number) for number in range(50)) + "}", 200),
])  # fmt: skip
def test_unusual_lists_work(prompts: str, count: int) -> None:
    groups, report, similarity = group(prompts).args
    assert len(groups.prompts) == count
    assert sum(len(members) for members in groups.partition) == count
    assert similarity.shape[0] == 1 and similarity.shape[-1] == 3
    out = run(groups=groups, negative=groups.conditionings[0], steps=2).args
    assert out[0]["samples"].shape == (count, 4, 8, 8) and torch.isfinite(out[0]["samples"]).all()
    assert f"{count} prompt" in out[1]
