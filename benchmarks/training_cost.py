"""What a step of L_SAGE costs beside a plain one: time and memory, as ratios in one run.

    python benchmarks/training_cost.py [--steps 20] [--rounds 5]

Both trainings of the demo model take turns, so that a noisy machine treats them alike. Memory is the peak above what
was there before, of the GPU if there is one, else of the process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from typing import Any

import comfyui

STEPS_BEFORE = 3
"""Steps that nobody measures: the first ones allocate."""


def _trainer(terms: bool) -> Any:
    import torch
    from comfyui_sage.sage_core.demo.model import load_demo_model
    from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
    from comfyui_sage.sage_core.training.dataset import make_training_set
    from comfyui_sage.sage_core.training.objective import LossSettings
    from comfyui_sage.sage_core.training.trainer import Trainer, TrainSettings

    model, clip, _ = load_demo_model()
    texts = [f"a {colour} {thing} in the snow" for thing in ("car", "boat") for colour in ("red", "blue", "green")]
    encoded = encode_prompts(clip, [*texts, ""])
    make = torch.Generator().manual_seed(0)
    latents = [{"samples": torch.randn(1, 16, 16, 16, generator=make)} for _ in texts]
    loss = LossSettings() if terms else LossSettings(soft_weight=0, consistency_weight=0)
    settings = TrainSettings(batch_size=16, loss=loss)
    return Trainer(model, make_training_set(latents, [encoded[text] for text in texts]), encoded[""], settings)


def _run(trainer: Any, steps: int) -> float:
    import torch

    with trainer.trainable_model.loaded(), torch.enable_grad():
        start = time.perf_counter()
        for _ in range(steps):
            trainer.step()
        return time.perf_counter() - start


def _peak(terms: bool, steps: int, answer: Any) -> None:
    """In a process of its own: the peak of memory never falls."""
    comfyui.load()
    import torch

    trainer = _trainer(terms)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    _run(trainer, steps)
    if torch.cuda.is_available():
        answer.put(torch.cuda.max_memory_allocated())
    else:
        answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)


def peak(terms: bool, steps: int) -> int:
    """Bytes."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_peak, args=(terms, steps, answer))
    process.start()
    found = int(answer.get())
    process.join()
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    memory = [peak(terms, options.steps) for terms in (False, True)]
    comfyui.load()
    plain, sage = _trainer(False), _trainer(True)
    for trainer in (plain, sage):
        _run(trainer, STEPS_BEFORE)
    ratios = []
    for _ in range(options.rounds):
        ratios.append(1 / _run(plain, options.steps) * _run(sage, options.steps))
    print(f"time of a step, L_SAGE / plain: {statistics.median(ratios):.2f} (rounds: "
          f"{', '.join(f'{ratio:.2f}' for ratio in ratios)})")  # fmt: skip
    print(f"peak memory above the model, L_SAGE / plain: {memory[1] / memory[0]:.2f} "
          f"({memory[1] / 2**20:.0f} MiB / {memory[0] / 2**20:.0f} MiB)")  # fmt: skip


if __name__ == "__main__":
    main()
