"""SageSharedKSamplerPrefix, SageBranchKSampler, SageKSampler and SageGuider."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..routes.node_progress import PROGRESS_HIDDEN, SHOWN_AGAIN, progress_sender, run_shown
from ..sage_core.panels.sampling import sampling_monitor
from ..sage_core.sampling.guiders import SageGuider
from ..sage_core.sampling.ksampler import sample, sample_branch, sample_prefix
from ..sage_core.sampling.latent_rows import LATENT_ROWS
from ..sage_core.sharing.correction_plan import CORRECTIONS
from ..sage_core.sharing.share_modes import SHARE_MODES
from .sockets import CATEGORY, Groups, Prefix, searched_as


def _model(*, lazy: bool | None = None) -> io.Model.Input:
    return io.Model.Input("model", lazy=lazy, tooltip="The model that denoises, with any patches or LoRAs.")


def _groups() -> Any:
    return Groups.Input("groups", tooltip="From Semantic Group Prompts.")


def _negative() -> io.Conditioning.Input:
    return io.Conditioning.Input("negative", tooltip="What to keep out of the images. The same for all prompts.")


def _cfg() -> io.Float.Input:
    return io.Float.Input(
        "cfg", default=8.0, min=0.0, max=100.0, step=0.1, round=0.01,
        tooltip="Classifier-free guidance: how strongly the images follow the prompts. 1 skips the negative prompt.",
    )  # fmt: skip


def share_input() -> io.Float.Input:
    return io.Float.Input(
        "share", default=0.4, min=0.0, max=1.0, step=0.01,
        tooltip="With correction: the fraction of its steps that a prompt takes over from the run of its group. "
        "Without: the fraction of the steps that a group runs once for all its prompts. A larger share saves more, but "
        "makes the images of a group more alike. With share_mode auto and correction: a tolerance, how far the images "
        "may be from those of every prompt sampled alone.",
    )  # fmt: skip


def share_mode_input() -> io.Combo.Input:
    return io.Combo.Input(
        "share_mode", options=list(SHARE_MODES), default="auto", optional=True,
        tooltip="fixed: every prompt shares the same number of steps. tree: prompts that are more alike than the rest "
        "of their group share more steps, up to twice the share. auto: every prompt shares as many steps as it can. "
        "With correction, a prompt runs its own steps where its difference from the group changes by more than the "
        "share allows. Without, how far the prompts of a group are apart is measured before sampling.",
    )  # fmt: skip


def correction_input() -> io.Combo.Input:
    return io.Combo.Input(
        "correction", options=list(CORRECTIONS), default="on", optional=True,
        tooltip="on: one prompt of each group is sampled in full. The others follow it, run some steps themselves, "
        "spread over the whole run, and correct the other steps by what they learn there. Images stay true to their "
        "prompts at a larger share: on the small models that were measured, up to 0.7 or 0.8 of about 20 steps, less "
        "at cfg 7. off: the first steps are shared, and the rest is every prompt's own.",
    )  # fmt: skip


def reuse_input() -> io.Boolean.Input:
    return io.Boolean.Input(
        "reuse", default=False, optional=True,
        tooltip="For trying out prompts: keeps the runs of your last renders in memory. A prompt that was rendered "
        "before with the same seed and settings costs nothing. A prompt that is similar to one follows its run, and "
        "pays for its own steps only. Set control_after_generate to fixed, so that the seed stays. An image can depend "
        "on what you rendered before. Needs correction.",
    )  # fmt: skip


def latent_rows_input() -> io.Combo.Input:
    return io.Combo.Input(
        "latent_rows", options=list(LATENT_ROWS), default="auto", optional=True,
        tooltip="What the rows of the latent batch are. variations: every prompt is rendered from all of them. "
        "prompts: each row belongs to one prompt, as after a sampler that has rendered all prompts, or with one "
        "picture to change per prompt. auto: prompts after such a sampler, else variations.",
    )  # fmt: skip


def _sharing_inputs() -> list[Any]:
    """What is shared, and how, of every sampler; in this order."""
    return [share_input(), share_mode_input(), correction_input(), reuse_input(), latent_rows_input()]


def ksampler_inputs() -> list[Any]:
    """The inputs of ComfyUI's KSampler, with groups in place of a positive prompt."""
    return [
        _model(),
        _groups(),
        _negative(),
        io.Latent.Input(
            "latent_image",
            tooltip="The latent to denoise. A batch gives that many variations of every prompt, each with its own "
            "noise.",
        ),
        io.Int.Input(
            "seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True,
            tooltip="The random seed of the noise. All prompts of a variation start from the same noise.",
        ),
        io.Int.Input("steps", default=20, min=1, max=10000, tooltip="The number of denoising steps."),
        _cfg(),
        io.Combo.Input(
            "sampler_name", options=comfy.samplers.KSampler.SAMPLERS,
            tooltip="ComfyUI's own sampler. It always runs from the first step to the last, so its history and its "
            "noise are those of one whole run.",
        ),
        io.Combo.Input(
            "scheduler", options=comfy.samplers.KSampler.SCHEDULERS,
            tooltip="How the noise decreases over the steps. For quality, the sigma at which the groups branch "
            "counts.",
        ),
        io.Float.Input(
            "denoise", default=1.0, min=0.0, max=1.0, step=0.01,
            tooltip="Below 1, a part of the latent's own picture is kept (image to image).",
        ),
    ]  # fmt: skip


class SharedKSamplerPrefix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageSharedKSamplerPrefix",
            display_name="Shared KSampler Prefix",
            category=CATEGORY,
            description="Runs what the prompts of a group share, once per group. Branch KSampler finishes every prompt "
            "from there.",
            inputs=[*ksampler_inputs(), *_sharing_inputs()],
            outputs=[
                Prefix.Output(display_name="prefix", tooltip="For Branch KSampler."),
                io.Latent.Output(
                    display_name="preview",
                    tooltip="One per group and variation. With correction: the finished picture that the group "
                    "follows. Without: what the shared steps show so far (denoised).",
                ),
            ],
            hidden=PROGRESS_HIDDEN,
            **SHOWN_AGAIN,
        )

    @classmethod
    def execute(cls, model: Any, groups: Any, negative: Any, latent_image: Any, **settings: Any) -> io.NodeOutput:
        make_listener = sampling_monitor(progress_sender(cls.hidden))
        out = sample_prefix(model, groups, negative, latent_image, **settings, make_listener=make_listener)
        return io.NodeOutput(*out, ui=run_shown(cls.hidden))


class BranchKSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageBranchKSampler",
            display_name="Branch KSampler",
            category=CATEGORY,
            description="Finishes every prompt from the shared steps of a prefix, each with its own conditioning.",
            inputs=branch_inputs(),
            outputs=_row_outputs(),
            hidden=PROGRESS_HIDDEN,
            **SHOWN_AGAIN,
        )

    @classmethod
    def execute(cls, model: Any, prefix: Any) -> io.NodeOutput:
        out = sample_branch(model, prefix, sampling_monitor(progress_sender(cls.hidden)))
        return io.NodeOutput(*out, ui=run_shown(cls.hidden))


class OneNodeKSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageKSampler",
            display_name="SAGE KSampler",
            category=CATEGORY,
            **searched_as("multiple prompts", "batch prompts", "prompt list sampler"),
            description="Shared KSampler Prefix and Branch KSampler in one node.",
            inputs=[*ksampler_inputs(), *_sharing_inputs()],
            outputs=_row_outputs(),
            hidden=PROGRESS_HIDDEN,
            **SHOWN_AGAIN,
        )

    @classmethod
    def execute(cls, model: Any, groups: Any, negative: Any, latent_image: Any, **settings: Any) -> io.NodeOutput:
        make_listener = sampling_monitor(progress_sender(cls.hidden))
        out = sample(model, groups, negative, latent_image, **settings, make_listener=make_listener)
        return io.NodeOutput(*out, ui=run_shown(cls.hidden))


class Guider(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SageGuider",
            display_name="SAGE Guider",
            category=CATEGORY,
            **searched_as("multiple prompts", "batch prompts"),
            description="Shared sampling for SamplerCustomAdvanced: any sampler, any sigmas, any noise.",
            inputs=[_model(), _groups(), _negative(), _cfg(), *_sharing_inputs()],
            outputs=[io.Guider.Output(tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls, model: Any, groups: Any, negative: Any, cfg: float, share: float, share_mode: str = "fixed",
        correction: str = "off", reuse: bool = False, latent_rows: str = "variations",
    ) -> io.NodeOutput:  # fmt: skip
        return io.NodeOutput(
            SageGuider(model, groups, negative, cfg, share, share_mode, correction, reuse, latent_rows)
        )


def _row_outputs() -> list[Any]:
    return [
        io.Latent.Output(
            display_name="samples",
            tooltip="One latent per prompt and variation: first all variations of prompt 1, then of prompt 2, and so "
            "on.",
        ),
        report_output(),
    ]


def report_output() -> io.String.Output:
    return io.String.Output(display_name="report", tooltip="Evaluations (runs of the model) planned, done and saved.")


def branch_inputs(*, lazy: bool | None = None) -> list[Any]:
    tip = "From Shared KSampler Prefix, Add Prompts or Load Prefix."
    return [_model(lazy=lazy), Prefix.Input("prefix", lazy=lazy, tooltip=tip)]


NODES = [SharedKSamplerPrefix, BranchKSampler, OneNodeKSampler, Guider]
