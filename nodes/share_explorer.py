"""SageShareExplorer."""

from __future__ import annotations

from functools import partial
from typing import Any

import comfy.utils
import torch
from comfy_api.latest import io, ui

from nodes import VAEDecode  # type: ignore[attr-defined]  # ComfyUI's; the type checker finds ours

from ..sage_core.explorer.explore import TextScore, explore, some_groups
from ..sage_core.explorer.report import exploration_grid, exploration_report, good_share
from ..sage_core.explorer.settings import parse_shares
from ..sage_core.grouping.prompt_groups import PromptGroups, check_groups
from ..sage_core.images.saveable import check_pictures
from ..sage_core.metrics.evaluate import evaluate
from ..sage_core.socket_values import check_vae_channels
from ..sage_core.validation import check_choice
from .encoder_folder import model_name_input
from .metrics import SCORERS, scorer_network
from .samplers import ksampler_inputs
from .sockets import CATEGORY

_NO_SCORER = "none"
_NO_VIDEOS = "Videos cannot be compared here."
# Longest side of a picture on the sheet: there are up to 37 of every prompt.
_GRID_SIZE = 192


class ShareExplorer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageShareExplorer",
            display_name="SAGE Share Explorer",
            category=CATEGORY,
            description=(
                "Finds a good share for your model, sampler and prompts. Renders some of your prompts alone, with "
                "several shares, and alone in as few steps as those cost; shows all of it in one picture, and says "
                "which setting is the cheapest that keeps the pictures."
            ),
            inputs=[
                *ksampler_inputs(),
                io.Vae.Input("vae", tooltip="Decodes the images, which are then compared."),
                io.String.Input(
                    "shares", default="0.2, 0.4, 0.6, 0.8",
                    tooltip="The shares to try, with commas between. Each is rendered without and with correction.",
                ),
                io.Float.Input(
                    "tolerance", default=0.03, min=0.0, max=1.0, step=0.005, round=0.001,
                    tooltip="How far the images may be from those of every prompt alone: root mean square of the "
                    "pixels, where 1 is from black to white. At 0.03 one has to look closely.",
                ),
                io.Int.Input(
                    "most_prompts", default=8, min=2, max=64,
                    tooltip="How many prompts are rendered, those of the largest groups first. All settings together "
                    "cost about eight times as much as these prompts alone.",
                ),
                io.Combo.Input(
                    "scorer", options=[_NO_SCORER, *SCORERS], default=_NO_SCORER, optional=True,
                    tooltip="A network that scores how well the images fit their prompts. demo knows the drawings of "
                    "the SAGE Demo Model only. open_clip needs a model file.",
                ),
                model_name_input("open_clip_model", "open_clip"),
            ],
            outputs=[
                io.Float.Output(
                    display_name="share",
                    tooltip="The largest share that keeps the images with correction on; 0 if none does. Connect it "
                    "to the share of your sampler, with share_mode fixed and correction on.",
                ),
                io.String.Output(display_name="report", tooltip="What to do, and the figures of every setting."),
                io.Image.Output(display_name="grid", tooltip="All images in one picture, a column for each setting."),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model: Any, groups: Any, negative: Any, latent_image: Any, vae: Any, shares: str, tolerance: float,
        most_prompts: int, scorer: str = _NO_SCORER, open_clip_model: str = "", **sampler: Any,
    ) -> io.NodeOutput:  # fmt: skip
        check_groups(groups)
        check_pictures(latent_image["samples"], "latent_image", _NO_VIDEOS)
        check_vae_channels(vae, model.get_model_object("latent_format").latent_channels)
        wanted, few = parse_shares(shares), some_groups(groups, most_prompts)
        bar = comfy.utils.ProgressBar(1)
        results = explore(
            model, few, negative, latent_image, wanted, decode=partial(_decode, vae),
            text_score=_text_score(few, scorer, open_clip_model), on_setting=bar.update_absolute, **sampler,
        )  # fmt: skip
        grid, report = exploration_grid(few, results, _GRID_SIZE), exploration_report(results, tolerance)
        share = good_share(results, tolerance)
        return io.NodeOutput(
            share, report, grid, ui={**ui.PreviewImage(grid, cls=cls).as_dict(), "sage_share": [share]}
        )


def _decode(vae: Any, samples: torch.Tensor) -> torch.Tensor:
    images: torch.Tensor = VAEDecode().decode(vae, {"samples": samples})[0]
    if len(images) != len(samples):
        raise ValueError(
            f"latent_image: expected latents of pictures, got {len(images)} images of {len(samples)} latents. "
            f"{_NO_VIDEOS}"
        )
    return images


def _text_score(groups: PromptGroups, scorer: str, open_clip_model: str) -> TextScore | None:
    """The mean score of images by a network; None where nobody scores."""
    check_choice("scorer", scorer, (_NO_SCORER, *SCORERS))
    if scorer == _NO_SCORER:
        return None
    network = scorer_network(scorer, open_clip_model)
    return lambda images: evaluate(groups, images, network).score


NODES = [ShareExplorer]
