"""SageSemanticGroupPrompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
from comfy_api.latest import io

from ..routes.group_preview import keep_grouping
from ..routes.node_progress import PROGRESS_HIDDEN
from ..sage_core.grouping.build import build_prompt_groups
from ..sage_core.grouping.pins import parse_pins
from ..sage_core.grouping.prompt_groups import CONDITION_MODES
from ..sage_core.grouping.report import grouping_report
from ..sage_core.grouping.threshold import THRESHOLD_MODES
from ..sage_core.images.heatmap import similarity_image
from ..sage_core.panels.groups import panel_payload
from ..sage_core.prompts.files import SUFFIXES, read_prompts
from ..sage_core.prompts.parser import has_prompts, parse_prompts
from ..sage_core.prompts.text_encoders import ENCODERS
from .encoder_folder import FOLDER, load_embedder
from .sockets import CATEGORY, Groups

_NO_FILE = "none"
_EXAMPLE = """# a prompt a line; {a|b} makes every combination
a {red|blue|green} car in the {snow|desert}
a small {white|yellow} boat on the sea"""


class SemanticGroupPrompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSemanticGroupPrompts",
            display_name="Semantic Group Prompts",
            category=CATEGORY,
            description=(
                "Encodes a list of prompts and groups those that mean nearly the same, so that a SAGE sampler can "
                "run the first steps once a group."
            ),
            hidden=PROGRESS_HIDDEN,
            is_output_node=True,  # can be run alone; and a cached run fills the panel of a page that was just opened
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of your model. It encodes every prompt."),
                io.String.Input(
                    "prompts", multiline=True, dynamic_prompts=False, default=_EXAMPLE,
                    tooltip="One prompt a line. Blank lines and lines that start with # are skipped. Words in "
                    "braces with bars between them are alternatives: every combination becomes a prompt. A backslash "
                    "makes a plain brace.",
                ),
                io.Combo.Input(
                    "encoder", options=list(ENCODERS), default="clip",
                    tooltip="What measures how alike prompts are: the connected CLIP, or a sentence or open_clip "
                    f"model in models/{FOLDER}.",
                ),
                io.Combo.Input(
                    "threshold_mode", options=list(THRESHOLD_MODES), default="auto",
                    tooltip="auto finds a threshold that fits these prompts and this encoder; fixed uses the "
                    "number below. Good numbers differ much between encoders.",
                ),
                io.Float.Input(
                    "threshold", default=0.8, min=-1.0, max=1.0, step=0.01,
                    tooltip="For fixed: every pair in a group is at least this similar (cosine).",
                ),
                io.Int.Input(
                    "max_group_size", default=0, min=0, max=10000,
                    tooltip="The most different prompts in one group; 0 for no limit.",
                ),
                io.Combo.Input(
                    "group_condition", options=list(CONDITION_MODES), default="auto",
                    tooltip="What guides the shared steps: the mean of the members' embeddings, the most central "
                    "member alone (medoid), or all members' tokens in a row (concat). auto takes the mean, and "
                    "concat where an encoder's embeddings cannot be averaged.",
                ),
                io.Conditioning.Input(
                    "template", optional=True,
                    tooltip="A conditioning whose extras (guidance, ControlNet, area, time range) are applied to "
                    "every prompt. Its own text is not used.",
                ),
                io.String.Input(
                    "encoder_model", default="", optional=True,
                    tooltip=f"For sentence and open_clip: a folder or file in models/{FOLDER}. Empty takes "
                    "the only one there.",
                ),
                io.Combo.Input(
                    "prompt_file", options=[_NO_FILE, *_prompt_files()], default=_NO_FILE, optional=True,
                    tooltip="More prompts, after those above: a .txt file (written as above) or a .csv file (column "
                    "'prompt', or the first one, as it is) in the input folder. Press R if it is new there.",
                ),
                io.String.Input(
                    "pinned", default="", optional=True,
                    tooltip="Prompts that you moved to another group in the panel, as a JSON object of a "
                    "prompt and the prompt it stays with. One that stays with itself has its own group.",
                ),
                io.String.Input(
                    "shared_prompts", force_input=True, optional=True,
                    tooltip="Prompts of your own for the shared steps, one a line. Each is for the group that it is "
                    "most like, in place of what group_condition makes.",
                ),
            ],
            outputs=[
                Groups.Output(display_name="groups", tooltip="For the SAGE samplers and the SAGE Guider."),
                io.String.Output(display_name="report", tooltip="Every group with its prompts and similarities."),
                io.Image.Output(display_name="similarity", tooltip="Similarity of all pairs, ordered by group."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, prompt_file: str = _NO_FILE, **inputs: Any) -> Any:
        """A file that was changed is another input, though its name is the same."""
        path = None if prompt_file == _NO_FILE else _input_folder() / prompt_file
        return path.stat().st_mtime_ns if path is not None and path.is_file() else ""

    @classmethod
    def execute(
        cls, clip: Any, prompts: str, encoder: str, threshold_mode: str, threshold: float, max_group_size: int,
        group_condition: str, template: Any = None, encoder_model: str = "", prompt_file: str = _NO_FILE,
        pinned: str = "", shared_prompts: str = "",
    ) -> io.NodeOutput:  # fmt: skip
        pins = parse_pins(pinned)
        parsed = all_prompts(prompts, prompt_file)
        own = parse_prompts(shared_prompts) if has_prompts(shared_prompts) else ()
        embed, model_name = load_embedder(encoder, encoder_model)
        bar = comfy.utils.ProgressBar(len(set(parsed)))
        groups = build_prompt_groups(
            clip, parsed, encoder=encoder, embed=embed, threshold_mode=threshold_mode,
            threshold=threshold, max_group_size=max_group_size, pins=pins, group_condition=group_condition,
            shared_prompts=own, template=template, on_prompt=bar.update_absolute, encoder_model=model_name,
        )  # fmt: skip
        settings = {"threshold_mode": threshold_mode, "threshold": threshold, "max_group_size": max_group_size,
                    "pinned": pinned}  # fmt: skip
        run = panel_payload(groups, settings)
        made_of = {"prompts": prompts, "prompt_file": prompt_file, "encoder": encoder, "encoder_model": encoder_model}
        keep_grouping(cls.hidden, run, made_of)
        report, image = grouping_report(groups), similarity_image(groups)
        return io.NodeOutput(groups, report, image, ui={"sage_groups": [run]})


def _input_folder() -> Path:
    return Path(folder_paths.get_input_directory())


def _prompt_files() -> list[str]:
    folder = _input_folder()
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []


def all_prompts(prompts: str, file: str) -> tuple[str, ...]:
    """What is typed, then what is in the file; with a file nothing has to be typed."""
    if file == _NO_FILE:
        return parse_prompts(prompts)
    typed = parse_prompts(prompts) if has_prompts(prompts) else ()
    return (*typed, *read_prompts(_input_folder() / Path(file).name))


NODES = [SemanticGroupPrompts]
