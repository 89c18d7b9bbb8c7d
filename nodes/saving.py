"""SageSaveImages."""

from __future__ import annotations

from typing import Any

import comfy.utils
from comfy.cli_args import args
from comfy_api.latest import io, ui

from ..sage_core.checks import check_groups
from ..sage_core.provenance import sampler_settings
from ..sage_core.saving import image_records, save_images
from .places import output_place
from .types import CATEGORY, Groups


class SaveImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSaveImages",
            display_name="SAGE Save Images",
            category=CATEGORY,
            description=(
                "Saves one PNG a prompt, named after it. Each has its own prompt, group, seed and settings in its "
                "metadata, so that galleries show the right prompt, and the workflow."
            ),
            inputs=[
                io.Image.Input("images", tooltip="What a SAGE sampler made, decoded: prompt 1 first."),
                Groups.Input("groups", tooltip="From Semantic Group Prompts: which image has which prompt."),
                io.String.Input(
                    "filename_prefix", default="SAGE/image",
                    tooltip="How every file's name starts; a / makes folders in the output folder. Number, group and "
                    "prompt follow. As in Save Image, %year%, %month%, %day% and %width% can be used.",
                ),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, images: Any, groups: Any, filename_prefix: str) -> io.NodeOutput:
        check_groups(groups)
        graph, extra = cls.hidden.prompt, cls.hidden.extra_pnginfo or {}
        records = image_records(groups, images, sampler_settings(graph, cls.hidden.unique_id))
        height, width = images.shape[1:3]
        folder, stem, first, subfolder = output_place(filename_prefix, width, height)
        texts = None if args.disable_metadata else {**({"prompt": graph} if graph else {}), **extra}
        bar = comfy.utils.ProgressBar(len(records))
        # No live previews: the page would go on to show the last one in place of the saved images.
        names = save_images(images, records, folder, stem, first, texts, bar.update_absolute)
        results = [ui.SavedResult(name, subfolder, io.FolderType.output) for name in names]
        return io.NodeOutput(ui=ui.SavedImages(results))
