"""The images that a LoRA is trained on: latents, their conditionings and their groups."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..conditioning.combine import Conditioning, text_width
from ..grouping.linkage import cluster_prompts
from ..grouping.partition import Cluster, Partition
from ..grouping.prompt_groups import PromptGroups
from ..grouping.threshold import auto_threshold
from ..prompts.text_encoders import clip_embeddings
from ..socket_values import is_entry
from ..validation import check_finite

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSet:
    """Images to train on, with their captions and groups.

    Attributes:
        latents: N images, (1, channels, ..., height, width) each, as the VAE gives them.
        groups: N captions with their conditionings; the members of a group have latents of one shape.
    """

    latents: tuple[torch.Tensor, ...]
    groups: PromptGroups

    def shapes(self) -> list[list[int]]:
        """Indices of the images by the shape of their latents: only images of one shape fit in one batch."""
        return _by_shape(range(len(self.latents)), self.latents)


def make_training_set(
    latents: Sequence[dict[str, Any]], positive: Sequence[Any], groups: PromptGroups | None = None, *,
    within_sizes: bool = True,
) -> TrainingSet:  # fmt: skip
    """A training set of what ComfyUI's dataset nodes give.

    Args:
        latents: ComfyUI's LATENTs, each of one image or more.
        positive: one CONDITIONING per image, in any nesting of lists, or one for all.
        groups: grouped captions in the order of the images; with None the conditionings themselves are grouped, by the
            automatic threshold.
        within_sizes: without `groups`, group the images of every size for themselves; False to group all and part the
            groups by size, as the first version did.

    Raises:
        ValueError: names the input, what was expected and what came.
    """
    if any(latent["samples"].is_nested for latent in latents):
        raise ValueError("latents: expected pictures or videos, got latents of several parts (a video with its sound).")
    images = [image.detach().clone()[None] for latent in latents for image in latent["samples"]]
    if not images:
        raise ValueError("latents: expected at least one image, got none.")
    for image in images:
        check_finite(image, "latents")
        if not image.numel():
            raise ValueError(f"latents: expected images, got an empty one of shape {tuple(image.shape)}.")
    conditionings = _one_per_image(positive, len(images))
    alike = groups is None
    if groups is None:
        groups = _group_by_similarity(conditionings)
    elif len(groups.prompts) != len(images):
        raise ValueError(
            f"groups: expected one prompt per image ({len(images)}), got {len(groups.prompts)} prompts. They are "
            "matched in order."
        )
    if alike and within_sizes:
        partition = _group_within_shapes(groups, images)
    else:
        partition = tuple(tuple(part) for members in groups.partition for part in _by_shape(members, images))
    notes = _notes_on_sizes(groups.partition, partition, images)
    shared = tuple((texts, prompt, training_copy(condition)) for texts, prompt, condition in groups.shared_prompts)
    groups = replace(
        groups, conditionings=conditionings, partition=partition, shared_prompts=shared, notes=(*groups.notes, *notes)
    )
    return TrainingSet(tuple(images), groups)


def training_copy(value: Any) -> Any:
    """A copy of nested lists and dicts, to call outside inference mode.

    ComfyUI's nodes make tensors in inference mode. Those cannot take part in a gradient; their copies can.
    """
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: training_copy(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return [training_copy(each) for each in value]
    return value


def _one_per_image(positive: Sequence[Any], count: int) -> tuple[Conditioning, ...]:
    """Copies of the conditionings of `count` images; raises ValueError where their number or widths do not fit."""
    found = _flatten(positive)
    if len(found) == 1:
        found = found * count
    if len(found) != count:
        raise ValueError(
            f"positive: expected one conditioning per image ({count}), or one for all images, got {len(found)}."
        )
    widths = sorted({text_width(conditioning) or 0 for conditioning in found})
    if len(widths) > 1:
        raise ValueError(
            f"positive: expected captions of one text width, got {' and '.join(map(str, widths))}. Encode them all "
            "with the CLIP that belongs to the model."
        )
    return tuple(training_copy(conditioning) for conditioning in found)


def _flatten(nested: Sequence[Any]) -> list[Conditioning]:
    """Every entry, [embedding or None, extras], as a conditioning of its own: ComfyUI's dataset nodes nest them."""
    if any(is_entry(each) for each in nested):
        return [[entry] for entry in nested]
    return [conditioning for each in nested for conditioning in _flatten(each)]


def _group_by_similarity(conditionings: tuple[Conditioning, ...]) -> PromptGroups:
    """Groups of images whose encoded captions are similar; the images are named by their numbers."""
    names = tuple(f"image {number}" for number in range(1, len(conditionings) + 1))
    embeddings = clip_embeddings(conditionings)
    threshold = auto_threshold(names, embeddings)
    partition = cluster_prompts(names, embeddings, threshold=threshold)
    return PromptGroups(names, conditionings, embeddings, partition, threshold, "auto", "clip", "mean")


def _group_within_shapes(groups: PromptGroups, images: Sequence[torch.Tensor]) -> Partition:
    """Groups of similar images, at the groups' threshold, among those of one shape: the others take no one's place."""
    partition: list[Cluster] = []
    for indices in _by_shape(range(len(images)), images):
        names = [groups.prompts[index] for index in indices]
        found = cluster_prompts(names, groups.embeddings[indices], threshold=groups.threshold)
        partition += [tuple(indices[at] for at in members) for members in found]
    return tuple(sorted(partition))


def _by_shape(indices: Sequence[int], images: Sequence[torch.Tensor]) -> list[list[int]]:
    """Indices of images by the shape of their latents."""
    found: dict[torch.Size, list[int]] = {}
    for index in indices:
        found.setdefault(images[index].shape, []).append(index)
    return list(found.values())


def _notes_on_sizes(whole: Partition, parted: Partition, images: Sequence[torch.Tensor]) -> list[str]:
    """What the user should know where images are alone only because of their size; logged too.

    Args:
        whole: groups without regard to size.
        parted: groups of one size.
    """
    alone = {members for members in parted if len(members) == 1} - set(whole)
    if not alone:
        return []
    sizes = Counter(" x ".join(map(str, image.shape[2:])) for image in images)
    note = (
        f"Images without a group (plain term only) because no similar image has their size: {len(alone)} of "
        f"{len(images)}. Sizes of the latents: {', '.join(f'{n} of {s}' for s, n in sizes.items())}. Give the images "
        "of a group one size."
    )
    log.warning("SAGE: %s", note)
    return [note]
