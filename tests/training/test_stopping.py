"""A training that was stopped anywhere, and continued, is the training that was not: all of its state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.training.checkpoint import load_state
from comfyui_sage.sage_core.training.dataset import make_training_set
from comfyui_sage.sage_core.training.trainer import Trainer, train
from models import conditioning, flux, latent
from safetensors import safe_open
from trainings import TRAIN_SETTINGS

STOPS = 50
# Where, and how many such moments pass before. Few steps are done between two stops, so that the test is soon over.
MOMENTS = [("model", 0), ("model", 1), ("backward", 0), ("backward", 1)] * 2 + [("model", 2), ("after a step", 0)]
SETTINGS = replace(
    TRAIN_SETTINGS, steps=14, batch_size=1, accumulation=2, save_every=7, rank=1, ema=0.9, layers="attention"
)


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    with torch.inference_mode(False):
        yield


class Stopped(Exception):
    pass


def trainer(**settings: Any) -> Trainer:
    given = make_training_set(
        [latent("flux", h=4, w=4, seed=seed) for seed in range(2)], [conditioning("flux", seed=1)] * 2
    )
    return Trainer(flux(), given, conditioning("flux", seed=9), replace(SETTINGS, **settings))


def checksum(path: Path) -> str:
    """Of all that a state file holds. Its bytes may differ: safetensors writes its metadata in any order."""
    with safe_open(path, "pt") as file:
        return file.metadata()["sha256"]


def stop_in(made: Trainer, where: str, after: int) -> Any:
    """Stops a training at one of `MOMENTS`; a step calls the model twice. Returns what hears of every step."""
    left = [after]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped

    if where == "model":
        made.trainable_model.patcher.model.diffusion_model.register_forward_pre_hook(count)
    elif where == "backward":
        made.trainable[-1].register_hook(count)
    return count if where == "after a step" else lambda trainer: None


def test_stops_at_any_moment_change_nothing(tmp_path: Path) -> None:
    whole, path, choose = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors", random.Random(1)
    train(trainer(), whole)
    stops = 0
    while stops < STOPS and not (path.exists() and load_state(path)["done"] == SETTINGS.steps):
        made = trainer()
        before = load_state(path)["done"] if path.exists() else 0
        on_step = stop_in(made, *choose.choice(MOMENTS))
        try:
            train(made, path, on_step)
        except Stopped:
            stops += 1
        saved = load_state(path)["done"] if path.exists() else 0
        assert saved == made.done >= before
    assert stops == STOPS, "the training is too short for so many stops"
    train(trainer(), path)
    assert checksum(path) == checksum(whole)


def test_a_stop_in_the_middle_of_an_update_goes_back_to_the_last_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, path = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    train(trainer(steps=6, save_every=2), whole)
    made = trainer(steps=6, save_every=2)
    step = made.schedule.step

    def cut_off() -> None:
        step()
        if made.done == 3:
            raise Stopped

    made.schedule.step = cut_off
    with pytest.raises(Stopped):
        train(made, path)
    assert "stopped in the middle of a step. The state after step 2 is saved." in caplog.text
    train(trainer(steps=6, save_every=2), path)
    assert checksum(path) == checksum(whole)
