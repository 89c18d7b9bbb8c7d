"""The training panel's payload: loss curves and sample images."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
from comfyui_sage.sage_core.panels import throttle
from comfyui_sage.sage_core.panels.training import TrainingMonitor, loss_lines
from PIL import Image

NAN = math.nan
LOSSES = [[4.0, 4.0, NAN, NAN], [2.0, NAN, NAN, 2.0], [3.0, 2.0, NAN, 4.0]]


def lines(losses: list[list[float]]) -> dict[str, list[list[float]]]:
    return {line["name"]: line["points"] for line in loss_lines(losses)}


def test_lines_skip_missing_values() -> None:
    assert lines(LOSSES) == {
        "loss": [[1, 4.0], [2, 2.0], [3, 3.0]], "plain": [[1, 4.0], [3, 2.0]], "consistency": [[2, 2.0], [3, 4.0]],
    }  # fmt: skip


def test_a_long_training_is_smoothed_and_has_no_more_points_than_a_panel_shows() -> None:
    losses = [[float(step % 2), NAN, 1.0, NAN] for step in range(5000)]
    points = lines(losses)["loss"]
    assert len(points) == 200 and points[0][0] == 1 and points[-1][0] == 5000
    assert all(value == pytest.approx(0.5, abs=0.01) for step, value in points if step > 250)


def test_before_the_first_step() -> None:
    assert loss_lines([]) == []


def test_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(throttle.time, "monotonic", lambda: clock[0])
    news: list[dict[str, Any]] = []
    trainer: Any = SimpleNamespace(done=0, settings=SimpleNamespace(steps=100), losses=[], rates=[])
    watch = TrainingMonitor(lambda payload: news.append(json.loads(json.dumps(payload, allow_nan=False))), trainer)
    watch.start()
    for step in range(50):
        clock[0] += 0.1
        trainer.done = step + 1
        trainer.losses.append([1.0, NAN, NAN, NAN])
        trainer.rates.append(0.01)
        watch.step()
    watch.sampled(Image.new("RGB", (8, 8)))
    watch.end()
    first, *during, sampled, last = news
    assert (first["running"], first["samples"], first["lines"], first["rate"]) == (True, None, [], None)
    assert 10 < len(during) < 20, "a few a second"
    assert during[-1]["left"] == pytest.approx(0.1 * (100 - during[-1]["done"]))
    assert during[-1]["rate"] == 0.01 and "samples" not in during[-1]
    assert sampled["samples"].startswith("data:image/jpeg;base64,")
    assert (last["done"], last["running"], last["stopped"]) == (50, False, True)


def test_all_steps_done_is_not_stopped() -> None:
    news: list[dict[str, Any]] = []
    trainer: Any = SimpleNamespace(done=3, settings=SimpleNamespace(steps=3), losses=LOSSES, rates=[0.1])
    TrainingMonitor(news.append, trainer).end()
    assert news[0]["stopped"] is False
