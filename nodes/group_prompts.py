"""SageSemanticGroupPrompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.utils
from comfy_api.latest import io

from ..routes.group_preview import keep_grouping
from ..routes.node_progress import PROGRESS_HIDDEN
from ..sage_core.conditioning.template_source import check_template_source
from ..sage_core.grouping.build import COMPARED_BEFORE, build_prompt_groups
from ..sage_core.grouping.pins import parse_pins
from ..sage_core.grouping.prompt_groups import CONDITION_MODES
from ..sage_core.grouping.report import grouping_report
from ..sage_core.images.heatmap import similarity_image
from ..sage_core.panels.groups import panel_payload
from ..sage_core.prompts.chosen import only_chosen
from ..sage_core.prompts.notes import unused_notes
from ..sage_core.prompts.parser import parse_items
from ..sage_core.prompts.text_encoders import ENCODERS
from .encoder_folder import FOLDER, load_embedder, model_name_input
from .graph import gives_list, output_type, place_in_graph
from .grouping_inputs import compare_input, threshold_inputs
from .list_inputs import takes_lists
from .prompt_inputs import (
    NO_FILE,
    all_prompts,
    chosen_input,
    prompt_file_input,
    prompts_fingerprint,
    prompts_input,
    wildcards,
)
from .sockets import CATEGORY, Groups, searched_as


class SemanticGroupPrompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSemanticGroupPrompts",
            display_name="Semantic Group Prompts",
            category=CATEGORY,
            **searched_as(
                "sage", "prompt list", "multiple prompts", "batch prompts", "wildcard", "similar prompts", "clusters"
            ),
            description=(
                "Encodes a list of prompts and puts those that mean nearly the same into groups. A SAGE sampler then "
                "renders similar prompts together, with fewer evaluations."
            ),
            hidden=[io.Hidden.prompt, *PROGRESS_HIDDEN],
            is_input_list=True,
            is_output_node=True,  # so that it can run alone, and a cached run fills the panel of a new page
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of your model. It encodes every prompt."),
                prompts_input(),
                io.Combo.Input(
                    "encoder", options=list(ENCODERS), default="clip",
                    tooltip="What measures how similar the prompts are: the connected CLIP, or a sentence or "
                    f"open_clip model in models/{FOLDER}.",
                ),
                *threshold_inputs(),
                io.Combo.Input(
                    "group_condition", options=list(CONDITION_MODES), default="auto",
                    tooltip="What guides the shared steps: mean (of the members' embeddings), medoid (the most "
                    "central member alone) or concat (the tokens of all members in a row). auto takes medoid with "
                    "correction; without, mean, and concat where the embeddings of an encoder cannot be averaged.",
                ),
                io.Conditioning.Input(
                    "template", optional=True,
                    tooltip="A conditioning. Its extras (guidance, ControlNet, area, time range) are applied to "
                    "every prompt; its own text is not used. For lyrics, style tokens, pictures in the text, or a text "
                    "for each area, use Share Sampling instead.",
                ),
                model_name_input("encoder_model", "sentence and open_clip"),
                prompt_file_input("The numbers of a column 'seed offset' are added to the sampler's seed. "),
                io.String.Input(
                    "pinned", default="", optional=True,
                    tooltip="Prompts that you moved to another group in the panel. A JSON object: each prompt, and "
                    "the prompt that it stays with. A prompt that stays with itself has a group of its own.",
                ),
                io.String.Input(
                    "shared_prompts", force_input=True, optional=True,
                    tooltip="Your own prompts for the shared steps, one per line. Each is used for the group that it "
                    "is most similar to, in place of the group_condition.",
                ),
                compare_input(),
                chosen_input(),
            ],
            outputs=[
                Groups.Output(display_name="groups", tooltip="For the SAGE samplers and the SAGE Guider."),
                io.String.Output(display_name="report", tooltip="Every group with its prompts and similarities."),
                io.Image.Output(
                    display_name="similarity",
                    tooltip="Heat map: the similarity of all pairs, ordered by group.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    @takes_lists("prompts")
    def fingerprint_inputs(cls, prompts: Sequence[Any] = (), prompt_file: str | None = NO_FILE, **inputs: Any) -> Any:
        return prompts_fingerprint(prompts, prompt_file, inputs.get("shared_prompts", ""))

    @classmethod
    @takes_lists("prompts")
    def execute(
        cls, clip: Any, prompts: list[str], encoder: str, threshold_mode: str, threshold: float, max_group_size: int,
        group_condition: str, template: Any = None, encoder_model: str = "", prompt_file: str = NO_FILE,
        pinned: str = "", shared_prompts: str = "", compare: str = COMPARED_BEFORE, chosen: str = "",
    ) -> io.NodeOutput:  # fmt: skip
        check_template_source(*place_in_graph(cls.hidden), output_type)
        pins = parse_pins(pinned)
        whole = all_prompts(prompts, prompt_file, as_they_are=gives_list(cls.hidden, "prompts"))
        listed = only_chosen(whole, chosen)
        own = parse_items([shared_prompts], wildcards(), required=False, name="shared_prompts")
        embed, model_name = load_embedder(encoder, encoder_model)
        bar = comfy.utils.ProgressBar(len(set(listed.texts)))
        groups = build_prompt_groups(
            clip, listed.texts, encoder=encoder, embed=embed, threshold_mode=threshold_mode,
            threshold=threshold, max_group_size=max_group_size, pins=pins, group_condition=group_condition,
            shared_prompts=own.texts, template=template, on_prompt=bar.update_absolute, encoder_model=model_name,
            compare=compare, notes=(*listed.notes, *unused_notes(listed.prompts), *own.notes),
            seed_offsets=listed.seed_offsets, whole_list=whole.texts,
        )  # fmt: skip
        settings = {"threshold_mode": threshold_mode, "threshold": threshold, "max_group_size": max_group_size,
                    "pinned": pinned}  # fmt: skip
        run = panel_payload(groups, settings)
        made_of = {"prompts": "\n".join(prompts), "prompt_file": prompt_file, "encoder": encoder,
                   "encoder_model": encoder_model, "compare": compare, "chosen": chosen}  # fmt: skip
        keep_grouping(cls.hidden, run, made_of)
        report, image = grouping_report(groups), similarity_image(groups)
        return io.NodeOutput(groups, report, image, ui={"sage_groups": [{**run, "made_of": made_of}]})


NODES = [SemanticGroupPrompts]
