"""The denoiser and the text encoder: ComfyUI's MMDiT and CLIP text model, trained together with a velocity loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import comfy.clip_model
import comfy.sd1_clip
import numpy as np
import torch
from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT
from comfy.taesd.taesd import TAESD
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from .averaged_training import Pace, train_averaged
from .dataset import Dataset
from .scenes import spoken
from .steps import half_precision

POSITIONS, WIDTH, DEPTH = 32, 128, 3
BATCH, RATE, EMA, CAPTIONS = 64, 1.5e-3, 0.9995, 4
_START, _END = 49406, 49407
_TEXT = {
    "num_hidden_layers": 3, "hidden_size": WIDTH, "num_attention_heads": 2, "intermediate_size": 512,
    "hidden_act": "quick_gelu", "max_position_embeddings": POSITIONS, "eos_token_id": 2, "projection_dim": WIDTH,
}  # fmt: skip


class Vocabulary:
    """CLIP's tokens that the captions use, in a small table: row 0 unknown, then start, end and the rest."""

    def __init__(self, texts: set[str]) -> None:
        self.tokenizer = comfy.sd1_clip.SDTokenizer()
        ids = {token for text in texts for token in self._clip_ids(text)}
        self.ids = [_START, _END, *sorted(ids)]
        self.rows = {token: row + 1 for row, token in enumerate(self.ids)}

    def __call__(self, text: str, unknown_at: int | None = None) -> list[int]:
        """Rows of a text with start, end and padding, as ComfyUI's tokenizer would lay them out."""
        rows = [self.rows.get(token, 0) for token in self._clip_ids(text)][: POSITIONS - 3]
        if unknown_at is not None:
            rows.insert(unknown_at % (len(rows) + 1), 0)
        end = self.rows[_END]
        return [self.rows[_START], *rows] + [end] * (POSITIONS - 1 - len(rows))

    def _clip_ids(self, text: str) -> list[int]:
        return [token for word in text.replace(",", " ,").split() for token in self._word(word)]

    @cache  # noqa: B019 - one vocabulary a run
    def _word(self, word: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.tokenizer(word)["input_ids"][1:-1])


class TrainableModel(nn.Module):
    """What is trained: tokens, a noisy latent and its sigma in, the velocity out."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.te = comfy.clip_model.CLIPTextModel(_TEXT, torch.float32, "cpu", _Plain)
        embeddings = self.te.text_model.embeddings
        embeddings.token_embedding = _Plain.Embedding(vocabulary + 1, WIDTH)
        self.dit = MMDiT(
            input_size=None, patch_size=2, in_channels=16, depth=DEPTH, num_patches=None, pos_embed_max_size=None,
            adm_in_channels=WIDTH, qk_norm="rms", pos_embed_scaling_factor=None, dtype=torch.float32, device="cpu",
            context_embedder_config={
                "target": "torch.nn.Linear", "params": {"in_features": WIDTH, "out_features": 64 * DEPTH}
            },
            operations=torch.nn,
        )  # fmt: skip
        self._initialise()

    def _initialise(self) -> None:
        """Modulations and the last layer start at zero, so that every block starts as the identity (DiT)."""
        for name, weight in self.named_parameters():
            if "ln_" in name or "norm" in name:
                nn.init.ones_(weight) if name.endswith("weight") else nn.init.zeros_(weight)
            elif weight.ndim == 1 or "adaLN" in name or "final_layer.linear" in name:
                nn.init.zeros_(weight)
            elif "embedding" in name or "t_embedder" in name or name.startswith("te."):
                nn.init.normal_(weight, std=0.02)
            else:
                nn.init.xavier_uniform_(weight.view(len(weight), -1))

    def forward(self, tokens: torch.Tensor, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        _, hidden, _, pooled = self.te(tokens, intermediate_output=-2, final_layer_norm_intermediate=False)
        return self.dit(x, sigma * 1000, y=pooled, context=hidden)


class _Plain:
    """torch's layers, as ComfyUI's text model needs them to learn."""

    Linear = nn.Linear

    class LayerNorm(nn.LayerNorm):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.clone())  # ComfyUI goes on to change x in place

    class Embedding(nn.Embedding):
        def forward(self, tokens: torch.Tensor, out_dtype: torch.dtype | None = None) -> torch.Tensor:
            return super().forward(tokens)


def train_denoiser(
    dataset: Dataset, latents: np.ndarray, folder: Path, device: torch.device, steps: int,
    report: Callable[[dict[str, torch.Tensor], int], None], seed: int = 0, compiled: bool = True,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Trains, or loads what is already trained; resumes in between.

    Args:
        latents: (N, 16, 16, 16), zero mean and unit variance, one a picture of the dataset.
        report: gets the averaged weights and the step, now and then.

    Returns:
        The averaged weights, with keys dit.*, te.* and te_ids.
    """
    torch.manual_seed(seed)
    tokens, vocabulary = _tokens(dataset, folder)
    student = TrainableModel(len(vocabulary.ids)).to(device)
    run = torch.compile(student) if compiled else student
    data = torch.from_numpy(latents)
    captions = tokens[:4096, 0].to(device)

    def averaged(network: nn.Module) -> dict[str, torch.Tensor]:
        return _weights(network, vocabulary, captions)

    return averaged(train_averaged(
        "denoiser", student, lambda name: "joint_blocks" in name, lambda: _loss(run, data, tokens, device), folder,
        steps, Pace(RATE, EMA), lambda network, step: report(averaged(network), step),
    ))  # fmt: skip


def export(weights: dict[str, torch.Tensor], autoencoder: TAESD, path: Path) -> None:
    """One fp16 safetensors file, as `sage_core.demo_model` reads it."""
    vae = {f"vae.{name}": value for name, value in autoencoder.state_dict().items()}
    state = {k: v.half() if v.is_floating_point() else v for k, v in {**weights, **vae}.items()}
    part = path.with_suffix(".part")
    save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, part)
    part.replace(path)


def _loss(
    run: Callable[..., torch.Tensor], data: torch.Tensor, tokens: torch.Tensor, device: torch.device
) -> torch.Tensor:
    """|v - (noise - latent)|^2 at x = (1 - sigma) latent + sigma noise (rectified flow, Esser et al. 2024, eq. 1)."""
    chosen = torch.randint(len(data), (BATCH,))
    clean = data[chosen].float().to(device)
    said = tokens[chosen, torch.randint(CAPTIONS + 1, (BATCH,))]
    said = torch.where(torch.rand(BATCH, 1) < 0.1, tokens[0, CAPTIONS + 1], said).to(device)
    sigma = torch.sigmoid(torch.randn(BATCH) + 0.3).to(device)
    noise = torch.randn_like(clean)
    at = sigma.view(-1, 1, 1, 1)
    with half_precision(device):
        velocity = run(said, (1 - at) * clean + at * noise, sigma)
    return F.mse_loss(velocity.float(), noise - clean)


def _tokens(dataset: Dataset, folder: Path) -> tuple[torch.Tensor, Vocabulary]:
    """Rows of some captions a picture, (N, CAPTIONS + 2, POSITIONS): one more with a word that nobody knows, and
    the empty one.
    """
    texts = []
    for index in range(dataset.number):
        scene, _, _, rng = dataset.scene(index)
        texts.append([spoken(scene, rng) for _ in range(CAPTIONS + 1)])
    vocabulary = Vocabulary({text for many in texts for text in many})
    empty = vocabulary("")
    rows = [
        [*(vocabulary(text) for text in many[:-1]), vocabulary(many[-1], unknown_at=index), empty]
        for index, many in enumerate(texts)
    ]
    return torch.tensor(rows, dtype=torch.long), vocabulary


def _weights(student: nn.Module, vocabulary: Vocabulary, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """The pooled text is moved so that its mean over the captions is zero, and what reads it makes up for that: the
    pictures stay what they are, and the cosine between two prompts says how alike they are.

    Args:
        tokens: (N, POSITIONS), captions.
    """
    state = {name: value.clone() for name, value in student.state_dict().items()}
    with torch.no_grad():
        mean = student.te(tokens, intermediate_output=-2, final_layer_norm_intermediate=False)[3].mean(0)
    state["te.text_model.final_layer_norm.bias"] -= mean
    state["dit.y_embedder.mlp.0.bias"] += state["dit.y_embedder.mlp.0.weight"] @ mean
    return {**state, "te_ids": torch.tensor(vocabulary.ids, dtype=torch.int32)}
