"""One PNG a prompt, named after it, with its own prompt and settings in its text."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .checks import images_a_prompt
from .groups import PromptGroups
from .provenance import SamplerSettings

_LONGEST_NAME = 60
"""Letters of the prompt in a file's name: with all else, and three bytes a letter, within the 255 bytes of a name."""


@dataclass(frozen=True)
class ImageRecord:
    """What one image is, as its metadata says it.

    Attributes:
        group, members: number of its group, from 1, and how many prompts are in it.
        variation: which noise draw, from 1.
    """

    prompt: str
    group: int
    members: int
    variation: int
    settings: SamplerSettings = field(default_factory=SamplerSettings)

    def parameters(self, width: int, height: int) -> str:
        """The one-text form that most galleries read (prompt, negative prompt, comma-separated settings)."""
        said = self.settings
        named = {
            "Steps": said.steps, "Sampler": _joined(said.sampler_name, said.scheduler), "CFG scale": said.cfg,
            "Seed": said.seed, "Size": f"{width}x{height}", "Model": said.model, "Denoising strength": said.denoise,
            "SAGE group": f"{self.group} of {self.members} prompts" if self.members > 1 else "alone",
            "SAGE share": said.share, "SAGE variation": self.variation,
        }  # fmt: skip
        negative = [f"Negative prompt: {said.negative}"] if said.negative else []
        line = ", ".join(f"{name}: {value}" for name, value in named.items() if value is not None)
        return "\n".join([self.prompt, *negative, line])

    def as_json(self) -> str:
        """Every known setting by its input's name."""
        flat = {**asdict(self), **asdict(self.settings)}
        del flat["settings"]
        return json.dumps({key: value for key, value in flat.items() if value is not None}, ensure_ascii=False)


def image_records(groups: PromptGroups, images: torch.Tensor, settings: SamplerSettings) -> list[ImageRecord]:
    """A record a row of a batch, in its order.

    Raises:
        ValueError: the batch does not fit the prompts.
    """
    variations = images_a_prompt(images, len(groups.prompts))
    group_of = {index: number for number, members in enumerate(groups.partition) for index in members}
    return [
        ImageRecord(prompt, group_of[index] + 1, len(groups.partition[group_of[index]]), variation + 1, settings)
        for index, prompt in enumerate(groups.prompts)
        for variation in range(variations)
    ]


def file_name(record: ImageRecord, *, variations: int) -> str:
    """'g02_a-red-car' (and '_v3' where there are several): letters, digits, '-' and '_' only, in any script."""
    letters = [letter if letter.isalnum() else "-" for letter in unicodedata.normalize("NFC", record.prompt)]
    words = [word for word in "".join(letters).split("-") if word]
    text = "-".join(words)[:_LONGEST_NAME].strip("-") or "prompt"
    return f"g{record.group:02}_{text}" + (f"_v{record.variation}" if variations > 1 else "")


def save_images(
    images: torch.Tensor, records: Sequence[ImageRecord], folder: Path, stem: str, first: int,
    texts: dict[str, Any] | None, on_saved: Callable[[int], None] | None = None,
) -> list[str]:  # fmt: skip
    """Write every row; each file appears whole or not at all.

    Args:
        images: (N * V, height, width, channels) from 0 to 1.
        folder, stem, first: where, how every name starts, and the number of the first file.
        texts: JSON-able PNG texts that all files have; None writes no metadata at all.
        on_saved: gets how many are written.

    Returns:
        Names, in row order.
    """
    variations = max(record.variation for record in records)
    shared = {key: json.dumps(value) for key, value in (texts or {}).items()}
    names = []
    for row, (image, record) in enumerate(zip(images, records, strict=True)):
        array = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        picture = Image.fromarray(np.squeeze(array, -1) if array.shape[-1] == 1 else array)
        info = None if texts is None else _png_texts(shared, record, picture)
        name = f"{stem}_{first + row:05}_{file_name(record, variations=variations)}.png"
        part = folder / f".{stem}_{first + row:05}.part"
        try:
            picture.save(part, "PNG", pnginfo=info, compress_level=4)
            os.replace(part, folder / name)
        finally:
            part.unlink(missing_ok=True)
        names.append(name)
        if on_saved:
            on_saved(row + 1)
    return names


def _png_texts(shared: dict[str, str], record: ImageRecord, picture: Image.Image) -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", record.parameters(*picture.size))
    info.add_text("sage", record.as_json())
    for key, value in shared.items():
        info.add_text(key, value)
    return info


def _joined(sampler: str | None, scheduler: str | None) -> str | None:
    return " ".join(filter(None, (sampler, scheduler))) or None
