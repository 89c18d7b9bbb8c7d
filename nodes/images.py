"""SageComparisonGrid, SageSaveImages and SageBranchSave."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

import comfy.utils
from comfy_api.latest import io

from nodes import VAEDecode  # type: ignore[attr-defined]  # ComfyUI's; the type checker finds ours

from ..routes.node_progress import PROGRESS_HIDDEN, progress_sender, run_shown
from ..sage_core.graph import recipe
from ..sage_core.grouping.prompt_groups import check_groups
from ..sage_core.images.comparison_grid import comparison_grid
from ..sage_core.images.graph_settings import stated_variations
from ..sage_core.images.saveable import check_pictures, not_saved, variations_to_save
from ..sage_core.panels.pictures import panel_of
from ..sage_core.panels.sampling import sampling_monitor
from ..sage_core.phrases import counted
from ..sage_core.sampling.ksampler import sample_each
from ..sage_core.sampling.picture_marks import picture_marks
from ..sage_core.sampling.prefix import check_prefix
from ..sage_core.socket_values import check_vae_channels
from .graph import output_type, place_in_graph
from .image_saver import ImageSaver
from .output_path import prefix_refusal
from .samplers import branch_inputs, report_output
from .sockets import CATEGORY, groups_of_images, searched_as
from .workers import THIS_MACHINE, WORKERS, render_on_workers, run_on_input

log = logging.getLogger(__name__)

_MORE = tuple(f"images_{number}" for number in range(2, 9))


class ComparisonGrid(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageComparisonGrid",
            display_name="SAGE Comparison Grid",
            category=CATEGORY,
            **searched_as("xy plot", "image grid", "contact sheet", "compare images"),
            description=(
                "All images in one picture: each group in a frame of its own colour, each image below its prompt. "
                "Prompts that were rendered in several ways are side by side."
            ),
            inputs=[
                groups_of_images(),
                io.Image.Input("images", tooltip="All prompts, rendered in one way."),
                io.String.Input(
                    "titles", multiline=True, default="", optional=True, dynamic_prompts=False,
                    tooltip="A title for each way, one per line, in the order of the inputs.",
                ),
                io.Int.Input(
                    "image_size", default=0, min=0, max=2048, optional=True,
                    tooltip="Longest side of an image in the grid, in pixels. 0 keeps the size of the images, or "
                    "makes them smaller if there are too many for one picture. A grid has at most 100 megapixels: if "
                    "it would have more, its images are smaller.",
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
        bar = comfy.utils.ProgressBar(len(groups.prompts))  # where ComfyUI stops a node that the user cancels
        return io.NodeOutput(comparison_grid(groups, batches, titles.splitlines(), image_size, bar.update_absolute))


# What a node has to know to write into its files how they were made.
_NAMED = [io.Hidden.prompt, *PROGRESS_HIDDEN]


def _file_names() -> io.String.Input:
    return io.String.Input(
        "filename_prefix", default="SAGE/image",
        tooltip="How every file name starts. A / makes folders inside the output folder. Number, group and prompt "
        "follow. %date:yyyy-MM-dd%, %KSampler.seed%, %width% and the other tokens of Save Image work here too.",
    )  # fmt: skip


def _workflow() -> io.Boolean.Input:
    return io.Boolean.Input(
        "workflow", default=True, optional=True,
        tooltip="On: every file has the whole workflow, with all prompts of the list. Drop a file on the canvas to get "
        "it back. Off: every file has only its own prompt and settings.",
    )  # fmt: skip


class SaveImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSaveImages",
            display_name="SAGE Save Images",
            category=CATEGORY,
            **searched_as("save batch", "file per prompt"),
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
                groups_of_images(),
                _file_names(),
                _workflow(),
            ],
            hidden=_NAMED,
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None = None) -> bool | str:
        return prefix_refusal(filename_prefix)

    @classmethod
    def execute(cls, images: Any, groups: Any, filename_prefix: str, workflow: bool = True) -> io.NodeOutput:
        check_groups(groups)
        stated = stated_variations(*place_in_graph(cls.hidden), output_type)
        variations = variations_to_save(images, len(groups.prompts), stated)
        saver = ImageSaver(cls.hidden, "images", groups, filename_prefix, workflow=workflow)
        bar = comfy.utils.ProgressBar(len(images))
        # No live previews: the page would go on to show the last one in place of the saved images.
        for prompt, its_images in enumerate(images.split(variations)):
            saver.save(prompt, its_images)
            bar.update(variations)
        saver.show_on(panel_of(*place_in_graph(cls.hidden), output_type), images.shape[2] / images.shape[1])
        if saver.broken:
            raise ValueError(f"images: {not_saved(groups.prompts, saver.broken)} All others are saved.")
        return io.NodeOutput(ui=saver.shown())


def check_branch(prefix: Any, vae: Any) -> None:
    """Check that the rows of a prefix can be decoded to pictures.

    Raises:
        ValueError: they cannot; names the input.
    """
    check_prefix(prefix)
    check_pictures(prefix.latent["samples"])
    check_vae_channels(vae, prefix.model["latent channels"])


def picture_size(prefix: Any, vae: Any) -> tuple[int, int]:
    """Height and width of the pictures of a prefix."""
    height, width = (side * vae.spacial_compression_decode() for side in prefix.job.latent_image.shape[-2:])
    return height, width


def save_each(
    model: Any, prefix: Any, vae: Any, save: Callable[[int, Any], object], hidden: Any, kept: Collection[int]
) -> str:
    """Sample the rest of the steps, and save the pictures of every prompt as soon as they are finished.

    Args:
        save: gets a prompt and its pictures.
        hidden: of the node that runs.
        kept: prompts that are not to be saved.

    Returns:
        The report.
    """

    def finished(its_prompts: Sequence[int], latents: Any) -> None:
        missing = [prompt for prompt in its_prompts if prompt not in kept]
        if missing:
            images = VAEDecode().decode(vae, {"samples": latents})[0]
            for prompt in missing:
                save(prompt, images)

    return sample_each(model, prefix, finished, sampling_monitor(progress_sender(hidden)), kept)


class BranchSave(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageBranchSave",
            display_name="SAGE Branch and Save",
            category=CATEGORY,
            **searched_as("save batch", "file per prompt"),
            description=(
                "Branch KSampler, VAE Decode and SAGE Save Images in one node, for long lists. Every image is saved "
                "as soon as it is finished, and its memory is freed. A stopped run keeps the images that it has "
                "saved, and the memory for images does not grow with the list."
            ),
            inputs=[
                *branch_inputs(lazy=True),
                io.Vae.Input("vae", lazy=True, tooltip="Decodes the latents."),
                _file_names(),
                _workflow(),
                io.Boolean.Input(
                    "render_all",
                    default=False,
                    optional=True,
                    tooltip="Off: images that are in the folder already, from a run with the same prompts, seed and "
                    "settings that you stopped, are kept. Only the missing ones are rendered. On: all are rendered "
                    "again, beside the old ones.",
                ),
                run_on_input(),
            ],
            outputs=[report_output()],
            hidden=_NAMED,
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None = None) -> bool | str:
        return prefix_refusal(filename_prefix)

    @classmethod
    def check_lazy_status(cls, run_on: str = THIS_MACHINE, **inputs: Any) -> list[str]:
        """What has to run before this node: nothing, where workers do all."""
        return [] if run_on == WORKERS else [name for name in ("model", "prefix", "vae") if inputs.get(name) is None]

    @classmethod
    def execute(
        cls, model: Any, prefix: Any, vae: Any, filename_prefix: str, workflow: bool = True, render_all: bool = False,
        run_on: str = THIS_MACHINE,
    ) -> io.NodeOutput:  # fmt: skip
        if run_on == WORKERS:
            return render_on_workers(cls.hidden, filename_prefix, render_all=render_all)
        check_branch(prefix, vae)
        prompts, variations = prefix.groups.prompts, prefix.job.variations
        saver = ImageSaver(cls.hidden, "prefix", prefix.groups, filename_prefix, workflow=workflow)
        height, width = picture_size(prefix, vae)
        graph, node = place_in_graph(cls.hidden)
        if graph is not None and node is not None:
            saver.marks = picture_marks(prefix, recipe(graph, node))
        if not render_all:
            saver.find_finished(variations, height, width)
        kept = frozenset(saver.names)
        saver.check_room((len(prompts) - len(kept)) * variations, height, width)

        report = save_each(model, prefix, vae, saver.save, cls.hidden, kept)
        saver.show_on(node, width / height)
        if kept:
            report += f"\n- {counted(len(kept), 'prompt')}: finished by an earlier run, files kept"
        if saver.broken:
            warning = not_saved(prompts, saver.broken)
            log.warning("SAGE: %s", warning)
            report += f"\n\nWarning: {warning}"
        return io.NodeOutput(report, ui={**saver.shown().as_dict(), **run_shown(cls.hidden)})


NODES = [ComparisonGrid, SaveImages, BranchSave]
