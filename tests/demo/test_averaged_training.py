"""The training loop of the denoisers: averaging, and going on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from demo_model.averaged_training import Pace, schedule, train_averaged
from torch import nn

INPUTS = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))


def run(folder: Path, steps: int, reports: list[int]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    student = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4))

    def loss() -> torch.Tensor:
        chosen = INPUTS[torch.randint(len(INPUTS), (4,))]
        return (student(chosen) - chosen).square().mean()

    done = train_averaged(
        "small", student, lambda name: name.startswith("0."), loss, folder, steps,
        Pace(rate=0.01, average=0.5, save=2, report=2), lambda _, step: reports.append(step),
    )  # fmt: skip
    return {key: value.clone() for key, value in done.state_dict().items()}


def test_it_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo_model.averaged_training.schedule", lambda step, steps: 1.0)
    reports: list[int] = []
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, half = run(tmp_path / "whole", 4, reports), run(tmp_path / "parts", 2, reports)
    parts = run(tmp_path / "parts", 4, reports)
    assert reports == [2, 4, 2, 4]
    for key, weight in whole.items():
        assert torch.equal(weight, parts[key]), key
        assert not torch.equal(half[key], parts[key]), key


def test_what_is_trained_is_only_loaded(tmp_path: Path) -> None:
    first, again = run(tmp_path, 3, []), run(tmp_path, 3, [])
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [schedule(step, 10_000) for step in (0, 299, 6000, 8000, 10_000)]
    assert rates == pytest.approx([1 / 300, 1, 1, 0.505, 0.01])
