"""Optimizer and learning rate schedule, from PyTorch and transformers."""

from __future__ import annotations

from typing import Any

import torch

from ..validation import check_choice

OPTIMIZERS = ("AdamW", "Adafactor")
SCHEDULES = ("constant", "linear", "cosine")


def make_optimizer(name: str, parameters: list[torch.nn.Parameter], rate: float, decay: float) -> torch.optim.Optimizer:
    """An optimizer by name.

    AdamW keeps two numbers per weight, Adafactor (Shazeer and Stern 2018) much less.

    Args:
        rate: learning rate.
        decay: weight decay.

    Raises:
        ValueError: the name is not in `OPTIMIZERS`.
    """
    check_choice("optimizer", name, OPTIMIZERS)
    if name == "AdamW":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    from transformers.optimization import Adafactor  # heavy

    return Adafactor(
        parameters, lr=rate, weight_decay=decay, scale_parameter=False, relative_step=False, warmup_init=False
    )


def make_schedule(name: str, optimizer: torch.optim.Optimizer, warmup: int, steps: int) -> Any:
    """A learning rate schedule by name: it rises over the first `warmup` steps, then stays or falls to zero.

    Returns:
        A torch LambdaLR.

    Raises:
        ValueError: the name is not in `SCHEDULES`.
    """
    from transformers import get_scheduler  # heavy

    check_choice("lr_schedule", name, SCHEDULES)
    kind = "constant_with_warmup" if name == "constant" else name
    return get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
