"""Shares evaluations under any of ComfyUI's samplers: a patch of the model, around every run of a sampler."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import comfy.model_patcher
import comfy.nested_tensor
import comfy.patcher_extension
import comfy.samplers
import comfy.utils
import torch
from torch.nn import functional as F

from ..conditioning.batch import same
from ..conditioning.combine import Conditioning
from ..conditioning.per_prompt import prompts_of, stand_for, stood_for
from ..grouping.prompt_groups import PromptGroups
from ..grouping.report import grouping_report
from ..phrases import counted
from ..sharing.settings import SharingSettings
from . import latents
from .latent_rows import Latent, Rows, rows_for
from .model_patches import SHARE_KEY
from .own_seeds import as_plain_batch
from .progress import Preview, StepCallback
from .prompt_conditions import PromptConditions
from .replay_guider import ReplayGuider
from .report import sampling_report
from .shared_sampling import MakeListener, SharedSampling, make_job

log = logging.getLogger(__name__)

# Groups prompts by their conditionings.
GroupConditionings = Callable[[Sequence[Conditioning]], PromptGroups]

_OUTER_SAMPLE = comfy.patcher_extension.WrappersMP.OUTER_SAMPLE


class SamplerInputs(NamedTuple):
    """What any sampler gets in place of its own inputs, to render all prompts; and what belongs to it."""

    model: comfy.model_patcher.ModelPatcher
    positive: Conditioning
    negative: Conditioning
    latent: Latent
    groups: PromptGroups
    report: str


def share_sampling(
    model: comfy.model_patcher.ModelPatcher, positives: Sequence[Conditioning], negatives: Sequence[Conditioning],
    latent_images: Sequence[Latent], *, latent_rows: str, settings: SharingSettings, group: GroupConditionings,
    zeroed: Callable[[Conditioning], Conditioning], make_listener: MakeListener | None = None,
) -> SamplerInputs:  # fmt: skip
    """Make the inputs of a sampler from lists.

    Args:
        model: one that shares already does so with these prompts now.
        positives: one per prompt, or one that stands for all of them.
        negatives: one, or one per prompt; none, and the positive ones are zeroed.
        latent_images: one for all prompts, or one for each.
        latent_rows: what the rows of one for all are, one of `LATENT_ROWS`.
        group: groups the prompts by their conditionings.
        zeroed: empties a conditioning, as ComfyUI does for models that need no negative prompt.

    Raises:
        ValueError: the numbers do not fit, or a setting is out of range.
    """
    if not positives:
        raise ValueError("positive: expected at least one conditioning, got none.")
    rows_given = latents.count(latent_images[0]["samples"])
    positives = _listed(positives, rows_given, "positive")
    groups = group(positives)
    rows = rows_for(latent_images, latent_rows, groups.prompts)
    negatives = _listed(negatives, rows_given, "negative") or [zeroed(each) for each in positives]
    negative = _one_for_all(negatives, len(positives), "negative")
    own_negatives = tuple(negatives) if len(negatives) > 1 else (negative,) * len(positives)
    groups = replace(groups, negatives=own_negatives)
    patch = SharePatch(groups, settings, rows.variations, rows.are_numbered, make_listener)
    patched = model.clone()
    patched.remove_wrappers_with_key(_OUTER_SAMPLE, SHARE_KEY)
    patched.add_wrapper_with_key(_OUTER_SAMPLE, SHARE_KEY, patch)
    return SamplerInputs(patched, stand_for(positives), negative, rows.latent, groups, _report(groups, rows))


def _listed(given: Sequence[Conditioning], rows: int, name: str) -> list[Conditioning]:
    """One conditioning per prompt, of a list, or of what another Share Sampling node has made of one."""
    prompts = prompts_of(given[0]) if len(given) == 1 else 0
    return list(stood_for(given[0], max(1, rows // prompts), name)) if prompts else list(given)


def _one_for_all(given: Sequence[Conditioning], prompts: int, name: str) -> Conditioning:
    """What is the same for all prompts as it is, else a conditioning that stands for all.

    Raises:
        ValueError: there is neither one nor one per prompt.
    """
    if len(given) not in (1, prompts):
        raise ValueError(f"{name}: expected one, or one for each of the {prompts} prompts, got {len(given)}.")
    return given[0] if all(same(given[0], each) for each in given[1:]) else stand_for(given)


def _report(groups: PromptGroups, rows: Rows) -> str:
    """What the sampler gets, and the groups."""
    size = f"{counted(len(groups.prompts), 'prompt')} x {counted(rows.variations, 'variation')}"
    start = "every prompt begins from the same latent"
    if rows.are_own:
        start = "every prompt goes on with rows of its own, and only prompts with equal rows can share steps"
    saves = "What sharing saves is on this node when the sampler has run."
    return f"{size}: {start}. {saves}\n\n{grouping_report(groups, share=None)}"


@dataclass(frozen=True, eq=False)
class SharePatch:
    """Takes the place of a guider's run, whatever its class, where its conditionings stand for one per prompt.

    Attributes:
        groups: of the prompts; their conditionings are those of the guider.
        variations: rows of every prompt in the latent that Share Sampling has given.
        are_numbered: whether Share Sampling has numbered these rows.
    """

    groups: PromptGroups
    settings: SharingSettings
    variations: int
    are_numbered: bool
    make_listener: MakeListener | None = None

    def __call__(
        self, executor: Any, noise: torch.Tensor, latent_image: torch.Tensor, sampler: Any, sigmas: torch.Tensor,
        denoise_mask: torch.Tensor | None = None, callback: Any = None, disable_pbar: bool = False,
        seed: int | None = None, latent_shapes: Any = None,
    ) -> torch.Tensor:  # fmt: skip
        """As `CFGGuider.outer_sample`, around which ComfyUI calls it; latents of several parts are packed."""
        guider = executor.class_obj
        # Our own runs come here, too.
        conditions = None if isinstance(guider, ReplayGuider) else self._conditions(guider, noise)
        if conditions is None:
            return executor(
                noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed,
                latent_shapes=latent_shapes,
            )  # fmt: skip
        packing = Packing(latent_shapes or [])
        if self.are_numbered and not packing.is_packed:
            noise = as_plain_batch(noise, latent_image, seed, self._variations(noise))
        job = make_job(
            guider.model_patcher, packing.unpack(noise), packing.unpack(latent_image), sampler, sigmas,
            packing.unpack_mask(denoise_mask, noise), seed, prompts=len(self.groups.prompts),
        )  # fmt: skip
        sampling = SharedSampling(_as_made(guider), conditions, self.settings, job)
        sampling.callback, sampling.shows_progress = packing.callback(callback), not disable_pbar
        sampling.preview, sampling.gives_denoised = packing.preview, True
        sampling.make_listener = self.make_listener
        samples = sampling.run().samples
        if sampling.record is not None:
            log.info("SAGE: %s", sampling_report(sampling.record))
        return packing.pack(samples)

    def _conditions(self, guider: comfy.samplers.CFGGuider, noise: torch.Tensor) -> PromptConditions | None:
        """What the guider's conditionings stand for; None where they stand for themselves."""
        raw = {kind: [_raw(entry) for entry in entries] for kind, entries in guider.original_conds.items()}
        marked = {kind: number for kind, each in raw.items() if (number := prompts_of(each))}
        if not marked:
            return None
        prompts, variations = len(self.groups.prompts), self._variations(noise)
        for kind, number in marked.items():
            if number != prompts:
                raise ValueError(
                    f"{kind}: expected the conditionings of the {prompts} prompts of the Share Sampling node that the "
                    f"model comes from, got those of {number} prompts."
                )
        own = {kind: stood_for(raw.pop(kind), variations, kind) for kind in marked}
        positive = own.pop("positive", None) or (raw.pop("positive"),) * prompts
        return PromptConditions(replace(self.groups, conditionings=positive), raw, own)

    def _variations(self, noise: torch.Tensor) -> int:
        """Rows of every prompt. All are of one prompt if it is the only one; else they must be those given.

        Raises:
            ValueError: a node on the way has repeated or picked some, and whose they are cannot be known.
        """
        prompts = len(self.groups.prompts)
        if prompts == 1:
            return len(noise)
        if len(noise) != prompts * self.variations:
            raise ValueError(
                f"latent_image: expected the {prompts * self.variations} rows that Share Sampling has given, got "
                f"{len(noise)}. Connect its latent, and put nodes that repeat or pick latents before Share Sampling. "
                "For other rows, one prompt after the other, put a second Share Sampling before this sampler, with "
                "latent_rows on prompts."
            )
        return self.variations


def _raw(entry: dict[str, Any]) -> list[Any]:
    """An entry of a guider as a CONDITIONING has it."""
    extras = {key: value for key, value in entry.items() if key not in ("cross_attn", "model_conds", "uuid")}
    return [entry.get("cross_attn"), extras]


def _as_made(guider: comfy.samplers.CFGGuider) -> comfy.samplers.CFGGuider:
    """A guider that is at work, without what ComfyUI has merged into its options for this work."""
    copied = copy.copy(guider)
    copied.model_options = guider.model_patcher.model_options
    return copied


@dataclass(frozen=True)
class Packing:
    """Latents of several parts (a video with sound), which ComfyUI's samplers get in one tensor.

    Attributes:
        shapes: of the parts; fewer than two where nothing is packed.
    """

    shapes: list

    @property
    def is_packed(self) -> bool:
        """Whether there are several parts."""
        return len(self.shapes) > 1

    def unpack(self, batch: torch.Tensor) -> Any:
        """The parts as a nested latent."""
        if not self.is_packed:
            return batch
        return comfy.nested_tensor.NestedTensor(comfy.utils.unpack_latents(batch, self.shapes))

    def unpack_mask(self, mask: torch.Tensor | None, noise: torch.Tensor) -> Any:
        """A denoise mask with one channel: newer versions of ComfyUI have repeated it for all channels by now."""
        if mask is None or mask.ndim != noise.ndim:
            return mask
        return latents.like(mask_parts := self.unpack(mask), [part[:, :1] for part in latents.parts(mask_parts)])

    def pack(self, batch: Any) -> torch.Tensor:
        """A nested latent in one tensor."""
        return comfy.utils.pack_latents(batch.unbind())[0] if batch.is_nested else batch

    def callback(self, callback: StepCallback | None) -> StepCallback | None:
        """A callback that may be given nested latents."""
        if callback is None or not self.is_packed:
            return callback
        return lambda step, x0, x, total: callback(step, self.pack(x0), self.pack(x), total)

    @property
    def preview(self) -> Preview | None:
        """Makes what the callback of a packed run can show: the picture of the first row, without sound."""
        if not self.is_packed:
            return None
        length = sum(math.prod(shape[1:]) for shape in self.shapes)

        def packed(rows: torch.Tensor) -> torch.Tensor:
            first = rows[:1].reshape(1, 1, -1)
            return F.pad(first, (0, max(0, length - first.shape[-1])))

        return packed
