"""From PIL pictures to ComfyUI's IMAGE tensors and back."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image


def picture_to_tensor(picture: Image.Image) -> torch.Tensor:
    """A picture as an IMAGE of one.

    Returns:
        (1, height, width, channels), fp32, values 0 to 1.
    """
    return torch.from_numpy(np.array(picture, dtype=np.float32)).div_(255)[None]  # in place: sheets are large


def tensor_to_picture(image: torch.Tensor) -> Image.Image:
    """One image of an IMAGE as a picture of 8 bits per channel, rounded.

    Args:
        image: (height, width, channels) with 1, 3 or 4 channels, values 0 to 1; what lies outside is cut off.
    """
    array = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return Image.fromarray(np.squeeze(array, -1) if array.shape[-1] == 1 else array)
