"""The demo model for short video clips: its network looks at all frames at once, and a LoRA knows how things move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.ops
import comfy.sd
import comfy.utils
import torch
from comfy.ldm.modules.diffusionmodules.mmdit import OpenAISignatureMMDITWrapper

from .model import load_demo_model

WEIGHTS = Path(__file__).parent / "data" / "demo_video_lora_f16.safetensors"
FRAMES = 6
"""The longest clip."""
FRAMES_KEY = "frame_embedding"
"""Of the frames' embeddings in the file; all else in it is the LoRA."""


class VideoMMDiT(OpenAISignatureMMDITWrapper):
    """ComfyUI's MMDiT with the patches of all frames of a clip in one sequence (ours).

    Patches of a frame have the positions of a picture, and every frame an embedding of its own.

    Attributes:
        frame_embedding: (FRAMES, width).
    """

    frame_embedding: torch.nn.Parameter

    def forward(
        self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor | None = None,
        y: torch.Tensor | None = None, control: Any = None, transformer_options: dict[str, Any] | None = None,
        **_: Any,
    ) -> torch.Tensor:  # fmt: skip
        """Run the network on clips.

        Args:
            x: (B, channels, frames, height, width).
            timesteps: (B,).

        Returns:
            The velocity, like x.

        Raises:
            ValueError: there are more frames than the model knows.
        """
        frames, size = x.shape[2], x.shape[-2:]
        if frames > FRAMES:
            raise ValueError(
                f"demo model: expected a video latent of at most {FRAMES} frames, got {frames}. Set the length of the "
                f"empty latent to {4 * FRAMES - 3} or less."
            )
        patches = self.x_embedder(x.movedim(2, 1).flatten(0, 1))
        patches = patches + comfy.ops.cast_to_input(self.cropped_pos_embed(size, device=x.device), patches)
        patches = patches.unflatten(0, (-1, frames))
        patches = patches + comfy.ops.cast_to_input(self.frame_embedding[:frames, None], patches)
        modulation = self.t_embedder(timesteps, dtype=x.dtype) + self.y_embedder(y)
        found = self.forward_core_with_concat(
            patches.flatten(1, 2), modulation, self.context_embedder(context), control, transformer_options or {}
        )
        pictures = self.unpatchify(found.unflatten(1, (frames, -1)).flatten(0, 1), hw=size)
        return pictures[:, :, : size[0], : size[1]].unflatten(0, (-1, frames)).movedim(1, 2)


class FramesVAE(comfy.sd.VAE):
    """ComfyUI's VAE of pictures, frame by frame."""

    def decode(self, samples_in: torch.Tensor, vae_options: dict[str, Any] | None = None) -> torch.Tensor:
        """Latents of clips, (B, channels, frames, h, w), to (B, frames, height, width, 3) from 0 to 1."""
        pictures = super().decode(samples_in.movedim(2, 1).flatten(0, 1), vae_options or {})
        return pictures.unflatten(0, (len(samples_in), -1))

    def encode(self, pixel_samples: torch.Tensor) -> torch.Tensor:
        """The frames of one clip, (frames, height, width, 3), to (1, channels, frames, h, w)."""
        return super().encode(pixel_samples).movedim(0, 1)[None]


def load_demo_video_model(weights: Path = WEIGHTS) -> tuple[Any, Any, Any]:
    """The MODEL, CLIP and VAE for clips of FRAMES frames, 128 x 128 pixels.

    Raises:
        ValueError: the weights are missing or damaged.
    """
    try:
        lora = comfy.utils.load_torch_file(str(weights), safe_load=True)
        embedding = lora.pop(FRAMES_KEY).float()
    except Exception as error:
        raise ValueError(
            f"demo model: the weights at {weights} are missing or damaged ({error}). Install the pack again."
        ) from error
    model, clip, vae = demo_video_parts(embedding)
    return comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0], clip, vae


def demo_video_parts(frame_embedding: torch.Tensor) -> tuple[Any, Any, Any]:
    """The demo model as a model of clips that has not learnt how things move.

    Args:
        frame_embedding: (FRAMES, width).
    """
    model, clip, vae = load_demo_model()
    network = model.model.diffusion_model
    network.__class__ = VideoMMDiT  # the same weights; ComfyUI's loaders choose the class by the weights' names
    network.frame_embedding = torch.nn.Parameter(frame_embedding, requires_grad=False)
    model.model.latent_format.latent_dimensions = 3
    vae.__class__ = FramesVAE
    return model, clip, vae
