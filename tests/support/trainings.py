"""What short trainings of the tests are made of."""

from __future__ import annotations

from comfyui_sage.sage_core.training.trainer import TrainSettings
from models import flux, sd2_v, sd3, sd15, sdxl, video

TRAINABLE = {"sd15": sd15, "sd2_v": sd2_v, "sdxl": sdxl, "sd3": sd3, "flux": flux, "video": video}
TRAIN_SETTINGS = TrainSettings(steps=6, batch_size=2, learning_rate=1e-3, warmup=2, save_every=4, rank=4, alpha=4.0)
