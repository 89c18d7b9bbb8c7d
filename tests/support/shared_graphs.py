"""Share Sampling and ComfyUI's KSampler after it."""

from __future__ import annotations

from typing import Any

from comfyui_sage.sage_core.grouping.partition import Partition
from comfyui_sage.sage_core.sampling.share_patch import SamplerInputs, share_sampling
from comfyui_sage.sage_core.sharing.settings import SharingSettings
from models import MODELS, conditioning
from reference import SETTINGS, grouped

import nodes as comfy_nodes

ONE_GROUP = ((0, 1, 2),)
PAIR_AND_ONE = ((0, 2), (1,))


def shared(
    family: str, positives: list, image: Any, *, partition: Partition = PAIR_AND_ONE, share: float = 0.5,
    share_mode: str = "fixed", correction: str = "off", model: Any = None, negatives: list | None = None,
    latent_rows: str = "auto", names: tuple[str, ...] = (),
) -> SamplerInputs:  # fmt: skip
    """What Share Sampling gives a sampler."""
    return share_sampling(
        model or MODELS[family](), positives, [conditioning(family, seed=1)] if negatives is None else negatives,
        image if isinstance(image, list) else [image], latent_rows=latent_rows,
        settings=SharingSettings(share, share_mode, correction),
        group=lambda each: grouped(each, partition, names=names),
        zeroed=lambda each: comfy_nodes.ConditioningZeroOut().zero_out(each)[0],
    )  # fmt: skip


def ksampler(inputs: SamplerInputs, **settings: Any) -> dict[str, Any]:
    """ComfyUI's KSampler."""
    use = {**SETTINGS, **settings}
    return comfy_nodes.common_ksampler(
        inputs.model, use["seed"], use["steps"], use["cfg"], use["sampler_name"], use["scheduler"], inputs.positive,
        inputs.negative, use.get("image", inputs.latent), denoise=use["denoise"],
    )[0]  # fmt: skip
