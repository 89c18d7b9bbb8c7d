"""A copy of the model that can be trained: frozen weights, adapters, and ComfyUI's own evaluation with gradients."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator
from typing import Any

import comfy.model_management
import comfy.sampler_helpers
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP
from comfy.quant_ops import QuantizedTensor

from ..conditioning.batch import batch_conds, batchable_classes
from ..conditioning.combine import Conditioning, text_width
from ..sampling.model_patches import is_compiled, replaced_methods
from ..sampling.out_of_memory import is_out_of_memory
from .objective import Batch, Term
from .recomputation import recompute


class TrainableModel:
    """A copy of a model with frozen weights, evaluated with gradients for its adapters.

    Attributes:
        patcher: the copy's ModelPatcher. Sampling with it uses what is learnt so far.
    """

    def __init__(self, model: Any, *, bf16: bool, gradient_checkpointing: bool, offloading: bool) -> None:
        """Copy a model for training.

        Args:
            model: the user's ModelPatcher, which is not changed.
            bf16: compute in bf16; otherwise in fp32.
            gradient_checkpointing: compute inner results again in the backward pass: less memory, more time.
            offloading: keep only a part of the weights on the device at a time.
        """
        self.patcher = private_copy(model)
        self.patcher.model.requires_grad_(False)
        self.device = self.patcher.load_device
        self.dtype = torch.bfloat16 if bf16 else torch.float32
        self.patcher.set_model_compute_dtype(self.dtype)
        self.offloading = offloading
        if gradient_checkpointing:
            recompute(self.patcher.model.diffusion_model, self._autocast)

    @contextlib.contextmanager
    def loaded(self) -> Iterator[None]:
        """Context in which the model is on its device and ready to train."""
        self._load()
        try:
            with torch.autograd.graph.allow_mutation_on_saved_tensors():  # some models add in place (Flux)
                yield
        finally:
            comfy.model_management.in_training = False
            self.patcher.cleanup()

    @contextlib.contextmanager
    def sampling(self) -> Iterator[None]:
        """Context inside `loaded` to sample in: without gradients, and without a trace in the random numbers."""
        comfy.model_management.in_training = False
        with torch.no_grad(), torch.random.fork_rng():
            yield
        self._load()

    def unload(self) -> None:
        """Takes the copy off the device, with everything else that ComfyUI has there."""
        _unload_all()

    def latents_in(self, latents: list[torch.Tensor]) -> list[torch.Tensor]:
        """Converts latents as the VAE gives them to the model's own scale, fp32."""
        return [self.patcher.model.process_latent_in(latent.float()) for latent in latents]

    def denoised(self, batch: Batch) -> torch.Tensor:
        """D(x; sigma, c) of a batch, with gradients. To call inside `loaded`.

        Conditions that fit are evaluated together.

        Returns:
            (B, channels, ...).
        """
        model = self.patcher.model
        states, sigma = batch.states.to(self.device), batch.sigma.to(self.device)
        conds = [self._processed(condition, states[:1]) for condition in batch.conditions]
        out: list[torch.Tensor | None] = [None] * len(conds)
        options = self.patcher.model_options
        with self._autocast():
            for rows in batchable_classes(conds, 1):
                together = batch_conds([conds[row] for row in rows], 1)["positive"]
                denoised = comfy.samplers.calc_cond_batch(model, [together], states[rows], sigma[rows], options)[0]
                for row, part in zip(rows, denoised.split(1), strict=True):
                    out[row] = part
        return torch.cat([part for part in out if part is not None])

    def check_latents(self, latents: Iterable[torch.Tensor]) -> None:
        """Raises ValueError where latents, (1, channels, ...), have other channels than the model's."""
        expected = self.patcher.get_model_object("latent_format").latent_channels
        for latent in latents:
            if latent.shape[1] != expected:
                raise ValueError(
                    f"latents: expected {expected} channels, got {latent.shape[1]}. Encode the images with the model's "
                    "VAE."
                )

    def check_caption(self, caption: Conditioning, state: torch.Tensor, name: str) -> None:
        """Asks the model about a caption. To call inside `loaded`.

        Args:
            state: a latent in the model's own scale, (1, channels, ...).
            name: of the input, for the error.

        Raises:
            ValueError: the model does not take it.
        """
        sigma = torch.ones(1)
        batch = Batch(state, sigma, state, sigma, [caption], [Term.PLAIN])
        try:
            with torch.no_grad():
                self.denoised(batch)
        except RuntimeError as error:  # PyTorch's words for tensors that do not fit each other
            if is_out_of_memory(error):
                raise
            width, expected = text_width(caption), self.patcher.model.model_config.unet_config.get("context_dim")
            wanted = "that the model takes" if expected in (None, width) else f"of text width {expected}"
            raise ValueError(
                f"{name}: expected captions {wanted}, got text width {width} ({error}). Encode them with the CLIP that "
                "belongs to the model."
            ) from error

    def _autocast(self) -> torch.autocast:
        """Context to evaluate the model in."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32)

    def _load(self) -> None:
        """Load the model, all of it or a part, and put ComfyUI into training mode."""
        comfy.model_management.load_models_gpu(
            [self.patcher], memory_required=1e20 if self.offloading else 0, force_full_load=not self.offloading
        )
        self.patcher.pre_run()
        comfy.model_management.in_training = True  # ComfyUI then uses operations that have gradients

    def _processed(self, condition: Any, state: torch.Tensor) -> dict[str, Any]:
        """A conditioning as the model takes it, for states like this one, (1, channels, ...)."""
        return comfy.samplers.process_conds(
            self.patcher.model, state, {"positive": comfy.sampler_helpers.convert_cond(condition)}, self.device, state
        )


def private_copy(model: Any) -> Any:
    """A copy of a ModelPatcher with weights of its own. To call outside inference mode.

    The model's own weights are tensors of inference mode, which cannot take part in a gradient.

    Raises:
        ValueError: a patch of the model works on the model itself, not on a copy.
    """
    _check_patches(model)
    _unload_all()  # so that no LoRA is in the weights, and all memory is free
    patcher = _copy(model)
    # Compiled layers are the model's own.
    patcher.object_patches = {name: patch for name, patch in patcher.object_patches.items() if not is_compiled(patch)}
    patcher.remove_wrappers_with_key(WrappersMP.APPLY_MODEL, "torch.compile")
    return patcher


def _copy(model: Any) -> Any:
    """A copy of a ModelPatcher with weights of its own, and with all of its patches."""
    if getattr(model, "is_dynamic", lambda: False)():
        return model.clone(disable_dynamic=True)  # ComfyUI loads the file once more
    patcher = model.clone()
    shared = model.model.model_config  # plain settings, which Python cannot copy
    quantized = {id(weight): _copied(weight) for weight in _quantized(model.model)}
    patcher.model = copy.deepcopy(model.model, {id(shared): shared, **quantized})
    patcher.backup, patcher.object_patches_backup, patcher.parent = {}, {}, None
    return patcher


def _check_patches(model: Any) -> None:
    """Raises ValueError where a ModelPatcher has patches that hold layers of the model: a copy would not have them."""
    if "bypass_lora" in model.injections:
        raise ValueError(
            "model: has a LoRA of Load LoRA (Bypass), which training cannot take into account. Load it with Load LoRA."
        )
    if replaced := replaced_methods(model):
        raise ValueError(
            f"model: expected one whose layers compute in their own way, got one where another node has replaced "
            f"{', '.join(replaced)}. Train it without that node."
        )


def _copied(weight: torch.Tensor) -> torch.nn.Parameter:
    """A copy of a quantized weight, which Python cannot copy."""
    return torch.nn.Parameter(weight.clone(), requires_grad=False)


def _quantized(model: torch.nn.Module) -> list[torch.Tensor]:
    """The weights of a model that are in one of ComfyUI's quantized formats."""
    return [weight for weight in model.parameters() if isinstance(weight, QuantizedTensor)]


def _unload_all() -> None:
    """Takes all models off their devices, each in the mode that its weights are of.

    Quantized weights cannot move in the other mode; ComfyUI's own are of inference mode, those of copies are not.
    """
    loaded = comfy.model_management.current_loaded_models
    for inference in (True, False):
        kept = [each for each in loaded if _is_of_inference_mode(each.model) is not inference]
        with torch.inference_mode(inference):
            for device in {each.device for each in loaded}:
                comfy.model_management.free_memory(1e30, device, kept)


def _is_of_inference_mode(patcher: Any) -> bool:
    """Whether quantized weights of a loaded model, if there are any, are tensors of inference mode."""
    return patcher is None or all(weight.is_inference() for weight in _quantized(patcher.model))
