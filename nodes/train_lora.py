"""SageTrainLora and SageSaveLora."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy_api.latest import io

from ..routes.node_progress import (
    PROGRESS_HIDDEN,
    SHOWN_AGAIN,
    STOP_REQUESTS,
    address_of,
    progress_sender,
    run_shown,
)
from ..sage_core.atomic_file import write_new
from ..sage_core.file_names import check_file_name
from ..sage_core.panels.training import training_monitor
from ..sage_core.training.adapters import ADAPTERS, LAYERS
from ..sage_core.training.lora_file import DTYPES, save_lora
from ..sage_core.training.objective import SOFT_TARGETS
from ..sage_core.training.optimizers import OPTIMIZERS, SCHEDULES
from ..sage_core.training.session import run_training
from .list_inputs import takes_lists
from .output_path import output_path, prefix_refusal
from .sockets import CATEGORY, Groups

LoraModel = io.Custom("LORA_MODEL")
LossMap = io.Custom("LOSS_MAP")
_PRECISIONS = ("auto", "bf16", "fp32")
_FOLDER = "sage_training"
_NONE = "[None]"  # as in ComfyUI's Train LoRA


class TrainLora(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageTrainLora",
            display_name="Train SAGE LoRA",
            category=CATEGORY,
            description=(
                "Trains a LoRA so that images which share their first steps still follow their own prompts. Stop it "
                "at any time: the next run with the same run_name continues from there."
            ),
            is_input_list=True,
            inputs=[
                io.Model.Input("model", tooltip="The model to train the LoRA for. It is not changed."),
                io.Latent.Input("latents", tooltip="The images, encoded: from Make Training Dataset or VAE Encode."),
                io.Conditioning.Input("positive", tooltip="Their captions, encoded: one per image, in the same order."),
                io.Int.Input(
                    "steps", default=500, min=1, max=1_000_000,
                    tooltip="How many times the LoRA's weights are updated.",
                ),
                io.Float.Input(
                    "learning_rate", default=1e-4, min=1e-7, max=1.0, step=1e-7, round=False,
                    tooltip="How much each step changes the weights. Too high: broken pictures. Too low: nothing is "
                    "learnt.",
                ),
                io.Int.Input(
                    "rank", default=16, min=1, max=1024,
                    tooltip="Size of the LoRA. A larger one can learn more and needs more memory.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF,
                    tooltip="Seed of all random numbers in the training.",
                ),
                io.String.Input(
                    "run_name", default="my_lora",
                    tooltip=f"Name of the training; it is kept in output/{_FOLDER}. The same name continues it.",
                ),
                Groups.Input(
                    "groups", optional=True,
                    tooltip="Which images belong together: from Semantic Group Prompts, with the captions in the "
                    "order of the images. Without it, the images are grouped by their encoded captions.",
                ),
                io.Conditioning.Input(
                    "negative", optional=True,
                    tooltip="The empty caption, encoded. For caption_dropout and for the sample images.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="For sample images during the training (see sample_every)."),
                io.Int.Input(
                    "batch_size", default=4, min=1, max=1024, optional=True,
                    tooltip="How many images each step uses at once.",
                ),
                io.Int.Input(
                    "accumulation", default=1, min=1, max=1024, optional=True,
                    tooltip="Batches per step. Has the effect of a larger batch_size, but needs more time instead of "
                    "more memory.",
                ),
                io.Float.Input(
                    "alpha", default=16.0, min=0.001, max=1024.0, step=0.5, optional=True,
                    tooltip="The strength of the LoRA is alpha / rank.",
                ),
                io.Combo.Input(
                    "adapter", options=list(ADAPTERS), default=ADAPTERS[0], optional=True,
                    tooltip="Kind of adapter: those that ComfyUI has.",
                ),
                io.Combo.Input(
                    "layers", options=list(LAYERS), default="attention and feed-forward", optional=True,
                    tooltip="Which layers of the model are trained.",
                ),
                io.Combo.Input(
                    "optimizer", options=list(OPTIMIZERS), default=OPTIMIZERS[0], optional=True,
                    tooltip="Adafactor needs less memory than AdamW.",
                ),
                io.Combo.Input(
                    "lr_schedule", options=list(SCHEDULES), default="cosine", optional=True,
                    tooltip="How the learning rate changes after the warm-up.",
                ),
                io.Int.Input(
                    "warmup_steps", default=20, min=0, max=100_000, optional=True,
                    tooltip="Number of steps at the start in which the learning rate rises.",
                ),
                io.Float.Input(
                    "weight_decay", default=0.01, min=0.0, max=1.0, step=0.001, optional=True,
                    tooltip="How strongly the weights are pulled towards zero.",
                ),
                io.Float.Input(
                    "gradient_clip", default=1.0, min=0.0, max=1000.0, step=0.1, optional=True,
                    tooltip="Largest length of the gradient. 0: no limit.",
                ),
                io.Float.Input(
                    "ema", default=0.0, min=0.0, max=0.9999, step=0.0001, round=False, optional=True,
                    tooltip="0.99 averages the weights of about the last 100 steps. 0 takes the weights of the last "
                    "step.",
                ),
                io.Float.Input(
                    "soft_weight", default=1.0, min=0.0, max=100.0, step=0.1, optional=True,
                    tooltip="Soft-target alignment: the shared steps aim at the middle of the group. 0: off.",
                ),
                io.Float.Input(
                    "consistency_weight", default=1.3, min=0.0, max=100.0, step=0.1, optional=True,
                    tooltip="Consistency: from the shared state, every prompt finds its own picture. 0: off. With "
                    "both weights at 0, this is plain fine-tuning.",
                ),
                io.Combo.Input(
                    "soft_target", options=list(SOFT_TARGETS), default=SOFT_TARGETS[0], optional=True,
                    tooltip="What the shared steps aim at. mean: the mean of the group. posterior: a mean in which "
                    "the pictures that still fit the noisy state count more.",
                ),
                io.Float.Input(
                    "shortest_share", default=0.1, min=0.0, max=1.0, step=0.05, optional=True,
                    tooltip="The smallest share that the LoRA is made for.",
                ),
                io.Float.Input(
                    "longest_share", default=0.7, min=0.0, max=1.0, step=0.05, optional=True,
                    tooltip="The largest share that the LoRA is made for.",
                ),
                io.Float.Input(
                    "min_snr", default=0.0, min=0.0, max=100.0, step=0.5, optional=True,
                    tooltip="Min-SNR weighting (5 is usual): nearly clean states count less. 0: off.",
                ),
                io.Float.Input(
                    "caption_dropout", default=0.1, min=0.0, max=1.0, step=0.05, optional=True,
                    tooltip="How often the empty caption (negative) replaces a caption. cfg needs this.",
                ),
                io.Combo.Input(
                    "precision", options=list(_PRECISIONS), default="auto", optional=True,
                    tooltip="auto: bf16 on a GPU, fp32 without one.",
                ),
                io.Boolean.Input(
                    "gradient_checkpointing", default=False, optional=True,
                    tooltip="Needs much less memory and a third more time.",
                ),
                io.Boolean.Input(
                    "offloading", default=False, optional=True,
                    tooltip="Keeps weights outside the GPU's memory. Works only with gradient_checkpointing.",
                ),
                io.Int.Input(
                    "save_every", default=100, min=1, max=100_000, optional=True,
                    tooltip="Number of steps between saved states. A stop saves the state too.",
                ),
                io.Int.Input(
                    "sample_every", default=100, min=0, max=100_000, optional=True,
                    tooltip="Number of steps between sample images, which the node shows. Needs vae and negative. 0: "
                    "no sample images.",
                ),
                io.Int.Input(
                    "sample_steps", default=12, min=1, max=1000, optional=True,
                    tooltip="Steps of the sample images.",
                ),
                io.Float.Input(
                    "sample_cfg", default=4.0, min=0.0, max=100.0, step=0.1, optional=True,
                    tooltip="cfg of the sample images.",
                ),
                io.Float.Input(
                    "sample_share", default=0.4, min=0.0, max=1.0, step=0.05, optional=True,
                    tooltip="share of the sample images.",
                ),
                io.Combo.Input(
                    "existing_lora", options=[_NONE, *folder_paths.get_filename_list("loras")], default=_NONE,
                    optional=True,
                    tooltip="A LoRA file to start from, made by this node or by ComfyUI's Train LoRA. Its layers, "
                    "adapter, rank and alpha are taken. A run_name that exists continues from its own state.",
                ),
            ],
            outputs=[
                LoraModel.Output(display_name="lora", tooltip="For Load LoRA Model and Save SAGE LoRA."),
                LossMap.Output(
                    display_name="loss",
                    tooltip="For Plot Loss Graph. It has the total and each term, by name.",
                ),
                io.Int.Output(display_name="steps", tooltip="How many steps were done."),
                io.Image.Output(display_name="plot", tooltip="The loss of each term."),
                io.Image.Output(display_name="samples", tooltip="The last sample images. If there are none: the plot."),
                io.String.Output(display_name="report", tooltip="What was trained, and on what."),
            ],
            hidden=PROGRESS_HIDDEN,
            **SHOWN_AGAIN,
        )  # fmt: skip

    @classmethod
    @takes_lists("latents", "positive")
    def execute(cls, latents: list[Any], positive: list[Any], **inputs: Any) -> io.NodeOutput:
        sockets = {name: inputs.pop(name, None) for name in ("groups", "negative", "vae")}
        model, path = inputs.pop("model"), _state_path(inputs.pop("run_name"))
        sockets["existing_lora"] = _lora_path(inputs.pop("existing_lora", None))
        make_listener = training_monitor(progress_sender(cls.hidden))
        with torch.inference_mode(False), STOP_REQUESTS.accepting(address_of(cls.hidden)) as should_stop:
            result = run_training(
                model, latents, positive, path, inputs, **sockets, make_listener=make_listener, should_stop=should_stop
            )
        return io.NodeOutput(
            result.lora, result.losses, result.steps, result.plot, result.samples, result.report,
            ui=run_shown(cls.hidden),
        )  # fmt: skip


def _state_path(name: str) -> Path:
    """Where the state of a training is saved; raises ValueError where no file can have that name on every system."""
    folder = Path(folder_paths.get_output_directory(), _FOLDER).resolve()
    path = folder / f"{name.strip()}.safetensors"
    # A training from before names were checked goes on.
    if not (os.path.isfile(path) and path.resolve().is_relative_to(folder)):
        check_file_name("run_name", name.strip(), path.suffix)
    return path


def _lora_path(name: str | None) -> Path | None:
    """The file of a LoRA in the list; None for none."""
    return None if name in (None, _NONE) else Path(folder_paths.get_full_path_or_raise("loras", name))


class SaveLora(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSaveLora",
            display_name="Save SAGE LoRA",
            category=CATEGORY,
            description="Saves a trained LoRA with its metadata, its weights named as every LoRA loader knows them.",
            inputs=[
                LoraModel.Input("lora", tooltip="From Train SAGE LoRA."),
                io.String.Input(
                    "prefix", default="loras/sage",
                    tooltip="How the file's name starts, in the output folder. LoRAs in output/loras are in the list "
                    "of Load LoRA.",
                ),
                io.Int.Input(
                    "steps", default=0, min=0, max=10**9, optional=True, tooltip="Becomes a part of the name."
                ),
                io.Combo.Input(
                    "dtype", options=list(DTYPES), default="fp16", optional=True, tooltip="fp32 is twice as large."
                ),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file is.")],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, prefix: str | None = None) -> bool | str:
        """Checks the name before the training."""
        return prefix_refusal(prefix, "prefix")

    @classmethod
    def execute(cls, lora: Any, prefix: str, steps: int = 0, dtype: str = "fp16") -> io.NodeOutput:
        folder, stem, first, _ = output_path(prefix, name="prefix")
        ending = f"_{steps}_steps" if steps else "_"
        names = (folder / f"{stem}_{number:05}{ending}.safetensors" for number in itertools.count(first))
        return io.NodeOutput(str(write_new(names, lambda path: save_lora(lora, path, dtype))))


NODES = [TrainLora, SaveLora]
