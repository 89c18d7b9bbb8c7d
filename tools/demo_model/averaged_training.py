"""The training loop of a denoiser: Muon for its inner matrices, AdamW for the rest, and an average of the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .steps import Checkpoint, log


@dataclass(frozen=True)
class Pace:
    """
    Attributes:
        rate: the highest learning rate.
        average: how much of the average stays at every step.
        save, report: steps between checkpoints, and between reports.
    """

    rate: float
    average: float
    save: int = 1000
    report: int = 2500


def train_averaged(
    name: str, student: nn.Module, inner: Callable[[str], bool], loss: Callable[[], torch.Tensor], folder: Path,
    steps: int, pace: Pace, report: Callable[[nn.Module, int], None],
) -> nn.Module:  # fmt: skip
    """Trains, or loads what is already trained; resumes in between.

    Args:
        name: of the log and of the checkpoint.
        inner: whether a weight of that name is one for Muon, if it is a matrix.
        loss: of the student on a new batch.
        report: gets the averaged network and the step, now and then.

    Returns:
        The averaged network.
    """
    average = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(pace.average))
    named = dict(student.named_parameters())
    matrices = {key: weight for key, weight in named.items() if weight.ndim == 2 and inner(key)}
    others = [weight for key, weight in named.items() if key not in matrices]
    muon = torch.optim.Muon(list(matrices.values()), lr=pace.rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=pace.rate, betas=(0.9, 0.98), weight_decay=0.0)
    checkpoint = Checkpoint(folder / f"{name}.pt", student=student, average=average, muon=muon, adamw=adamw)
    start, began, recent = checkpoint.load(), time.monotonic(), []
    for step in range(start, steps):
        for group in (*muon.param_groups, *adamw.param_groups):
            group["lr"] = pace.rate * schedule(step, steps)
        found = loss()
        student.zero_grad(set_to_none=True)
        found.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        muon.step()
        adamw.step()
        average.update_parameters(student)
        recent.append(found.item())
        if step % 200 == 199:
            log(folder, name, step=step + 1, loss=float(np.mean(recent)), seconds=time.monotonic() - began)
            recent.clear()
        if step % pace.save == pace.save - 1 or step + 1 == steps:
            checkpoint.save(step + 1)
        if step % pace.report == pace.report - 1:
            report(average.module, step + 1)
    return average.module


def schedule(step: int, steps: int) -> float:
    """Warm-up, flat, then a cosine down over the last 40%."""
    warm, decay = min(1.0, (step + 1) / 300), max(0.0, (step - 0.6 * steps) / (0.4 * steps))
    return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * decay)))
