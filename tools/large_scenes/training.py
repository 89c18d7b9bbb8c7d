"""Trains the judge and the LoRA on drawings of large scenes; both start from those of the demo model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from comfyui_sage.sage_core.demo.judge import DemoJudge, load_demo_judge
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.training.trainable_model import TrainableModel
from demo_model.autoencoder import model_latents, restore
from demo_model.averaged_lora import LoraPace, train_lora
from demo_model.captioned import Captioned, flow_loss
from demo_model.encoded_texts import encoded_texts
from demo_model.judging import save_judge, train_judge
from demo_model.scenes import caption

from .model import JUDGE, load_large_scenes_judge
from .scenes import JUDGED, TRAIN

BATCH, PACE = 16, LoraPace(rank=64, report=1000)
JUDGE_STEPS, JUDGE_BATCH, RESTORED = 300, 32, 1_000
_CPU = torch.device("cpu")


def trained_judge(folder: Path) -> DemoJudge:
    """The judge, trained or from the folder: on drawings, some of them as the autoencoder gives them back."""
    path = folder / JUDGE.name
    if not path.exists():
        autoencoder = load_demo_model()[2].first_stage_model.float()
        pictures = JUDGED.pictures(folder)
        restored = restore(autoencoder, pictures[:RESTORED], folder / "large_restored.npy", _CPU)
        sets = [
            (TRAIN, TRAIN.pictures(folder)), (JUDGED, pictures), (replace(JUDGED, number=RESTORED), restored)
        ]  # fmt: skip
        save_judge(train_judge(sets, folder, _CPU, judge=load_demo_judge(), steps=JUDGE_STEPS, batch=JUDGE_BATCH), path)
    return load_large_scenes_judge(path)


def examples(folder: Path) -> Captioned:
    """All drawings, as the model sees them."""
    _, clip, vae = load_demo_model()
    latents = model_latents(vae, TRAIN.pictures(folder), folder / "large_latents.npy")
    captions = [caption(TRAIN.scene(index)[0]) for index in range(TRAIN.number)]
    return Captioned(latents, *encoded_texts(clip, [*captions, ""]))


def train(found: Captioned, path: Path, steps: int, report: Callable[[int], None]) -> None:
    """Train the LoRA, or go on with it, and write it now and then.

    Args:
        report: gets the step after each file.
    """
    model, _, _ = load_demo_model()
    student = TrainableModel(model, bf16=False, gradient_checkpointing=False, offloading=False)
    train_lora(student, {}, lambda: flow_loss(student.patcher.model, found, BATCH), path, steps, PACE, report)
