"""A small captioned image set that comes with the pack, to train on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

FILE = Path(__file__).parent / "data" / "demo_images.png"
# Width and height of a picture in pixels.
_SIDE = 128


def load_demo_images(file: Path = FILE) -> tuple[list[torch.Tensor], list[str]]:
    """Pictures in a style that the demo model does not know, and their captions.

    Args:
        file: a PNG of all pictures in rows, with the captions as JSON in its text "captions".

    Returns:
        The pictures, (1, 128, 128, 3) each, values 0 to 1, and as many captions.

    Raises:
        ValueError: the file is missing or damaged.
    """
    try:
        with Image.open(file) as sheet:
            captions = json.loads(sheet.info["captions"])
            pixels = torch.from_numpy(np.asarray(sheet.convert("RGB"), dtype=np.float32) / 255)
    except Exception as error:
        raise ValueError(
            f"demo images: the file {file} is missing or damaged ({error}). Install the pack again."
        ) from error
    pictures = pixels.unflatten(1, (-1, _SIDE)).unflatten(0, (-1, _SIDE)).permute(0, 2, 1, 3, 4).flatten(0, 1)
    return list(pictures[:, None].contiguous()), captions
