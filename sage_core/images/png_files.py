"""Saves one PNG per prompt and variation, named after the prompt, with its settings in its metadata."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from PIL.PngImagePlugin import PngInfo

from ..atomic_file import write_new
from ..file_names import MOST_BYTES
from ..grouping.prompt_groups import PromptGroups
from ..prompts.names import MOST_LETTERS, file_text
from ..prompts.prompt_list import own_seed
from .convert import tensor_to_picture
from .finished_files import MARK, mark_of
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
        del flat["settings"], flat["has_own_seeds"]
        return json.dumps({key: value for key, value in flat.items() if value is not None}, ensure_ascii=False)


def file_name(record: ImageRecord, *, variations: int, label: str = "", most_bytes: int = MOST_BYTES) -> str:
    """The part of a file's name that says what is in it, such as "g02_a-red-car".

    Letters (of any script), digits, "-" and "_" only, which every file system takes.

    Args:
        variations: how many the prompt has; from two on, the image's own number ends the name ("_v3").
        label: the prompt as it can be told from others, see `differences.labels`; without it the prompt itself.
        most_bytes: of the name in UTF-8.
    """
    group, variation = f"g{record.group:02}_", f"_v{record.variation}" if variations > 1 else ""
    return group + file_text(label or record.prompt, most_bytes - len(group) - len(variation)) + variation


class ImageFiles:
    """The PNG files of a list of prompts. Each is there whole or not at all, and prompts are saved in any order."""

    def __init__(
        self, groups: PromptGroups, settings: SamplerSettings, folder: Path, stem: str, first: int,
        texts: dict[str, Any] | None, marks: Sequence[str] = (),
        kept: Mapping[tuple[int, int], str] | None = None,
    ) -> None:  # fmt: skip
        """Prepare the files of some groups' images.

        Args:
            folder: where to write.
            stem: how every name starts.
            first: number of the first prompt's first file.
            texts: data that JSON can hold, for the PNG texts of all files; None writes no metadata at all.
            marks: of every prompt, to find its files again, see `finished_files`; none where that is not known.
            kept: names of the files that are there already, by prompt and variation.
        """
        self.groups, self.settings, self.folder, self.stem, self.first = groups, settings, folder, stem, first
        self.texts = None if texts is None else {key: json.dumps(value) for key, value in texts.items()}
        self.marks, self.kept, self.group_of = marks, kept or {}, groups.group_of()
        self.labels = groups.labels(MOST_LETTERS)

    def save(self, prompt: int, images: torch.Tensor) -> list[str]:
        """Write a prompt's images, but for those that are there, and those with NaN or infinity (they would be black).

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
            if (prompt, variation) in self.kept:
                names.append(self.kept[prompt, variation])
                continue
            if not torch.isfinite(image).all():
                continue
            record = ImageRecord(
                self.groups.prompts[prompt], group + 1, len(self.groups.partition[group]), variation + 1,
                self._settings_of(prompt),
            )  # fmt: skip
            room = MOST_BYTES - len(f"{self.stem}_00000000_.png".encode())
            name = file_name(record, variations=len(images), label=self.labels[prompt], most_bytes=room)
            number = self.first + prompt * len(images) + variation
            # Another process may have taken the number since: then one behind all of this list.
            numbers = itertools.count(number, len(self.group_of) * len(images))
            paths = (self.folder / f"{self.stem}_{number:05}_{name}.png" for number in numbers)
            names.append(self._put(paths, self._writer(image, record, prompt)).name)
        return names

    def _settings_of(self, prompt: int) -> SamplerSettings:
        """The settings, with the prompt's own seed where the list has seed offsets."""
        settings, offsets = self.settings, self.groups.seed_offsets
        if not offsets or not settings.has_own_seeds or settings.seed is None:
            return settings
        return replace(settings, seed=own_seed(settings.seed, offsets[prompt]))

    def _put(self, paths: Iterable[Path], write: Callable[[Path], object]) -> Path:
        """Write a file under the first of some names that is free."""
        return write_new(paths, write)

    def _texts(self, prompt: int) -> dict[str, str] | None:
        """The PNG texts of a prompt's files; None for no metadata at all."""
        return self.texts

    def _writer(self, image: torch.Tensor, record: ImageRecord, prompt: int) -> Callable[[Path], None]:
        """What writes one file."""
        picture, info, texts = tensor_to_picture(image), None, self._texts(prompt)
        if texts is not None:
            info = PngInfo()
            info.add_text("parameters", record.parameters(*picture.size))
            info.add_text("sage", record.as_json())
            if self.marks:
                info.add_text(MARK, mark_of(self.marks[prompt], record.variation - 1))
            for key, value in texts.items():
                info.add_text(key, value)
        return lambda path: picture.save(path, "PNG", pnginfo=info, compress_level=4)


def _joined(sampler: str | None, scheduler: str | None) -> str | None:
    """What is known of the two, with a space between; None where nothing is."""
    return " ".join(filter(None, (sampler, scheduler))) or None
