"""Saves the images of prompts for a node, and keeps the file names for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from comfy.cli_args import args
from comfy_api.latest import io, ui

from ..routes.node_progress import progress_sender
from ..sage_core.grouping.prompt_groups import PromptGroups
from ..sage_core.images.finished_files import finished_files, mark_of
from ..sage_core.images.graph_settings import read_sampler_settings
from ..sage_core.images.png_files import ImageFiles
from ..sage_core.output_space import check_room
from ..sage_core.panels.pictures import MOST_FILES, finished_pictures
from .output_path import output_path, output_prefix

# Bytes that a pixel takes in a PNG, at least: half of what it has.
_BYTES_PER_PIXEL = 1.5


def saved_images(files: Mapping[int, Sequence[str]], subfolder: str) -> ui.SavedImages:
    """Files of the output folder for a node's output, in the order of their prompts; of very many the first."""
    names = [name for prompt in sorted(files) for name in files[prompt]]
    return ui.SavedImages([ui.SavedResult(name, subfolder, io.FolderType.output) for name in names[:MOST_FILES]])


class ImageSaver:
    """Saves the images of prompts.

    Attributes:
        marks: of every prompt, see `picture_marks`; empty where its files are not to be found again.
        kept: names of the files of an earlier run, by prompt and variation.
        names: of the files of every prompt that is saved.
        broken: prompts of which not all images could be saved, as they hold NaN or infinity.
    """

    def __init__(
        self, hidden: Any, socket: str, groups: PromptGroups, filename_prefix: str, *, workflow: bool = True
    ) -> None:
        """Prepare the saving of some groups' images.

        Args:
            hidden: of the node.
            socket: the input from which the sampler's settings are found in the graph.
            workflow: whether the files have the whole graph.

        Raises:
            ValueError: the prefix is no good name.
        """
        self.hidden, self.socket, self.groups, self.workflow = hidden, socket, groups, workflow
        self.prefix = output_prefix(filename_prefix, hidden)
        self.marks: Sequence[str] = ()
        self.files: ImageFiles | None = None
        self.first: int | None = None
        self.subfolder = ""
        self.kept: dict[tuple[int, int], str] = {}
        self.names: dict[int, list[str]] = {}
        self.broken: list[int] = []

    def check_room(self, images: int, height: int, width: int) -> None:
        """Check before they are made that so many images of a size can be saved.

        Raises:
            OSError: the folder cannot be written to, or the disk is too full.
        """
        folder, *_ = output_path(self.prefix, width, height)
        check_room(folder, round(images * height * width * _BYTES_PER_PIXEL))

    def find_finished(self, variations: int, height: int, width: int) -> None:
        """Take the files that an earlier run has saved, and its numbers for those that are missing."""
        folder, stem, _, self.subfolder = output_path(self.prefix, width, height)
        found = finished_files(folder, stem)
        for prompt, mark in enumerate(self.marks):
            for variation in range(variations):
                if (file := found.get(mark_of(mark, variation))) is not None:
                    self.kept[prompt, variation] = file.path.name
                    first = file.number - prompt * variations - variation
                    self.first = first if self.first is None else min(first, self.first)
            names = [
                self.kept[prompt, variation] for variation in range(variations) if (prompt, variation) in self.kept
            ]
            if len(names) == variations:
                self.names[prompt] = names

    def save(self, prompt: int, images: torch.Tensor) -> None:
        """Save all images of a prompt, (variations, height, width, channels)."""
        if self.files is None:  # not before: the images' size may be in the names
            self.files = self._files(*images.shape[1:3])
        self.names[prompt] = self.files.save(prompt, images)
        if len(self.names[prompt]) < len(images):
            self.broken.append(prompt)

    def shown(self) -> ui.SavedImages:
        """The saved files for the node's output, in the order of the prompts."""
        return saved_images(self.names, self.subfolder)

    def show_on(self, panel: str | None, aspect: float) -> None:
        """Send the saved files to the sampling panel of a node, where there is one.

        Args:
            aspect: width / height of the images.
        """
        send = None if panel is None else progress_sender(self.hidden, panel)
        if send is not None:
            whole = {prompt: names for prompt, names in self.names.items() if prompt not in self.broken}
            send(finished_pictures(self.groups, whole, self.subfolder, aspect))

    def _files(self, height: int, width: int) -> ImageFiles:
        """Where and with which metadata images of a size are saved."""
        graph = self.hidden.prompt
        folder, stem, first, self.subfolder = output_path(self.prefix, width, height)
        texts = {**({"prompt": graph} if graph else {}), **(self.hidden.extra_pnginfo or {})} if self.workflow else {}
        settings = read_sampler_settings(graph, self.hidden.unique_id, self.socket)
        return ImageFiles(
            self.groups, settings, folder, stem, first if self.first is None else self.first,
            None if args.disable_metadata else texts, self.marks, self.kept,
        )  # fmt: skip
