"""What the training panel shows while a training runs: its loss, its time left, and its last sample images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from ..training.loss_plot import smoothed
from ..training.objective import TERMS
from ..training.trainer import Trainer
from .throttle import SendUpdate, Throttle, data_url

# A line: what a panel is wide.
_MOST_POINTS = 200


class TrainingMonitor:
    """Tells of a training, now and then, so that it costs next to nothing."""

    def __init__(self, send: SendUpdate, trainer: Trainer) -> None:
        self.send, self.trainer = send, trainer
        self.throttle = Throttle()

    def start(self) -> None:
        self.send({**self._news(), "running": True, "stopped": False, "samples": None})

    def step(self) -> None:
        """After each step."""
        self.throttle.count(self.trainer.done)
        if self.throttle.due():
            self.send(self._news())
            self.throttle.sent()

    def sampled(self, sheet: Image.Image) -> None:
        """New sample images."""
        self.send({**self._news(), "samples": data_url(sheet)})

    def end(self) -> None:
        stopped = self.trainer.done < self.trainer.settings.steps
        self.send({**self._news(), "running": False, "stopped": stopped})

    def _news(self) -> dict[str, Any]:
        trainer = self.trainer
        numbers = self.throttle.timing(trainer.done, trainer.settings.steps)
        rate = trainer.rates[-1] if trainer.rates else None
        return {**numbers, "rate": rate, "lines": loss_lines(trainer.losses)}


def loss_lines(losses: list[list[float]]) -> list[dict[str, Any]]:
    """A smoothed line for the whole loss and one for each term that was ever trained.

    Args:
        losses: a row a step: all rows of the batch, then each term (NaN where a step had none of it).

    Returns:
        Each line's name and points, (step, value), not more than a panel can show.
    """
    at = np.unique(np.linspace(0, len(losses) - 1, min(len(losses), _MOST_POINTS)).round().astype(int)).tolist()
    lines = []
    for index, name in enumerate(("loss", *TERMS)):
        values = smoothed([row[index] for row in losses]) if losses else []
        points = [[step + 1, values[step]] for step in at if math.isfinite(values[step])]
        if points:
            lines.append({"name": name, "points": points})
    return lines
