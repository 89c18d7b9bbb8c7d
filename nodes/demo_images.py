"""SageDemoImages."""

from comfy_api.latest import io

from ..sage_core.demo_images import load_demo_images
from .types import CATEGORY


class DemoImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageDemoImages",
            display_name="SAGE Demo Images",
            category=CATEGORY,
            description=(
                "32 small captioned pictures that come with the pack, in a style that the demo model does not know: "
                "something to train on. For your own, take Load Image-Text (from Folder)."
            ),
            outputs=[
                io.Image.Output(
                    display_name="images", is_output_list=True, tooltip="For Make Training Dataset, one by one."
                ),
                io.String.Output(display_name="texts", is_output_list=True, tooltip="Their captions, one by one."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*load_demo_images())
