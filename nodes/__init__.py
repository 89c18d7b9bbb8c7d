"""Thin nodes: a schema and one call into sage_core each."""

from comfy_api.latest import io

from . import (
    demo,
    group_prompts,
    images,
    metrics,
    prefix,
    prompt_list,
    samplers,
    share,
    share_explorer,
    split,
    train_lora,
)
from .checked_inputs import check_inputs
from .farm import FARM_NODES as FARM_NODES  # for the command line only: ComfyUI does not get them

NODES: list[type[io.ComfyNode]] = [
    *group_prompts.NODES,
    *prompt_list.NODES,
    *samplers.NODES,
    *share.NODES,
    *prefix.NODES,
    *split.NODES,
    *images.NODES,
    *metrics.NODES,
    *share_explorer.NODES,
    *train_lora.NODES,
    *demo.NODES,
]
for node in NODES:
    check_inputs(node)
