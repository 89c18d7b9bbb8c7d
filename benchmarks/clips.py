"""Renders clips for the benchmarks, and looks at every frame. Import it after `comfyui.load`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfyui_sage.sage_core.demo.video import FRAMES
from comfyui_sage.sage_core.metrics.scores import text_scores
from demo_model.judging import judge_pictures
from demo_model.scenes import Scene, caption
from fidelity import Rendering
from video_model.evaluate import judged


class ClipRendering(Rendering):
    """As `Rendering`, of clips: right is what is right in all frames; features are those of the middle frame."""

    latent_size = (16, FRAMES, 16, 16)

    @torch.no_grad()
    def _look(self, scenes: Sequence[Scene], pictures: torch.Tensor) -> list[dict[str, Any]]:
        clips = pictures.movedim(2, 1)
        _, features, images = judge_pictures(self.judge, clips[:, FRAMES // 2])
        scores = text_scores(images.numpy(), self.judge.embed_text([caption(scene) for scene in scenes]).numpy())
        return [
            {"right": judged(scene, clip), "score": float(score), "features": row, "picture": clip.numpy()}
            for scene, clip, score, row in zip(scenes, clips, scores, features.numpy(), strict=True)
        ]
