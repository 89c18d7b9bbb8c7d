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
    """
    Attributes:
        latents: N images, (1, channels, ..., height, width) each, as the VAE gives them.
        groups: N captions with their conditionings; the members of a group have latents of one shape.
    """

    latents: tuple[torch.Tensor, ...]
    groups: PromptGroups

    def shapes(self) -> list[list[int]]:
        """Which images have latents of one shape: only these fit in one batch."""
        found: dict[torch.Size, list[int]] = {}
        for index, latent in enumerate(self.latents):
            found.setdefault(latent.shape, []).append(index)
        return list(found.values())


def make_training_set(
    latents: Sequence[dict[str, Any]], positive: Sequence[Any], groups: PromptGroups | None = None
) -> TrainingSet:
    """What the host's dataset nodes give, as examples.

    Args:
        latents: the host's LATENTs, each of one image or more.
        positive: a CONDITIONING an image, in any nesting of lists, or one for all.
        groups: grouped captions in the order of the images; None to group the conditionings themselves, by the
            automatic threshold.

    Raises:
        ValueError: names the input, what was expected and what came.
    """
    images = [image.detach().clone()[None] for latent in latents for image in latent["samples"]]
    if not images:
        raise ValueError("latents: expected at least one image, got none.")
    for image in images:
        check_finite(image, "latents")
    conditionings = _one_an_image(positive, len(images))
    if groups is None:
        groups = _alike(conditionings)
    elif len(groups.prompts) != len(images):
        raise ValueError(
            f"groups: expected a prompt an image ({len(images)}), got {len(groups.prompts)} prompts. They are matched "
            "in order."
        )
    partition = tuple(part for members in groups.partition for part in _of_one_shape(members, images))
    own = tuple((texts, prompt, trainable(condition)) for texts, prompt, condition in groups.shared_prompts)
    return TrainingSet(
        tuple(images), replace(groups, conditionings=conditionings, partition=partition, shared_prompts=own)
    )


def trainable(value: Any) -> Any:
    """A copy of nested data: tensors made in inference mode cannot be part of a gradient, their copies can."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: trainable(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return [trainable(each) for each in value]
    return value


def _one_an_image(positive: Sequence[Any], count: int) -> tuple[Conditioning, ...]:
    found = _flat(positive)
    if len(found) == 1:
        found = found * count
    if len(found) != count:
        raise ValueError(
            f"positive: expected a conditioning an image ({count}), or one for all, got {len(found)}. Images and "
            "captions have to be of equal number."
        )
    return tuple(trainable(conditioning) for conditioning in found)


def _flat(nested: Sequence[Any]) -> list[Conditioning]:
    """Entries, [embedding or None, extras], as conditionings of their own: the host's dataset nodes nest them."""
    if any(_is_entry(each) for each in nested):
        return [[entry] for entry in nested]
    return [conditioning for each in nested for conditioning in _flat(each)]


def _is_entry(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], dict)


def _alike(conditionings: tuple[Conditioning, ...]) -> PromptGroups:
    names = tuple(f"image {number}" for number in range(1, len(conditionings) + 1))
    embeddings = clip_embeddings(conditionings)
    threshold = auto_threshold(names, embeddings)
    partition = cluster_prompts(names, embeddings, threshold=threshold)
    return PromptGroups(names, conditionings, embeddings, partition, threshold, "auto", "clip", "mean")


def _of_one_shape(members: Cluster, images: Sequence[torch.Tensor]) -> list[Cluster]:
    shapes: dict[torch.Size, list[int]] = {}
    for index in members:
        shapes.setdefault(images[index].shape, []).append(index)
    return [tuple(each) for each in shapes.values()]
