"""Saves one PNG per prompt and variation, named after the prompt, with its settings in its metadata."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..atomic_file import write_new
from ..grouping.prompt_groups import PromptGroups
from ..prompts.names import file_text
from .convert import tensor_to_picture
from .graph_settings import SamplerSettings


@dataclass(frozen=True)
class ImageRecord:
    """What the metadata says of one image.

    Attributes:
        group, members: number of its group, from 1, and how many prompts are in it.
        variation: number of its noise draw, from 1.
        settings: how it was sampled.
    """

    prompt: str
    group: int
    members: int
    variation: int
    settings: SamplerSettings = field(default_factory=SamplerSettings)

    def parameters(self, width: int, height: int) -> str:
        """The text that most galleries read: prompt, negative prompt, and settings with commas between them.

        Args:
            width, height: of the image in pixels.
        """
        settings = self.settings
        named = {
            "Steps": settings.steps, "Sampler": _joined(settings.sampler_name, settings.scheduler),
            "CFG scale": settings.cfg, "Seed": settings.seed, "Size": f"{width}x{height}", "Model": settings.model,
            "Denoising strength": settings.denoise,
            "SAGE group": f"{self.group} of {self.members} prompts" if self.members > 1 else "alone",
            "SAGE share": settings.share, "SAGE variation": self.variation,
        }  # fmt: skip
        negative = [f"Negative prompt: {settings.negative}"] if settings.negative else []
        line = ", ".join(f"{name}: {value}" for name, value in named.items() if value is not None)
        return "\n".join([self.prompt, *negative, line])

    def as_json(self) -> str:
        """The record as JSON, every known setting by its input's name."""
        flat = {**asdict(self), **asdict(self.settings)}
        del flat["settings"]
        return json.dumps({key: value for key, value in flat.items() if value is not None}, ensure_ascii=False)


def file_name(record: ImageRecord, *, variations: int) -> str:
    """The part of a file's name that says what is in it, such as "g02_a-red-car".

    Letters (of any script), digits, "-" and "_" only, which every file system takes.

    Args:
        variations: how many the prompt has; from two on, the image's own number ends the name ("_v3").
    """
    return f"g{record.group:02}_{file_text(record.prompt)}" + (f"_v{record.variation}" if variations > 1 else "")


class ImageFiles:
    """The PNG files of a list of prompts. Each is there whole or not at all, and prompts are saved in any order."""

    def __init__(
        self, groups: PromptGroups, settings: SamplerSettings, folder: Path, stem: str, first: int,
        texts: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        """Prepare the files of some groups' images.

        Args:
            folder: where to write.
            stem: how every name starts.
            first: number of the first prompt's first file.
            texts: data that JSON can hold, for the PNG texts of all files; None writes no metadata at all.
        """
        self.groups, self.settings, self.folder, self.stem, self.first = groups, settings, folder, stem, first
        self.texts = None if texts is None else {key: json.dumps(value) for key, value in texts.items()}
        self.group_of = groups.group_of()

    def save(self, prompt: int, images: torch.Tensor) -> list[str]:
        """Write a prompt's images.

        Args:
            prompt: its index.
            images: (variations, height, width, channels), values 0 to 1.

        Returns:
            The files' names.

        Raises:
            OSError: a file cannot be written; nothing is left of it.
        """
        group, names = self.group_of[prompt], []
        for variation, image in enumerate(images):
            record = ImageRecord(
                self.groups.prompts[prompt], group + 1, len(self.groups.partition[group]), variation + 1, self.settings
            )
            ending = f"{file_name(record, variations=len(images))}.png"
            number = self.first + prompt * len(images) + variation
            # Another process may have taken the number since: then one behind all of this list.
            numbers = itertools.count(number, len(self.group_of) * len(images))
            paths = (self.folder / f"{self.stem}_{number:05}_{ending}" for number in numbers)
            names.append(write_new(paths, self._writer(image, record)).name)
        return names

    def _writer(self, image: torch.Tensor, record: ImageRecord) -> Callable[[Path], None]:
        """What writes one file."""
        picture = tensor_to_picture(image)
        info = None if self.texts is None else _png_texts(self.texts, record, picture)
        return lambda path: picture.save(path, "PNG", pnginfo=info, compress_level=4)


def _png_texts(shared: dict[str, str], record: ImageRecord, picture: Image.Image) -> PngInfo:
    """The texts of one file: its own, and those that all files have."""
    info = PngInfo()
    info.add_text("parameters", record.parameters(*picture.size))
    info.add_text("sage", record.as_json())
    for key, value in shared.items():
        info.add_text(key, value)
    return info


def _joined(sampler: str | None, scheduler: str | None) -> str | None:
    """What is known of the two, with a space between; None where nothing is."""
    return " ".join(filter(None, (sampler, scheduler))) or None
