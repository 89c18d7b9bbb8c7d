"""The small text-to-image model that comes with the pack, loaded by ComfyUI's own loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import torch

WEIGHTS = Path(__file__).parent / "data" / "demo_model_f16.safetensors"
# Widths that ComfyUI gives an SD3 model's text inputs with CLIP-L alone, and the number of tokens that CLIP has.
_TEXT_WIDTH, _POOLED_WIDTH, _VOCABULARY = 4096, 1408, 49408
_TEXT_CONFIG = {
    "num_hidden_layers": 3, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512,
    "projection_dim": 128,
}  # fmt: skip


def load_demo_model(weights: Path = WEIGHTS) -> tuple[Any, Any, Any]:
    """The MODEL (an MMDiT, rectified flow), CLIP and VAE for pictures of drawn scenes, 128 x 128 pixels.

    Raises:
        ValueError: the weights are missing or damaged.
    """
    try:
        state = comfy.utils.load_torch_file(str(weights), safe_load=True)
        parts = {name: _part(state, f"{name}.") for name in ("dit", "te", "vae", "preview")}
        if not all(parts.values()):
            raise KeyError("a part of the model")
        model = _model(parts["dit"], **parts["preview"])
        return model, _clip(parts["te"], state["te_ids"]), comfy.sd.VAE(sd=parts["vae"])
    except Exception as error:
        raise ValueError(
            f"demo model: the weights at {weights} are missing or damaged ({error}). Install the pack again."
        ) from error


def _part(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _model(dit: dict[str, torch.Tensor], factors: torch.Tensor, bias: torch.Tensor) -> Any:
    """The MODEL of the stored weights.

    Its inputs are as wide as SD3's. The columns for text that the demo encoder does not give are zero, and not stored.

    Args:
        factors, bias: (16, 3) and (3,), latent to RGB for live previews; ComfyUI's own fit SD3's autoencoder.
    """
    for key, width in (("context_embedder.weight", _TEXT_WIDTH), ("y_embedder.mlp.0.weight", _POOLED_WIDTH)):
        dit[key] = torch.nn.functional.pad(dit[key], (0, width - dit[key].shape[1]))
    model = comfy.sd.load_diffusion_model_state_dict(dit)
    latent_format = model.model.latent_format
    latent_format.latent_rgb_factors = factors.tolist()
    latent_format.latent_rgb_factors_bias = bias.tolist()
    return model


def _clip(text: dict[str, torch.Tensor], token_ids: torch.Tensor) -> Any:
    """The CLIP of the stored weights.

    Only the embeddings of the known tokens are stored; all others get row 0, which is that of unknown words.

    Args:
        token_ids: CLIP's numbers of the known tokens.
    """
    key = next(name for name in text if name.endswith("token_embedding.weight"))
    known = text[key]
    table = known[:1].repeat(_VOCABULARY, 1)
    table[token_ids.long()] = known[1 : len(token_ids) + 1]
    text[key] = table
    options = {"model_config": dict(_TEXT_CONFIG)}
    clip = comfy.sd.load_text_encoder_state_dicts([text], clip_type=comfy.sd.CLIPType.SD3, model_options=options)
    clip.tokenizer.sage_known_tokens = frozenset(token_ids.tolist())
    return clip
