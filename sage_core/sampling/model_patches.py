"""What a guider and the patches of its model do to the rows of an evaluation: may other prompts be among them?"""

from __future__ import annotations

from typing import Any

import comfy.model_patcher
import comfy.samplers

# Of the wrapper that shares under ComfyUI's samplers, see `share_patch`.
SHARE_KEY = "sage"

# Wrappers that treat every row alike: ours, and that of ComfyUI's torch.compile.
_ROW_BY_ROW = {SHARE_KEY, "torch.compile"}

# Model options through which a patch changes how the answers are combined.
GUIDANCE_OPTIONS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")

# Model options through which a patch gets the whole batch of an evaluation.
_SEES_ALL_ROWS = (
    "context_handler", "model_function_wrapper", "sampler_calc_cond_batch_function", *GUIDANCE_OPTIONS
)  # fmt: skip

# Patches inside the network that change every row by itself (FreeU, Deep Shrink). Others may mix rows.
_PATCHES_ROW_BY_ROW = {
    "input_block_patch", "input_block_patch_after_skip", "middle_block_after_patch", "output_block_patch",
}  # fmt: skip


def can_batch_prompts(guider: comfy.samplers.CFGGuider) -> bool:
    """Whether prompts may be together in one run: each comes out as it would alone."""
    return has_plain_guidance(guider) and not (patch_sees_whole_batch(guider) or patch_may_mix_rows(guider))


def has_plain_guidance(guider: comfy.samplers.CFGGuider) -> bool:
    """Whether the guider combines the conditionings as ComfyUI's CFGGuider does, row by row.

    Others may do so for all rows at once (Perp-Neg projects whole batches), or read the conditionings before a run
    (ComfyUI's guider with a second model for the negative).
    """
    kind, plain = type(guider), comfy.samplers.CFGGuider
    return kind.predict_noise is plain.predict_noise and kind.outer_sample is plain.outer_sample


def patch_sees_whole_batch(guider: comfy.samplers.CFGGuider) -> bool:
    """Whether a patch may decide for all rows at once, so that other prompts must not be among them.

    Caches skip a step for all rows, some guidance averages over them, context windows take rows for frames.
    From outside they look like every other patch of the evaluation, so any patch of this kind counts but those
    that are known.
    """
    options = guider.model_options
    by_option = options.get("transformer_options", {}).get("wrappers", {})
    wrappers = [*by_option.values(), *guider.model_patcher.wrappers.values()]
    return any(options.get(key) for key in _SEES_ALL_ROWS) or any(set(keys) - _ROW_BY_ROW for keys in wrappers)


def patch_may_mix_rows(guider: comfy.samplers.CFGGuider) -> bool:
    """Whether a patch inside the network may let the rows of one evaluation see each other.

    Attention patches do (a style that all images share, guidance between the positive and the negative rows), keep
    what they saw for later evaluations, or are made for one number of rows. So the rows have to be those that a
    prompt has alone: its variations, each with the positive and the negative conditioning.
    """
    options = guider.model_options.get("transformer_options", {})
    kinds = {kind for kind, patches in options.get("patches", {}).items() if patches}
    replaced = any(options.get("patches_replace", {}).values()) or bool(replaced_methods(guider.model_patcher))
    return replaced or bool(kinds - _PATCHES_ROW_BY_ROW)


def replaced_methods(patcher: comfy.model_patcher.ModelPatcher) -> list[str]:
    """Names of the parts of the network that a patch lets compute in another way; not those that are only compiled."""
    return [
        name for name, patch in patcher.object_patches.items()
        if name.startswith("diffusion_model.") and callable(patch) and not is_compiled(patch)
    ]  # fmt: skip


def is_compiled(patch: Any) -> bool:
    """Whether a module or function is what torch.compile makes of one."""
    return hasattr(patch, "_orig_mod") or hasattr(patch, "_torchdynamo_orig_callable")
