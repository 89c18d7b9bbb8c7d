"""What the training panel shows while a training runs: its loss, its time left, and its last sample images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from ..training.loss_plot import smoothed
from ..training.objective import TERMS
from ..training.session import MakeListener
from ..training.trainer import Trainer
from .throttle import SendUpdate, Throttle, data_url

# Of a line: a panel is not much wider, in pixels.
_MOST_POINTS = 200


def training_monitor(send: SendUpdate | None) -> MakeListener | None:
    """A function that makes the `TrainingMonitor` of a training; None where no page listens."""
    if send is None:
        return None
    return lambda trainer: TrainingMonitor(send, trainer)


class TrainingMonitor:
    """Sends progress updates of a training, throttled to 2% of its time.

    Its methods are those of a `TrainingListener`.
    """

    def __init__(self, send: SendUpdate, trainer: Trainer) -> None:
        self.send, self.trainer = send, trainer
        self.throttle = Throttle()

    def start(self) -> None:
        """The training begins: everything that the page knows of an earlier one is replaced."""
        self.send({**self._state(), "running": True, "stopped": False, "samples": None})

    def step(self) -> None:
        """A step is done: send it where an update is due."""
        self.throttle.count(self.trainer.done)
        if self.throttle.due():
            self.send(self._state())
            self.throttle.sent()

    def sampled(self, sheet: Image.Image) -> None:
        """Send new sample images."""
        self.send({**self._state(), "samples": data_url(sheet)})

    def end(self) -> None:
        """The training is over; it was stopped where steps are left."""
        stopped = self.trainer.done < self.trainer.settings.steps
        self.send({**self._state(), "running": False, "stopped": stopped})

    def _state(self) -> dict[str, Any]:
        """What every update has."""
        trainer = self.trainer
        timing = self.throttle.timing(trainer.done, trainer.settings.steps)
        rate = trainer.rates[-1] if trainer.rates else None
        return {**timing, "rate": rate, "lines": loss_lines(trainer.losses)}


def loss_lines(losses: list[list[float]]) -> list[dict[str, Any]]:
    """Smoothed lines of the losses, as plain data: of the whole loss, and of each term that was ever trained.

    Args:
        losses: one row per step: the mean of the batch, then that of each term (NaN where a step had none of it).

    Returns:
        Every line's name and points [step, value], no more of them than a panel can show.
    """
    at = np.unique(np.linspace(0, len(losses) - 1, min(len(losses), _MOST_POINTS)).round().astype(int)).tolist()
    lines = []
    for index, name in enumerate(("loss", *TERMS)):
        values = smoothed([row[index] for row in losses]) if losses else []
        points = [[step + 1, values[step]] for step in at if math.isfinite(values[step])]
        if points:
            lines.append({"name": name, "points": points})
    return lines
