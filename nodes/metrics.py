"""SageMetrics."""

from __future__ import annotations

import math
from typing import Any

import comfy.utils
from comfy_api.latest import io

from ..sage_core.grouping.prompt_groups import check_groups
from ..sage_core.metrics.evaluate import evaluate
from ..sage_core.metrics.image_encoders import (
    ImageEncoder,
    demo_image_encoder,
    inception_encoder,
    open_clip_image_encoder,
)
from ..sage_core.metrics.report import evaluation_plot, evaluation_report
from ..sage_core.validation import check_choice
from .encoder_folder import FOLDER, encoder_model, model_name_input
from .sockets import CATEGORY, groups_of_images, searched_as

SCORERS = ("demo", "open_clip")


class Metrics(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageMetrics",
            display_name="SAGE Metrics",
            category=CATEGORY,
            **searched_as("clip score", "compare images", "similarity of images"),
            description=(
                "Measures how well images fit their prompts, how different the images of a group are, and how far "
                "all images are from reference images. Nothing is downloaded."
            ),
            inputs=[
                io.Image.Input("images", tooltip="The decoded images of a SAGE sampler: prompt 1 first."),
                groups_of_images(),
                io.Combo.Input(
                    "scorer", options=list(SCORERS), default="demo", optional=True,
                    tooltip="The network that looks at the images. demo knows the drawings of the SAGE Demo Model "
                    "only. open_clip is for all other images and needs a model file.",
                ),
                model_name_input("open_clip_model", "open_clip"),
                io.Image.Input(
                    "reference", optional=True,
                    tooltip="Other images, to measure the distance to them. For example, the same prompts rendered "
                    "one by one.",
                ),
                io.String.Input(
                    "inception_weights", default="", optional=True,
                    tooltip=f"For a real FID: a file with torch-fidelity's Inception weights in models/{FOLDER}. "
                    "Empty: the distance is measured with the scorer's own features.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="report",
                    tooltip="Every figure, with its network, number of images and definition.",
                ),
                io.Image.Output(display_name="plot", tooltip="Score and diversity of every group."),
                io.Float.Output(display_name="score", tooltip="Mean image-text score, 0 to 100."),
                io.Float.Output(
                    display_name="diversity",
                    tooltip="Mean diversity within the groups. 0 if no group has two prompts.",
                ),
                io.Float.Output(
                    display_name="distance",
                    tooltip="Fréchet distance to the reference images. 0 without them.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images: Any, groups: Any, scorer: str = "demo", open_clip_model: str = "", reference: Any = None,
        inception_weights: str = "",
    ) -> io.NodeOutput:  # fmt: skip
        check_groups(groups)
        check_choice("scorer", scorer, SCORERS)
        if inception_weights and reference is None:
            raise ValueError("inception_weights: a distance needs reference images, got none.")
        image_encoder = scorer_network(scorer, open_clip_model)
        inception = _inception(inception_weights)
        encodings = len(images) * (2 if inception else 1) + (0 if reference is None else len(reference))
        bar = comfy.utils.ProgressBar(encodings)
        evaluation = evaluate(groups, images, image_encoder, reference, inception, bar.update_absolute)
        distance = evaluation.distance.frechet if evaluation.distance else 0.0
        numbers = [0.0 if math.isnan(x) else x for x in (evaluation.score, evaluation.diversity, distance)]
        return io.NodeOutput(evaluation_report(evaluation), evaluation_plot(evaluation), *numbers)


def scorer_network(name: str, open_clip_model: str) -> ImageEncoder:
    """The network that scores."""
    if name == "demo":
        return demo_image_encoder()
    return open_clip_image_encoder(encoder_model(open_clip_model, "open_clip_model"))


def _inception(name: str) -> ImageEncoder | None:
    """Inception v3 by the name of its file; None without one."""
    return inception_encoder(encoder_model(name, "inception_weights")) if name else None


NODES = [Metrics]
