"""The demo model for clips: loading, frames through the autoencoder, the laws of sharing, and what the clips show."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from comfyui_sage.nodes.demo import DemoModel
from comfyui_sage.sage_core.demo.judge import load_demo_judge
from comfyui_sage.sage_core.demo.video import FRAMES, WEIGHTS, demo_video_parts, load_demo_video_model
from comfyui_sage.sage_core.grouping.build import build_prompt_groups
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.sampling.ksampler import sample
from demo_model.captioned import Captioned
from demo_model.judging import agreement, judge_pictures
from demo_model.scenes import SUBJECTS, Scene, Thing, caption
from video_model import training
from video_model.clips import MOVES, move_of, numbered_clip, numbered_scene
from video_model.evaluate import judged

import nodes as comfy_nodes

demo = functools.lru_cache(load_demo_video_model)
RISING = Scene((Thing("balloon", "blue"),), setting="sunset")
PASSING = Scene((Thing("car", "red"),), setting="snow")
GROWING = Scene((Thing("flower", "pink"),), setting="field")
SCENES = (RISING, PASSING, GROWING)


def empty(frames: int = FRAMES) -> dict[str, torch.Tensor]:
    return {"samples": torch.zeros(1, 16, frames, 16, 16)}


def text(prompt: str) -> Any:
    return encode_prompts(demo()[1], [prompt])[prompt]


@torch.no_grad()
def alone(prompt: str, sampler: str = "euler", steps: int = 6, seed: int = 3) -> torch.Tensor:
    """The latent of ComfyUI's own KSampler."""
    return comfy_nodes.common_ksampler(
        demo()[0], seed, steps, 4.0, sampler, "simple", text(prompt), text(""), empty()
    )[0]["samples"]  # fmt: skip


@torch.no_grad()
def shared(
    prompts: tuple[str, ...], sampler: str = "euler", steps: int = 6, seed: int = 3, **settings: Any
) -> torch.Tensor:
    """The latents of SAGE KSampler, all prompts in one group."""
    model, clip, _ = demo()
    groups = build_prompt_groups(clip, prompts, threshold_mode="fixed", threshold=-1.0)
    made, _ = sample(
        model, groups, text(""), empty(), seed=seed, steps=steps, cfg=4.0, sampler_name=sampler, scheduler="simple",
        denoise=1.0, **settings,
    )  # fmt: skip
    return made["samples"]


def clips_of(latents: torch.Tensor) -> torch.Tensor:
    """(N, FRAMES, 3, 128, 128) from 0 to 1."""
    return demo()[2].decode(latents).movedim(-1, 2)


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


class TestSharing:
    @pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "euler_ancestral"])
    def test_nothing_shared_is_what_the_ksampler_gives(self, sampler: str) -> None:
        latents = shared((caption(RISING), caption(PASSING)), sampler, share=0.0)
        assert latents.shape == (2, 16, FRAMES, 16, 16)
        assert apart(latents[:1], alone(caption(RISING), sampler)) <= 1e-5

    @pytest.mark.parametrize("correction", ["off", "on"])
    def test_equal_prompts_that_share_are_what_the_ksampler_gives(self, correction: str) -> None:
        prompt = caption(RISING)
        for latent in shared((prompt, prompt), share=0.5, correction=correction):
            assert apart(latent[None], alone(prompt)) <= 1e-5

    def test_correction_is_nearer_to_the_clips_alone(self) -> None:
        prompts = tuple(caption(scene) for scene in SCENES)
        expected = torch.cat([alone(prompt, steps=12) for prompt in prompts])
        off, on = (
            apart(shared(prompts, steps=12, share=0.6, correction=correction), expected) for correction in ("off", "on")
        )
        assert on < off / 2


class TestClips:
    def test_they_show_and_move_what_the_prompt_says(self) -> None:
        """Not every frame shows its thing well enough for the judge; the card says how often."""
        prompts = tuple(caption(scene) for scene in SCENES)
        clips = clips_of(shared(prompts, "dpmpp_2m", steps=16, share=0.0))
        for scene, clip in zip(SCENES, clips, strict=True):
            right = judged(scene, clip)
            assert right["setting"] and right["move"], (scene, right)
            frames = [agreement(scene, verdict) for verdict in judge_pictures(load_demo_judge(), clip)[0]]
            assert np.mean([frame["subject"] and frame["colour"] for frame in frames]) >= 0.5, (scene, frames)

    @torch.no_grad()
    def test_frames_through_the_autoencoder(self) -> None:
        vae = demo()[2]
        index = next(index for index in range(99) if numbered_scene(index)[0].things[0].subject == "car")
        pixels = torch.from_numpy(numbered_clip(index)).float() / 255
        latent = vae.encode(pixels)
        assert latent.shape == (1, 16, FRAMES, 16, 16)
        back = vae.decode(latent)
        assert back.shape == (1, FRAMES, 128, 128, 3)
        assert float((back[0] - pixels).square().mean()) < 0.005

    def test_frames_are_decoded_in_their_order(self) -> None:
        latent = alone(caption(PASSING))
        frames = demo()[2].decode(latent)[0]
        for index in (0, FRAMES - 1):
            single = demo()[2].decode(latent[:, :, index : index + 1])[0, 0]
            torch.testing.assert_close(frames[index], single, rtol=0, atol=1e-4)

    def test_more_frames_than_it_knows(self) -> None:
        with pytest.raises(ValueError, match="at most 6 frames, got 7. Set the length of the empty latent to 21"):
            comfy_nodes.common_ksampler(
                demo()[0], 3, 2, 4.0, "euler", "simple", text("a red car"), text(""), empty(FRAMES + 1)
            )


class TestLoading:
    @pytest.mark.parametrize("content", [None, b"", b"something else"])
    def test_a_file_that_is_missing_or_damaged(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "video.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match="demo model: the weights at .*video.safetensors are missing or damaged"):
            load_demo_video_model(path)

    def test_every_tensor_of_the_file_is_used(self) -> None:
        model, _, _ = demo()
        stored = {key.rpartition(".lora")[0] for key in safetensors.torch.load_file(WEIGHTS) if ".lora" in key}
        assert stored == {key.removesuffix(".weight") for key in model.patches}

    def test_the_node(self) -> None:
        pictures, clips = DemoModel.execute().args, DemoModel.execute("video clips").args
        assert pictures[0].model.latent_format.latent_dimensions == 2
        assert clips[0].model.latent_format.latent_dimensions == 3
        with pytest.raises(ValueError, match="kind: expected one of pictures, video clips, got 'songs'"):
            DemoModel.execute("songs")


class TestTraining:
    def test_every_subject_has_a_move(self) -> None:
        assert {move_of(subject) for subject in SUBJECTS} == set(MOVES)

    def test_drawn_clips_move_and_nothing_else_does(self) -> None:
        for index in range(4):
            scene, _ = numbered_scene(index)
            clip = numbered_clip(index)
            assert clip.shape == (FRAMES, 128, 128, 3)
            assert (clip[0] != clip[-1]).any()
            assert np.array_equal(clip[0, :3, :3], clip[-1, :3, :3]), "the corner of the setting"
            assert not scene.held_out

    def test_a_drawn_clip_is_right(self) -> None:
        index = next(index for index in range(99) if numbered_scene(index)[0].things[0].subject == "boat")
        clip = torch.from_numpy(numbered_clip(index)).movedim(-1, 1).float() / 255
        assert judged(numbered_scene(index)[0], clip)["move"]
        assert not judged(numbered_scene(index)[0], clip.flip(0))["move"]

    def test_a_step_is_kept_and_loads(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "BATCH", 1)
        monkeypatch.setattr(training, "report", lambda *_: None)
        generator = torch.Generator().manual_seed(0)
        clips = Captioned(
            torch.randn(2, 16, FRAMES, 16, 16, generator=generator).half(),
            torch.randn(5, 32, 128),
            torch.randn(5, 1408),
        )
        path = tmp_path / "lora.safetensors"
        training.train(clips, path, 1)
        model, _, _ = load_demo_video_model(path)
        assert model.patches
        before = demo_video_parts(torch.zeros(FRAMES, 192))[0].model.diffusion_model.frame_embedding
        assert model.model.diffusion_model.frame_embedding.shape == before.shape
