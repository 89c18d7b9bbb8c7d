"""Thin nodes: a schema and one call into sage_core each."""

from comfy_api.latest import io

<<<<<<< HEAD
from . import demo, group_prompts, images, metrics, prefix, samplers, share, train_lora
=======
from . import demo, group_prompts, images, metrics, prefix, prompt_list, samplers, train_lora
>>>>>>> lists

NODES: list[type[io.ComfyNode]] = [
    *group_prompts.NODES,
    *prompt_list.NODES,
    *samplers.NODES,
    *share.NODES,
    *prefix.NODES,
    *images.NODES,
    *metrics.NODES,
    *train_lora.NODES,
    *demo.NODES,
]
