"""SageComparisonGrid, SageSaveImages and SageBranchSave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.utils
import torch
from comfy.cli_args import args
from comfy_api.latest import io, ui

from nodes import VAEDecode  # type: ignore[attr-defined]  # ComfyUI's; the type checker finds ours

from ..routes.node_progress import PROGRESS_HIDDEN, progress_sender
from ..sage_core.grouping.prompt_groups import PromptGroups, check_groups
from ..sage_core.images.comparison_grid import comparison_grid
from ..sage_core.images.graph_settings import read_sampler_settings, stated_variations
from ..sage_core.images.png_files import ImageFiles
from ..sage_core.images.saveable import check_pictures, variations_to_save
from ..sage_core.panels.sampling import sampling_monitor
from ..sage_core.sampling.ksampler import sample_branch
from ..sage_core.sampling.prefix import check_prefix
from ..sage_core.socket_values import check_vae_channels
from .graph import output_type, place_in_graph
from .output_path import check_output_prefix, output_path
from .samplers import branch_inputs, report_output
from .sockets import CATEGORY, Groups

_MORE = tuple(f"images_{number}" for number in range(2, 9))


class ComparisonGrid(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageComparisonGrid",
            display_name="SAGE Comparison Grid",
            category=CATEGORY,
            description=(
                "All images in one picture: each group in a frame of its own colour, each image below its prompt. "
                "Prompts that were rendered in several ways are side by side."
            ),
            inputs=[
                Groups.Input("groups", tooltip="From Semantic Group Prompts: which image has which prompt."),
                io.Image.Input("images", tooltip="All prompts, rendered in one way."),
                io.String.Input(
                    "titles", multiline=True, default="", optional=True, dynamic_prompts=False,
                    tooltip="A title for each way, one per line, in the order of the inputs.",
                ),
                io.Int.Input(
                    "image_size", default=0, min=0, max=2048, optional=True,
                    tooltip="Longest side of an image in the grid, in pixels. 0 keeps the size of the images, or "
                    "makes them smaller if there are too many for one picture.",
                ),
                *(
                    io.Image.Input(name, optional=True, tooltip="The same prompts, rendered in another way.")
                    for name in _MORE
                ),
            ],
            outputs=[io.Image.Output(display_name="grid", tooltip="One picture.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, groups: Any, images: Any, titles: str = "", image_size: int = 0, **more: Any) -> io.NodeOutput:
        check_groups(groups)
        batches = {"images": images, **{name: more[name] for name in _MORE if more.get(name) is not None}}
        return io.NodeOutput(comparison_grid(groups, batches, titles.splitlines(), image_size))


# What a node has to know to write into its files how they were made.
_NAMED = [io.Hidden.prompt, *PROGRESS_HIDDEN]
# The most images that a node shows on the page: the browser has to load them all.
_MOST_SHOWN = 256


def _file_names() -> io.String.Input:
    return io.String.Input(
        "filename_prefix", default="SAGE/image",
        tooltip="How every file name starts. A / makes folders inside the output folder. Number, group and prompt "
        "follow. %year%, %month%, %day% and %width% work as in Save Image.",
    )  # fmt: skip


class _Saver:
    """Saves the images of prompts and keeps the file names for the page."""

    def __init__(self, hidden: Any, socket: str, groups: PromptGroups, filename_prefix: str) -> None:
        """Prepare the saving of some groups' images.

        Args:
            socket: the input from which the sampler's settings are found in the graph.
        """
        self.hidden, self.socket, self.groups, self.filename_prefix = hidden, socket, groups, filename_prefix
        self.files: ImageFiles | None = None
        self.subfolder = ""
        self.names: dict[int, list[str]] = {}

    def save(self, prompt: int, images: torch.Tensor) -> None:
        """Save all images of a prompt, (variations, height, width, channels)."""
        if self.files is None:  # not before: the images' size may be in the names
            self.files = self._files(*images.shape[1:3])
        self.names[prompt] = self.files.save(prompt, images)

    def shown(self) -> ui.SavedImages:
        """The saved files for the node's output, in the order of the prompts."""
        names = [name for prompt in sorted(self.names) for name in self.names[prompt]]
        shown = names[:_MOST_SHOWN]
        return ui.SavedImages([ui.SavedResult(name, self.subfolder, io.FolderType.output) for name in shown])

    def _files(self, height: int, width: int) -> ImageFiles:
        """Where and with which metadata images of a size are saved."""
        graph = self.hidden.prompt
        folder, stem, first, self.subfolder = output_path(self.filename_prefix, width, height)
        texts = {**({"prompt": graph} if graph else {}), **(self.hidden.extra_pnginfo or {})}
        settings = read_sampler_settings(graph, self.hidden.unique_id, self.socket)
        return ImageFiles(self.groups, settings, folder, stem, first, None if args.disable_metadata else texts)


class SaveImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSaveImages",
            display_name="SAGE Save Images",
            category=CATEGORY,
            description=(
                "Saves every image as a PNG, named after its prompt. The metadata has the image's own prompt, group, "
                "seed and settings, so that galleries show the right prompt. It also has the workflow."
            ),
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="The decoded images of a SAGE sampler, all of them: prompt 1 first. For videos, or for "
                    "some of the images, use Split by Prompt and ComfyUI's own nodes that save.",
                ),
                Groups.Input("groups", tooltip="From Semantic Group Prompts: which image has which prompt."),
                _file_names(),
            ],
            hidden=_NAMED,
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, images: Any, groups: Any, filename_prefix: str) -> io.NodeOutput:
        check_groups(groups)
        stated = stated_variations(*place_in_graph(cls.hidden), output_type)
        variations = variations_to_save(images, len(groups.prompts), stated)
        saver = _Saver(cls.hidden, "images", groups, filename_prefix)
        bar = comfy.utils.ProgressBar(len(images))
        # No live previews: the page would go on to show the last one in place of the saved images.
        for prompt, its_images in enumerate(images.split(variations)):
            saver.save(prompt, its_images)
            bar.update(variations)
        return io.NodeOutput(ui=saver.shown())


class BranchSave(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageBranchSave",
            display_name="SAGE Branch and Save",
            category=CATEGORY,
            description=(
                "Branch KSampler, VAE Decode and SAGE Save Images in one node, for long lists. Every image is saved "
                "as soon as it is finished, and its memory is freed. A stopped run keeps the images that it has "
                "saved, and the memory for images does not grow with the list."
            ),
            inputs=[
                *branch_inputs(),
                io.Vae.Input("vae", tooltip="Decodes the latents."),
                _file_names(),
            ],
            outputs=[report_output()],
            hidden=_NAMED,
            is_output_node=True,
        )

    @classmethod
    def execute(cls, model: Any, prefix: Any, vae: Any, filename_prefix: str) -> io.NodeOutput:
        check_prefix(prefix)
        check_pictures(prefix.latent["samples"])
        check_vae_channels(vae, prefix.model["latent channels"])
        check_output_prefix(filename_prefix)
        saver = _Saver(cls.hidden, "prefix", prefix.groups, filename_prefix)

        def finished(prompts: Sequence[int], latents: Any) -> None:
            images = VAEDecode().decode(vae, {"samples": latents})[0]
            for prompt in prompts:
                saver.save(prompt, images)

        _, report = sample_branch(model, prefix, sampling_monitor(progress_sender(cls.hidden)), finished)
        return io.NodeOutput(report, ui=saver.shown())


NODES = [ComparisonGrid, SaveImages, BranchSave]
