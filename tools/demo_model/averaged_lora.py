"""The training loop of a LoRA of the demo model: AdamW, and an average of the tensors, written now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from comfyui_sage.sage_core.training.adapters import add_adapters
from comfyui_sage.sage_core.training.lora_file import save_lora
from comfyui_sage.sage_core.training.trainable_model import TrainableModel

from .averaged_training import schedule
from .steps import Checkpoint, log


@dataclass(frozen=True)
class LoraPace:
    """
    Attributes:
        rank: of the LoRA, for all layers; its alpha is the same.
        rate: the highest learning rate.
        average: how much of the average stays at every step.
        report: steps between files and reports.
    """

    rank: int = 32
    rate: float = 1e-3
    average: float = 0.995
    report: int = 500


def train_lora(
    student: TrainableModel, besides: dict[str, torch.nn.Parameter], loss: Callable[[], torch.Tensor], path: Path,
    steps: int, pace: LoraPace, report: Callable[[int], None], seed: int = 0,
) -> None:  # fmt: skip
    """Train a LoRA, or go on with it, and write it now and then.

    Args:
        student: of which the LoRA is made.
        besides: tensors of the student that are learnt as well, by their names in the file.
        loss: of the student on a new batch.
        path: of the LoRA; the checkpoint and the log lie beside it.
        report: gets the step after each file.
    """
    folder = path.parent
    tensors = {
        **add_adapters(student.patcher, kind="LoRA", rank=pace.rank, alpha=pace.rank, layers="all", seed=seed),
        **besides,
    }
    learnt = {name: tensor for name, tensor in tensors.items() if tensor.requires_grad}
    average = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    optimizer = torch.optim.AdamW(learnt.values(), lr=pace.rate, weight_decay=0.0)
    torch.manual_seed(seed)
    checkpoint = Checkpoint(folder / "lora.pt", tensors=_State(tensors), average=_State(average), optimizer=optimizer)
    start, began, recent = checkpoint.load(), time.monotonic(), []
    with student.loaded():
        for step in range(start, steps):
            optimizer.param_groups[0]["lr"] = pace.rate * schedule(step, steps)
            found = loss()
            optimizer.zero_grad(set_to_none=True)
            found.backward()
            torch.nn.utils.clip_grad_norm_(learnt.values(), 1.0)
            optimizer.step()
            for name, tensor in learnt.items():
                average[name].lerp_(tensor.detach(), 1 - pace.average)
            recent.append(found.item())
            if step % 100 == 99:
                log(folder, "lora", step=step + 1, loss=float(np.mean(recent)), seconds=time.monotonic() - began)
                recent.clear()
            if step % pace.report == pace.report - 1 or step + 1 == steps:
                checkpoint.save(step + 1)
                save_lora(average, path, "fp16")
                with student.sampling():
                    report(step + 1)


class _State:
    """Tensors as a part of a checkpoint."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach() for name, tensor in self.tensors.items()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        for name, tensor in self.tensors.items():
            tensor.copy_(state[name])
