"""Checks of what comes over ComfyUI's sockets. The right type does not say that there is anything in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from .validation import check_finite

# Gets a value and the name of its input; raises ValueError.
Check = Callable[[Any, str], None]


def check_latent(latent: Any, name: str) -> None:
    """Check a LATENT: samples with at least one row and no side of length 0, and a mask that fits; all finite.

    Raises:
        ValueError: says what was expected and what came.
    """
    samples = latent.get("samples") if isinstance(latent, Mapping) else None
    if not _is_batch(samples):
        raise ValueError(f'{name}: expected a LATENT with "samples", got {_described(latent)}.')
    check_samples(samples, name)
    numbers, rows = latent.get("batch_index"), len(_parts(samples)[0])
    if numbers is not None and (
        len(numbers) != rows or not all(isinstance(each, int) and each >= 0 for each in numbers)
    ):
        raise ValueError(f"{name}: expected a batch_index with a number for each of the {rows} rows, got {numbers!r}.")
    if (mask := latent.get("noise_mask")) is not None:
        check_mask(mask, name)


def check_samples(samples: Any, name: str) -> None:
    """Check the samples of a LATENT, a tensor or ComfyUI's nested one; errors as `check_latent`."""
    for part in _parts(samples):
        if part.ndim < 3 or not part.is_floating_point() or not part.numel():
            raise ValueError(
                f"{name}: expected samples (rows, channels, and one side or more) with no side of length 0, got "
                f"{_described(part)}."
            )
    check_finite(samples, name)


def check_mask(mask: Any, name: str) -> None:
    """Check the noise mask of a LATENT; errors as `check_latent`."""
    if not _is_batch(mask) or not all(part.numel() and part.ndim > 1 for part in _parts(mask)):
        raise ValueError(f"{name}: expected a noise_mask with no side of length 0, got {_described(mask)}.")
    check_finite(mask, f"{name}, its noise_mask")


def check_images(images: Any, name: str) -> None:
    """Check an IMAGE: a batch (images, height, width, channels) with at least one picture.

    Raises:
        ValueError: says what was expected and what came.
    """
    is_batch = isinstance(images, torch.Tensor) and images.ndim == 4 and images.is_floating_point()
    if not is_batch or not images.numel() or images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"{name}: expected a batch of images (images, height, width, 1, 3 or 4 channels) with no side of length 0, "
            f"got {_described(images)}."
        )


def check_conditioning(conditioning: Any, name: str) -> None:
    """Check a CONDITIONING: entries of a text embedding (or none) and its extras.

    Raises:
        ValueError: says what was expected and what came.
    """
    if not isinstance(conditioning, Sequence) or isinstance(conditioning, str):
        raise ValueError(f"{name}: expected a CONDITIONING, got {_described(conditioning)}.")
    if not conditioning:
        raise ValueError(f"{name}: expected a CONDITIONING with at least one entry, got an empty one.")
    for entry in conditioning:
        if not is_entry(entry):
            raise ValueError(
                f"{name}: expected entries [text embedding, extras] in a CONDITIONING, got {_described(entry)}."
            )
        if entry[0] is not None:
            _check_embedding(entry[0], name)


def check_nested_conditioning(conditioning: Any, name: str) -> None:
    """Check a CONDITIONING, or a list of some, as ComfyUI's dataset nodes give them; errors as `check_conditioning`."""
    is_list = isinstance(conditioning, list) and conditioning and not any(map(is_entry, conditioning))
    for each in conditioning if is_list else ():
        check_nested_conditioning(each, name)
    if not is_list:
        check_conditioning(conditioning, name)


def is_entry(value: Any) -> bool:
    """Whether this is an entry of a CONDITIONING: [text embedding, extras]."""
    return isinstance(value, Sequence) and len(value) == 2 and isinstance(value[1], dict)


def _check_embedding(embedding: Any, name: str) -> None:
    if not isinstance(embedding, torch.Tensor) or embedding.ndim < 2 or not embedding.numel():
        raise ValueError(
            f"{name}: expected a text embedding (rows, tokens, width) with no side of length 0, got "
            f"{_described(embedding)}."
        )
    check_finite(embedding, name)


def check_sigmas(sigmas: Any, name: str = "sigmas") -> None:
    """Check SIGMAS: a row of finite numbers.

    Raises:
        ValueError: says what was expected and what came.
    """
    if not isinstance(sigmas, torch.Tensor) or sigmas.ndim != 1:
        raise ValueError(f"{name}: expected a row of numbers, got {_described(sigmas)}.")
    check_finite(sigmas, name)


def check_lora(lora: Any, name: str) -> None:
    """Check a LORA_MODEL: tensors by name.

    Raises:
        ValueError: says what came.
    """
    is_lora = isinstance(lora, Mapping) and all(isinstance(each, torch.Tensor) for each in lora.values())
    if not is_lora or not lora:
        raise ValueError(f"{name}: expected a trained LoRA, got {_described(lora)}.")


def has_methods(word: str, *methods: str) -> Check:
    """A check for an object of ComfyUI that can do something; a checkpoint may give None in its place.

    Args:
        word: what it is, for the error.
    """

    def check(value: Any, name: str) -> None:
        if not all(hasattr(value, method) for method in methods):
            raise ValueError(f"{name}: expected {word}, got {_described(value)}.")

    return check


def check_vae_channels(vae: Any, channels: int) -> None:
    """Check that a VAE decodes latents of so many channels, before they are sampled.

    Raises:
        ValueError: it decodes others.
    """
    if (expected := getattr(vae, "latent_channels", channels)) != channels:
        raise ValueError(f"vae: expected the VAE of the model ({channels} channels), got one for {expected} channels.")


# By the name of a socket's type.
CHECKS: dict[str, Check] = {
    "LATENT": check_latent,
    "IMAGE": check_images,
    "CONDITIONING": check_conditioning,
    "MODEL": has_methods("a model", "get_model_object", "clone"),
    "CLIP": has_methods("a text encoder", "tokenize", "encode_from_tokens_scheduled"),
    "LORA_MODEL": check_lora,
    "VAE": has_methods("a VAE", "decode"),
}


def _is_batch(value: Any) -> bool:
    """Whether this is a tensor, or ComfyUI's nested one."""
    return isinstance(value, torch.Tensor) or (hasattr(value, "unbind") and getattr(value, "is_nested", False))


def _parts(batch: Any) -> list[torch.Tensor]:
    return list(batch.unbind()) if batch.is_nested else [batch]


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} numbers of shape {tuple(value.shape)}"
    return "None" if value is None else type(value).__name__
