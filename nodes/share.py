"""SageShare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from nodes import ConditioningZeroOut  # type: ignore[attr-defined]  # ComfyUI's; the type checker finds ours

from ..routes.node_progress import PROGRESS_HIDDEN, SHOWN_AGAIN, progress_sender, run_shown
from ..sage_core.grouping.build import COMPARED_BEFORE
from ..sage_core.grouping.conditionings import group_as_before, group_conditionings
from ..sage_core.grouping.prompt_groups import CONDITION_MODES, PromptGroups, check_groups
from ..sage_core.panels.sampling import sampling_monitor
from ..sage_core.sampling.share_patch import share_sampling
from ..sage_core.sharing.settings import SharingSettings
from .encoder_folder import FOLDER, load_embedder, model_name_input
from .grouping_inputs import compare_input, threshold_inputs
from .list_inputs import takes_lists
from .samplers import correction_input, latent_rows_input, reuse_input, share_input, share_mode_input
from .sockets import CATEGORY, Groups, searched_as

# What measures how similar prompts are; "own" is what the samplers call clip.
_ENCODERS = {"own": "clip", "sentence": "sentence", "open_clip": "open_clip"}


class ShareSampling(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageShare",
            display_name="Share Sampling",
            category=CATEGORY,
            **searched_as("sage", "multiple prompts", "batch prompts", "prompt list", "similar prompts", "storyboard"),
            description=(
                "Goes before any sampler. Takes a list of conditionings, one per prompt, from any encoder nodes, and "
                "gives the sampler one of each. The sampler then renders all prompts, and similar prompts share steps."
            ),
            is_input_list=True,
            inputs=[
                io.Model.Input("model", tooltip="The model of the sampler, with any patches or LoRAs."),
                io.Conditioning.Input(
                    "positive", tooltip="A list with one conditioning per prompt: from nodes that Prompt List runs "
                    "once per prompt.",
                ),
                io.Latent.Input(
                    "latent_image",
                    tooltip="One latent for all prompts, or a list with one per prompt. The output of an earlier "
                    "sampler has one per prompt already.",
                ),
                io.Conditioning.Input(
                    "negative", optional=True,
                    tooltip="One for all prompts, or a list with one per prompt. Without it the negative is an empty "
                    "(zeroed) conditioning.",
                ),
                io.String.Input(
                    "prompts", force_input=True, optional=True,
                    tooltip="The texts, from Prompt List: names for panels and files, and what a sentence encoder "
                    "compares.",
                ),
                Groups.Input(
                    "groups", optional=True,
                    tooltip="From an earlier Share Sampling or Semantic Group Prompts: the same prompts in the same "
                    "groups.",
                ),
                share_input(),
                share_mode_input(),
                correction_input(),
                latent_rows_input(),
                io.Combo.Input(
                    "encoder", options=list(_ENCODERS), default="own", optional=True,
                    tooltip="What measures how similar the prompts are: the conditionings' own embeddings, or a "
                    f"sentence or open_clip model in models/{FOLDER}, for the texts.",
                ),
                model_name_input("encoder_model", "sentence and open_clip"),
                *threshold_inputs(optional=True),
                io.Combo.Input(
                    "group_condition", options=list(CONDITION_MODES), default="auto", optional=True,
                    tooltip="What guides the shared steps: mean, medoid or concat, as in Semantic Group Prompts.",
                ),
                compare_input(),
                reuse_input(),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For the sampler or guider, also of a second pass."),
                io.Conditioning.Output(
                    display_name="positive",
                    tooltip="For the sampler or guider whose model is from this node. It stands for all prompts.",
                ),
                io.Conditioning.Output(display_name="negative", tooltip="For the same sampler or guider."),
                io.Latent.Output(
                    display_name="latent",
                    tooltip="For the sampler: first all variations of prompt 1, then of prompt 2, and so on.",
                ),
                Groups.Output(
                    display_name="groups", tooltip="For what comes after: Split by Prompt, grids and files."
                ),
                io.String.Output(display_name="report", tooltip="The groups, and what the sampler gets."),
            ],
            hidden=PROGRESS_HIDDEN,
            **SHOWN_AGAIN,
        )  # fmt: skip

    @classmethod
    @takes_lists("positive", "negative", "latent_image", "prompts")
    def execute(
        cls, model: Any, positive: Sequence[Any], latent_image: Sequence[Any], share: float,
        negative: Sequence[Any] = (), prompts: Sequence[str] = (), groups: Any = None, share_mode: str = "auto",
        correction: str = "on", latent_rows: str = "auto", encoder: str = "own", encoder_model: str = "",
        reuse: bool = False, compare: str = COMPARED_BEFORE, **grouping: Any,
    ) -> io.NodeOutput:  # fmt: skip
        def group(conditionings: Sequence[Any]) -> PromptGroups:
            if groups is not None:
                check_groups(groups)
                return group_as_before(groups, conditionings)
            embed, name = load_embedder(_ENCODERS[encoder], encoder_model)
            return group_conditionings(
                conditionings, prompts, embed, encoder=_ENCODERS[encoder], encoder_model=name, compare=compare,
                **grouping,
            )  # fmt: skip

        out = share_sampling(
            model, positive, negative, latent_image, latent_rows=latent_rows,
            settings=SharingSettings(share, share_mode, correction, reuse), group=group,
            zeroed=lambda conditioning: ConditioningZeroOut().zero_out(conditioning)[0],
            make_listener=sampling_monitor(progress_sender(cls.hidden)),
        )  # fmt: skip
        return io.NodeOutput(*out, ui=run_shown(cls.hidden))


NODES = [ShareSampling]
