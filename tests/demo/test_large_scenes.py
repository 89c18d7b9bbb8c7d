"""Large scenes of the benchmarks: two rows of things, their drawings, their judge, and the LoRA that draws them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.demo.judge import Seen, Verdict
from demo_model.captioned import Captioned
from demo_model.drawing import LARGE, draw, layout
from demo_model.evaluate import fidelity
from demo_model.judging import agreement, judge_pictures, rates
from demo_model.scenes import Scene, Thing, allowed, caption
from large_scenes import training
from large_scenes.model import load_large_scenes_judge, load_large_scenes_model
from large_scenes.scenes import ROWS, is_read, large_scene

STAR, BOAT, CUP = Thing("star", "red"), Thing("boat", "blue", "striped"), Thing("cup", "orange")


@lru_cache
def scenes(number: int, held_out: bool | None = None) -> list[Scene]:
    return [large_scene(np.random.default_rng([9, index]), held_out=held_out) for index in range(number)]


def truth(scene: Scene) -> Verdict:
    """What a judge without error would say of a drawing."""
    spots = layout(scene, np.random.default_rng(0))
    things = [
        Seen(thing.subject, thing.colour, thing.material, thing.size, spot.x, spot.y)
        for thing, spot in zip(scene.shown, spots, strict=True)
    ]
    return Verdict(tuple(reversed(things)), scene.setting, scene.weather)


class TestScenes:
    @pytest.mark.parametrize(
        ("scene", "text"),
        [
            (Scene((STAR, BOAT, CUP), above=1, setting="sea", weather="rain"),
             "a red star above a blue striped boat and an orange cup on the sea in the rain"),
            (Scene((STAR, BOAT, CUP, Thing("fish", "white"), Thing("moon", "gray")), above=3, setting="green"),
             "a red star, a blue striped boat and an orange cup above a white fish and a gray moon on a green "
             "background"),
            (Scene((STAR, STAR, BOAT, BOAT, BOAT), above=2), "two red stars above three blue striped boats on a white "
             "background"),
        ],
    )  # fmt: skip
    def test_captions(self, scene: Scene, text: str) -> None:
        assert caption(scene) == text

    def test_every_kind_of_rows_comes_up_and_can_be_seen_and_read(self) -> None:
        found = scenes(300)
        assert {(scene.above, len(scene.things) - scene.above) for scene in found} == set(ROWS)
        assert all(scene.kind == "rows" and allowed(scene.things, scene.setting) for scene in found)
        assert all(is_read(scene) for scene in found)
        assert any(len(set(scene.things)) < len(scene.things) for scene in found)

    def test_pairs_are_kept_from_training(self) -> None:
        assert not any(scene.held_out for scene in scenes(100, held_out=False))
        assert all(scene.held_out for scene in scenes(30, held_out=True))


class TestDrawings:
    def test_they_are_larger_and_repeatable(self) -> None:
        for index, scene in enumerate(scenes(12)):
            first, again, other = (draw(scene, np.random.default_rng(seed)) for seed in (index, index, index + 1))
            assert first.shape == (LARGE, LARGE, 3)
            assert (first == again).all()
            assert (first != other).any()

    def test_rain_falls_everywhere(self) -> None:
        wet = Scene((STAR, BOAT, CUP), above=1, setting="sea", weather="rain")
        corners = [draw(wet, np.random.default_rng(seed))[-48:, -48:].std() for seed in range(3)]
        assert min(corners) > 5


class TestAgreement:
    def test_a_true_verdict_agrees_in_everything(self) -> None:
        assert all(all(agreement(scene, truth(scene)).values()) for scene in scenes(100))

    def test_what_is_in_the_wrong_row_or_order_is_seen(self) -> None:
        scene = Scene((STAR, BOAT, CUP), above=1)
        true = truth(scene)
        upside_down = replace(true, things=tuple(replace(thing, y=LARGE - thing.y) for thing in true.things))
        mirrored = replace(true, things=tuple(replace(thing, x=LARGE - thing.x) for thing in true.things))
        for verdict in (upside_down, mirrored):
            assert [name for name, right in agreement(scene, verdict).items() if not right] == ["relation"]
        assert not agreement(scene, replace(true, things=true.things[1:]))["count"]


def test_the_judge_sees_what_is_drawn() -> None:
    """At least 97% each, of drawings that it has not learnt from."""
    chosen = scenes(150, held_out=True)
    pictures = np.stack([draw(scene, np.random.default_rng([5, index])) for index, scene in enumerate(chosen)])
    verdicts, _, _ = judge_pictures(load_large_scenes_judge(), torch.from_numpy(pictures).movedim(-1, 1).float() / 255)
    found = rates([agreement(scene, verdict) for scene, verdict in zip(chosen, verdicts, strict=True)])
    assert {name: rate for name, rate in found.items() if name != "all" and rate < 0.97} == {}


class TestModel:
    def test_it_draws_what_the_prompts_say(self) -> None:
        chosen = [
            Scene((STAR, Thing("house", "green"), CUP), above=1), Scene((CUP, CUP, Thing("tree", "pink")), above=2),
            Scene((Thing("car", "yellow"), STAR, Thing("moon", "purple"), CUP), above=2, setting="night"),
            Scene((Thing("balloon", "red"), Thing("boat", "white"), Thing("fish", "orange")), above=1, setting="sea"),
        ]  # fmt: skip
        found, pictures, _ = fidelity(load_large_scenes_model(), load_large_scenes_judge(), chosen)
        assert pictures.shape == (4, 3, LARGE, LARGE)
        assert found["all"] >= 0.5
        assert found["setting"] == 1

    @pytest.mark.parametrize("content", [None, b"", b"something else"])
    def test_a_lora_that_is_missing_or_damaged(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "lora.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match="demo model: the LoRA at .*lora.safetensors is missing or damaged"):
            load_large_scenes_model(path)

    def test_a_step_is_kept_and_loads(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "BATCH", 1)
        generator = torch.Generator().manual_seed(0)
        found = Captioned(
            torch.randn(2, 16, 24, 24, generator=generator).half(), torch.randn(3, 32, 128), torch.randn(3, 1408)
        )
        steps: list[int] = []
        training.train(found, tmp_path / "lora.safetensors", 1, steps.append)
        assert steps == [1]
        assert load_large_scenes_model(tmp_path / "lora.safetensors")[0].patches
