"""What every stage of the training shares: pictures to tensors, a log, and checkpoints that survive a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch


def to_tensor(pictures: np.ndarray, device: torch.device) -> torch.Tensor:
    """(N, height, width, 3) uint8 to (N, 3, height, width) from 0 to 1, channels last in memory."""
    tensor = torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2)
    return tensor.float().div_(255).contiguous(memory_format=torch.channels_last)


def half_precision(device: torch.device) -> torch.autocast:
    """bf16, twice as fast, where the device has instructions for it; elsewhere it is slower than full precision."""
    known = torch.cpu.get_capabilities()
    fast = device.type != "cpu" or known.get("avx512_bf16") or known.get("amx_bf16")
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(fast))


def log(folder: Path, stage: str, **values: float) -> None:
    """One line to the screen and to `<stage>.jsonl`."""
    line = json.dumps({key: round(value, 5) for key, value in values.items()})
    print(stage, line, flush=True)
    with (folder / f"{stage}.jsonl").open("a") as file:
        file.write(line + "\n")


class Checkpoint:
    """Everything a stage needs to go on where it was stopped, torch's random state included."""

    def __init__(self, path: Path, **parts: Any) -> None:
        self.path, self.parts = path, parts

    def load(self) -> int:
        """The step to go on with; 0 if there is no checkpoint."""
        if not self.path.exists():
            return 0
        saved = torch.load(self.path, weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        torch.set_rng_state(saved["random"])
        return int(saved["step"])

    def save(self, step: int) -> None:
        """Written beside, then renamed."""
        part = self.path.with_suffix(".part")
        states = {name: each.state_dict() for name, each in self.parts.items()}
        torch.save({**states, "random": torch.get_rng_state(), "step": step}, part)
        part.replace(self.path)
