"""The images that a LoRA is trained on: latents, their conditionings and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..conditioning.combine import Conditioning
from ..grouping.linkage import cluster_prompts
from ..grouping.partition import Cluster
from ..grouping.prompt_groups import PromptGroups
from ..grouping.threshold import auto_threshold
from ..prompts.text_encoders import clip_embeddings
from ..validation import check_finite


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
        found: dict[torch.Size, list[int]] = {}
        for index, latent in enumerate(self.latents):
            found.setdefault(latent.shape, []).append(index)
        return list(found.values())


def make_training_set(
    latents: Sequence[dict[str, Any]], positive: Sequence[Any], groups: PromptGroups | None = None
) -> TrainingSet:
    """A training set of what ComfyUI's dataset nodes give.

    Args:
        latents: ComfyUI's LATENTs, each of one image or more.
        positive: one CONDITIONING per image, in any nesting of lists, or one for all.
        groups: grouped captions in the order of the images; with None the conditionings themselves are grouped, by the
            automatic threshold.

    Raises:
        ValueError: names the input, what was expected and what came.
    """
    images = [image.detach().clone()[None] for latent in latents for image in latent["samples"]]
    if not images:
        raise ValueError("latents: expected at least one image, got none.")
    for image in images:
        check_finite(image, "latents")
    conditionings = _one_per_image(positive, len(images))
    if groups is None:
        groups = _group_by_similarity(conditionings)
    elif len(groups.prompts) != len(images):
        raise ValueError(
            f"groups: expected one prompt per image ({len(images)}), got {len(groups.prompts)} prompts. They are "
            "matched in order."
        )
    partition = tuple(part for members in groups.partition for part in _split_by_shape(members, images))
    shared = tuple((texts, prompt, training_copy(condition)) for texts, prompt, condition in groups.shared_prompts)
    return TrainingSet(
        tuple(images), replace(groups, conditionings=conditionings, partition=partition, shared_prompts=shared)
    )


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
    """Copies of the conditionings of `count` images; raises ValueError where their number is another one."""
    found = _flatten(positive)
    if len(found) == 1:
        found = found * count
    if len(found) != count:
        raise ValueError(
            f"positive: expected one conditioning per image ({count}), or one for all images, got {len(found)}."
        )
    return tuple(training_copy(conditioning) for conditioning in found)


def _flatten(nested: Sequence[Any]) -> list[Conditioning]:
    """Every entry, [embedding or None, extras], as a conditioning of its own: ComfyUI's dataset nodes nest them."""
    if any(_is_entry(each) for each in nested):
        return [[entry] for entry in nested]
    return [conditioning for each in nested for conditioning in _flatten(each)]


def _is_entry(value: Any) -> bool:
    """Whether it is an entry of a conditioning."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], dict)


def _group_by_similarity(conditionings: tuple[Conditioning, ...]) -> PromptGroups:
    """Groups of images whose encoded captions are similar; the images are named by their numbers."""
    names = tuple(f"image {number}" for number in range(1, len(conditionings) + 1))
    embeddings = clip_embeddings(conditionings)
    threshold = auto_threshold(names, embeddings)
    partition = cluster_prompts(names, embeddings, threshold=threshold)
    return PromptGroups(names, conditionings, embeddings, partition, threshold, "auto", "clip", "mean")


def _split_by_shape(members: Cluster, images: Sequence[torch.Tensor]) -> list[Cluster]:
    """The members of a group whose latents have one shape, for every shape."""
    shapes: dict[torch.Size, list[int]] = {}
    for index in members:
        shapes.setdefault(images[index].shape, []).append(index)
    return [tuple(each) for each in shapes.values()]
