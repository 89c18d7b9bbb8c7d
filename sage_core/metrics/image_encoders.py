"""Networks that encode images: the demo judge, open_clip and Inception, behind one interface."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..demo.judge import load_demo_judge
from ..prompts.embedding_models import load_open_clip
from ..prompts.model_files import read_weights

# Images or texts that are encoded at once.
_BATCH = 32
# Called after every batch with the number of images done.
OnImages = Callable[[int], None]


@dataclass(frozen=True)
class ImageFeatures:
    """What a network says of N images and their texts.

    Attributes:
        features: (N, D), what diversity and distances are measured on.
        images, texts: embeddings, (N, E) each, whose cosine says how well they fit; None where a network reads no text.
        notes: what the user should know.
    """

    features: np.ndarray
    images: np.ndarray | None = None
    texts: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageEncoder:
    """A network that encodes images.

    Attributes:
        name: of the network, for the report.
        encode: takes images (N, height, width, channels) from 0 to 1, and their texts or None; gives ImageFeatures.
    """

    name: str
    encode: Callable[[torch.Tensor, Sequence[str] | None, OnImages], ImageFeatures]


def demo_image_encoder() -> ImageEncoder:
    """The judge that comes with the demo model; it knows drawn scenes only.

    Raises:
        ValueError: its weights are missing or damaged.
    """
    judge = load_demo_judge()

    def encode(images: torch.Tensor, texts: Sequence[str] | None, on_images: OnImages) -> ImageFeatures:
        with torch.no_grad():
            features = _batched(lambda part: judge(_fitted(part, 128))[1], images, on_images)
            if texts is None:
                return ImageFeatures(features.numpy())
            vectors = judge.embed_image(features).numpy(), judge.embed_text(list(texts)).numpy()
        unknown = sorted({word for text in texts for word in judge.unknown_words(text)})
        note = f"the demo judge does not know these words: {', '.join(unknown)}"
        return ImageFeatures(features.numpy(), *vectors, (note,) if unknown else ())

    return ImageEncoder("SAGE demo judge (drawn scenes only)", encode)


def open_clip_image_encoder(path: Path) -> ImageEncoder:
    """The image and the text encoder of an open_clip model.

    Args:
        path: see `load_open_clip`, which also raises its errors.
    """
    model, tokenizer = load_open_clip(path, "open_clip_model")
    size = model.visual.image_size if isinstance(model.visual.image_size, int) else model.visual.image_size[0]
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (model.visual.image_mean, model.visual.image_std))

    def encode(images: torch.Tensor, texts: Sequence[str] | None, on_images: OnImages) -> ImageFeatures:
        with torch.no_grad():

            def embed(part: torch.Tensor) -> torch.Tensor:
                return model.encode_image((_fitted(part, size) - mean) / deviation)

            features = _batched(embed, images, on_images).numpy()
            if texts is None:
                return ImageFeatures(features)
            parts = [model.encode_text(tokenizer(list(texts[at : at + _BATCH]))) for at in range(0, len(texts), _BATCH)]
        return ImageFeatures(features, features, torch.cat(parts).float().numpy())

    return ImageEncoder(f"open_clip {path.name}", encode)


def inception_encoder(path: Path) -> ImageEncoder:
    """Inception v3 as FID uses it, through torch-fidelity, with a file of weights that the user has.

    Raises:
        ValueError: torch-fidelity is not installed, or the file is not its weights, or holds more than weights.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ValueError(
            "inception_weights: needs the package torch-fidelity, which is not installed "
            "(pip install torch-fidelity). Leave the input empty for the distance on the scorer's own features."
        ) from error
    try:
        # torch-fidelity runs what is in a file: it gets one that we wrote, of the tensors.
        with tempfile.TemporaryDirectory() as folder:
            torch.save(read_weights(path), clean := Path(folder) / "weights.pth")
            network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(clean))
    except Exception as error:
        raise ValueError(
            f"inception_weights: expected torch-fidelity's weights of Inception v3, got {path} ({error})."
        ) from error

    def encode(images: torch.Tensor, texts: Sequence[str] | None, on_images: OnImages) -> ImageFeatures:
        with torch.no_grad():

            def embed(part: torch.Tensor) -> torch.Tensor:
                return network((_rgb(part) * 255).round().to(torch.uint8))[0]

            return ImageFeatures(_batched(embed, images, on_images).numpy())

    return ImageEncoder("Inception v3 (torch-fidelity)", encode)


def _batched(embed: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, on_images: OnImages) -> torch.Tensor:
    """Embeds images batch by batch, on the CPU: (N, D), fp32."""
    parts = []
    for start in range(0, len(images), _BATCH):
        parts.append(embed(images[start : start + _BATCH].float().cpu()).float())
        on_images(min(start + _BATCH, len(images)))
    return torch.cat(parts)


def _rgb(images: torch.Tensor) -> torch.Tensor:
    """(N, height, width, channels) to (N, 3, height, width), 0 to 1; images of one or two channels become grey."""
    channels = images[..., :3] if images.shape[-1] >= 3 else images[..., :1].expand(*images.shape[:3], 3)
    return channels.movedim(-1, 1).clamp(0, 1)


def _fitted(images: torch.Tensor, size: int) -> torch.Tensor:
    """RGB squares, (N, 3, size, size): the shorter side is scaled to `size`, and the middle cut out."""
    rgb = _rgb(images)
    scale = size / min(rgb.shape[-2:])
    if scale != 1:
        shape = [max(size, round(side * scale)) for side in rgb.shape[-2:]]
        rgb = F.interpolate(rgb, shape, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    top, left = ((side - size) // 2 for side in rgb.shape[-2:])
    return rgb[..., top : top + size, left : left + size]
