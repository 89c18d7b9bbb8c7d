"""SageDemoModel and SageDemoImages."""

from __future__ import annotations

from comfy_api.latest import io

from ..sage_core.demo.images import load_demo_images
from ..sage_core.demo.model import load_demo_model
from ..sage_core.demo.video import load_demo_video_model
from ..sage_core.validation import check_choice
from .sockets import CATEGORY

_LOADERS = {"pictures": load_demo_model, "video clips": load_demo_video_model}


class DemoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageDemoModel",
            display_name="SAGE Demo Model",
            category=CATEGORY,
            description=(
                "A tiny text-to-image model that comes with the pack, to try things without a download. It draws "
                "scenes of 128 x 128 pixels ('a small red car on the left in the snow') in a fraction of a second on "
                "a CPU. It also makes short video clips."
            ),
            inputs=[
                io.Combo.Input(
                    "kind",
                    options=list(_LOADERS),
                    default=next(iter(_LOADERS)),
                    optional=True,
                    tooltip=(
                        "What it makes. Video clips have 6 frames and one thing that moves ('a red balloon at "
                        "sunset' rises): connect an empty video latent of 128 x 128 and length 21, such as "
                        "EmptyHunyuanLatentVideo."
                    ),
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="A rectified-flow MMDiT of the Stable Diffusion 3 family."),
                io.Clip.Output(tooltip="Its text encoder; it knows about fifty words."),
                io.Vae.Output(tooltip="Its autoencoder: 16 channels; a latent pixel is 8 x 8 pixels."),
            ],
        )

    @classmethod
    def execute(cls, kind: str = next(iter(_LOADERS))) -> io.NodeOutput:
        check_choice("kind", kind, tuple(_LOADERS))
        return io.NodeOutput(*_LOADERS[kind]())


class DemoImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageDemoImages",
            display_name="SAGE Demo Images",
            category=CATEGORY,
            description=(
                "32 small pictures with captions that come with the pack, to train on. Their style is new to the "
                "demo model. For your own pictures, use Load Image-Text (from Folder)."
            ),
            outputs=[
                io.Image.Output(
                    display_name="images",
                    is_output_list=True,
                    tooltip="The pictures, one by one. For Make Training Dataset.",
                ),
                io.String.Output(display_name="texts", is_output_list=True, tooltip="Their captions, one by one."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*load_demo_images())


NODES = [DemoModel, DemoImages]
