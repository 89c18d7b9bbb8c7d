"""SAGE Share Explorer as a node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfyui_sage.nodes.share_explorer import ShareExplorer
from models import MODELS, conditioning
from reference import SETTINGS, different, grouped, small


class TinyVAE:
    """Decodes a latent by showing three of its channels."""

    def __init__(self, frames: int = 1) -> None:
        self.frames = frames

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        return samples[:, :3].movedim(1, -1).sigmoid().repeat(self.frames, 1, 1, 1)


def run(vae: Any, **changes: Any) -> Any:
    inputs = {
        **SETTINGS, "steps": 4, "model": MODELS["sd15"](), "groups": grouped(different("sd15", 2), [(0, 1)]),
        "negative": conditioning("sd15", seed=1), "latent_image": small("sd15"), "vae": vae, "shares": "0.5",
        "tolerance": 0.5, "most_prompts": 2, **changes,
    }  # fmt: skip
    return ShareExplorer.execute(**inputs)


@pytest.fixture(autouse=True)
def no_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    """The preview is a file of a server's."""
    preview = SimpleNamespace(as_dict=lambda: {"images": []})
    monkeypatch.setattr("comfyui_sage.nodes.share_explorer.ui.PreviewImage", lambda *_, **__: preview)


def test_gives_a_share_a_report_and_a_picture() -> None:
    output = run(TinyVAE())
    share, report, grid = output.args
    assert share == 0.5
    assert output.ui == {"images": [], "sage_share": [0.5]}
    assert "50% corrected" in report
    assert grid.ndim == 4 and grid.shape[0] == 1


def test_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="latent_image: expected latents of pictures, got 6 images of 2 latents"):
        run(TinyVAE(frames=3))


def test_videos_are_refused_before_anything_is_rendered() -> None:
    videos = {"samples": torch.zeros(1, 4, 3, 8, 8)}
    with pytest.raises(ValueError, match=r"latent_image: expected latents of pictures, got videos \(3 latent frames\)"):
        run(TinyVAE(), latent_image=videos)


def test_an_unknown_scorer_is_refused() -> None:
    with pytest.raises(ValueError, match="scorer: expected one of none, demo, open_clip"):
        run(TinyVAE(), scorer="me")
