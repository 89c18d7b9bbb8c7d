"""Saves one PNG per prompt and variation, named after the prompt, with its settings in its metadata."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..grouping.prompt_groups import PromptGroups
from .graph_settings import SamplerSettings

# Letters of the prompt in a file's name: with all else, and three bytes a letter, within the 255 bytes of a name.
_LONGEST_NAME = 60


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


def file_name(record: ImageRecord, *, variations: int) -> str:
    """'g02_a-red-car' (and '_v3' where there are several): letters, digits, '-' and '_' only, in any script."""
    letters = [letter if letter.isalnum() else "-" for letter in unicodedata.normalize("NFC", record.prompt)]
    words = [word for word in "".join(letters).split("-") if word]
    text = "-".join(words)[:_LONGEST_NAME].strip("-") or "prompt"
    return f"g{record.group:02}_{text}" + (f"_v{record.variation}" if variations > 1 else "")


class ImageFiles:
    """The files of a list of prompts; each appears whole or not at all, in whatever order they are saved."""

    def __init__(
        self, groups: PromptGroups, settings: SamplerSettings, folder: Path, stem: str, first: int,
        texts: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        """
        Args:
            folder, stem, first: where, how every name starts, and the number of the first prompt's first file.
            texts: JSON-able PNG texts that all files have; None writes no metadata at all.
        """
        self.groups, self.settings, self.folder, self.stem, self.first = groups, settings, folder, stem, first
        self.texts = None if texts is None else {key: json.dumps(value) for key, value in texts.items()}
        self.group_of = {index: number for number, members in enumerate(groups.partition) for index in members}

    def save(self, prompt: int, images: torch.Tensor) -> list[str]:
        """Write a prompt's images, (variations, height, width, channels) from 0 to 1. Returns their names."""
        group, names = self.group_of[prompt], []
        for variation, image in enumerate(images):
            record = ImageRecord(
                self.groups.prompts[prompt], group + 1, len(self.groups.partition[group]), variation + 1, self.settings
            )
            number = f"{self.stem}_{self.first + prompt * len(images) + variation:05}"
            names.append(f"{number}_{file_name(record, variations=len(images))}.png")
            self._write(image, record, self.folder / names[-1], self.folder / f".{number}.part")
        return names

    def _write(self, image: torch.Tensor, record: ImageRecord, path: Path, part: Path) -> None:
        array = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        picture = Image.fromarray(np.squeeze(array, -1) if array.shape[-1] == 1 else array)
        info = None if self.texts is None else _png_texts(self.texts, record, picture)
        try:
            picture.save(part, "PNG", pnginfo=info, compress_level=4)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def _png_texts(shared: dict[str, str], record: ImageRecord, picture: Image.Image) -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", record.parameters(*picture.size))
    info.add_text("sage", record.as_json())
    for key, value in shared.items():
        info.add_text(key, value)
    return info


def _joined(sampler: str | None, scheduler: str | None) -> str | None:
    return " ".join(filter(None, (sampler, scheduler))) or None
