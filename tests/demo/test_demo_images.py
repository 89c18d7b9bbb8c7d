"""The demo image set: complete, captioned, in its own style."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from comfyui_sage.sage_core.demo.images import FILE, load_demo_images


def test_pictures_and_captions() -> None:
    images, captions = load_demo_images()
    assert len(images) == len(captions) == 32
    assert all(image.shape == (1, 128, 128, 3) for image in images)
    assert len(set(captions)) == 32
    red, blue = (images[captions.index(f"a {colour} car in the snow")] for colour in ("red", "blue"))
    middle = (red - blue)[0, 44:84, 44:84].mean((0, 1))
    assert middle[0] > 0.1 > -0.1 > middle[2]


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_damaged_file(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(FILE.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"demo images: the file .*x.png is missing or damaged .*Install the pack"):
        load_demo_images(path)


def test_images_are_writable_copies() -> None:
    first, _ = load_demo_images()
    first[0].zero_()
    assert torch.count_nonzero(load_demo_images()[0][0])
