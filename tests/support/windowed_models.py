"""Models that see long videos through windows."""

from __future__ import annotations

import inspect

import comfy.context_windows as windows
import comfy.model_patcher

KNOWN = inspect.signature(windows.IndexListContextHandler).parameters
"""What this version of ComfyUI can set; older ones have no FreeNoise."""


def with_windows(model: comfy.model_patcher.ModelPatcher, freenoise: bool = False) -> comfy.model_patcher.ModelPatcher:
    """A model with windows of 4 frames that overlap by 2, as ComfyUI's node sets them."""
    model = model.clone()
    names = {"cond_retain_index_list": "", "latent_retain_index_list": "", "freenoise": freenoise}
    model.model_options["context_handler"] = windows.IndexListContextHandler(
        windows.get_matching_context_schedule(windows.ContextSchedules.STATIC_STANDARD),
        windows.get_matching_fuse_method(windows.ContextFuseMethods.PYRAMID),
        context_length=4, context_overlap=2, dim=2, **{name: value for name, value in names.items() if name in KNOWN},
    )  # fmt: skip
    windows.create_prepare_sampling_wrapper(model)
    if freenoise:
        windows.create_sampler_sample_wrapper(model)
    return model
