"""The demo model: loading through ComfyUI, vocabulary, images."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.sd
import pytest
import safetensors.torch
import torch
from comfyui_sage.sage_core.demo.model import WEIGHTS, load_demo_model
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.prompts.text_encoders import clip_embeddings, encode_prompts
from comfyui_sage.sage_core.sampling.ksampler import sample

import nodes as comfy_nodes

PROMPTS = ("a red house on a white background", "a blue house on a white background")


@functools.lru_cache
def demo() -> tuple[Any, Any, Any]:
    return load_demo_model()


def encode(text: str) -> list:
    return encode_prompts(demo()[1], [text])[text]


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@functools.lru_cache
def picture(text: str, patched: Any = None) -> torch.Tensor:
    """(128, 128, 3), through ComfyUI's own KSampler."""
    model, _, vae = demo()
    model = patched or model
    empty = {"samples": torch.zeros(1, 16, 16, 16)}
    out = comfy_nodes.common_ksampler(model, 3, 8, 4.0, "euler", "simple", encode(text), encode(""), empty)[0]
    return vae.decode(out["samples"])[0]


class TestLoaded:
    def test_a_finite_picture(self) -> None:
        image = picture(PROMPTS[0])
        assert image.shape == (128, 128, 3)
        assert torch.isfinite(image).all()
        assert float(image.min()) >= 0
        assert float(image.max()) <= 1
        assert float(image.std()) > 0.05

    def test_the_picture_is_what_the_prompt_says(self) -> None:
        red, blue = (picture(text) for text in PROMPTS)
        redness = red.mean(dim=(0, 1)) - blue.mean(dim=(0, 1))
        assert redness[0] > 0.01
        assert redness[2] < -0.01

    def test_known_words_matter_and_unknown_ones_are_all_the_same(self) -> None:
        prompts = [*PROMPTS, "a zebra house", "a giraffe house"]
        red, blue, zebra, giraffe = clip_embeddings([encode(text) for text in prompts])
        assert red @ blue < 0.9999
        assert zebra @ giraffe == pytest.approx(1, abs=1e-6)

    def test_every_word_has_its_own_row_of_the_stored_table(self) -> None:
        stored = safetensors.torch.load_file(WEIGHTS)
        (known,) = (value for key, value in stored.items() if key.endswith("token_embedding.weight"))
        ids = stored["te_ids"].long()
        table = demo()[1].cond_stage_model.clip_l.transformer.get_input_embeddings().weight
        assert torch.equal(table[ids].float(), known[1:].float())
        unknown = next(index for index in range(len(table)) if index not in ids)
        assert torch.equal(table[unknown].float(), known[0].float())

    def test_the_vae_gives_a_picture_back(self) -> None:
        vae, image = demo()[2], picture(PROMPTS[0])
        again = vae.decode(vae.encode(image[None]))[0]
        assert float((again - image).abs().mean()) < 0.05

    def test_the_whole_way_through_sage(self) -> None:
        model, clip, vae = demo()
        groups = build_prompt_groups(clip, (*PROMPTS, PROMPTS[0]), threshold_mode="fixed", threshold=-1.0)
        latents, report = sample(
            model, groups, encode(""), {"samples": torch.zeros(1, 16, 16, 16)}, seed=3, steps=8, cfg=4.0,
            sampler_name="euler", scheduler="simple", denoise=1.0, share=0.25,
        )  # fmt: skip
        images = vae.decode(latents["samples"])
        assert torch.isfinite(images).all()
        torch.testing.assert_close(images[0], images[2])
        assert float(images[0, ..., 0].mean() - images[1, ..., 0].mean()) > 0.01
        assert "41.7% saved" in report, "one of three is a repeat, two share a quarter"

    def test_a_lora_changes_the_picture_and_nothing_else(self) -> None:
        layer = "diffusion_model.joint_blocks.1.x_block.attn.proj"
        up, down = torch.randn(192, 4, generator=torch.Generator().manual_seed(0)), torch.ones(4, 192)
        lora = {f"{layer}.lora_up.weight": up, f"{layer}.lora_down.weight": down, f"{layer}.alpha": torch.tensor(4.0)}
        model = demo()[0]
        patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 0.2, 0)
        assert set(patched.patches) == {f"{layer}.weight"}
        assert float((picture(PROMPTS[0], patched) - picture(PROMPTS[0])).abs().mean()) > 0.01
        torch.testing.assert_close(picture(PROMPTS[0], model.clone()), picture(PROMPTS[0]))

    def test_loading_again_gives_the_same(self) -> None:
        other = load_demo_model()[0].model.diffusion_model.state_dict()
        for name, weight in demo()[0].model.diffusion_model.state_dict().items():
            assert torch.equal(weight, other[name]), name


class TestBrokenFiles:
    @staticmethod
    def assert_clear(path: Path) -> None:
        with pytest.raises(ValueError, match=r"demo model: the weights at .* are missing or damaged") as error:
            load_demo_model(path)
        assert str(path) in str(error.value)
        assert "Install the pack again" in str(error.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.assert_clear(tmp_path / "nothing.safetensors")

    @pytest.mark.parametrize("kept", [0, 7, 5_000, 1_000_000])
    def test_cut_short(self, tmp_path: Path, kept: int) -> None:
        path = tmp_path / "cut.safetensors"
        path.write_bytes(WEIGHTS.read_bytes()[:kept])
        self.assert_clear(path)

    def test_something_else(self, tmp_path: Path) -> None:
        path = tmp_path / "other.safetensors"
        safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
        self.assert_clear(path)

    @pytest.mark.parametrize("part", ["dit.", "te.", "vae.", "te_ids"])
    def test_a_missing_part(self, tmp_path: Path, part: str) -> None:
        state = safetensors.torch.load_file(WEIGHTS)
        path = tmp_path / "part.safetensors"
        safetensors.torch.save_file({key: value for key, value in state.items() if not key.startswith(part)}, path)
        self.assert_clear(path)
