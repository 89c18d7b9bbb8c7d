"""Renders clips for the benchmarks, and looks at every frame. Import it after `comfyui.load`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfyui_sage.sage_core.demo.video import FRAMES
from demo_model.scenes import Scene
from fidelity import Rendering
from video_model.evaluate import judged


class ClipRendering(Rendering):
    """As `Rendering`, of clips: right is what is right in all frames; features are those of the middle frame."""

    @torch.no_grad()
    def _look(self, scenes: Sequence[Scene], pictures: torch.Tensor) -> list[dict[str, Any]]:
        clips = pictures.movedim(2, 1)
        middle = super()._look(scenes, clips[:, FRAMES // 2])
        return [
            {**found, "right": judged(scene, clip), "picture": clip.numpy()}
            for found, scene, clip in zip(middle, scenes, clips, strict=True)
        ]
