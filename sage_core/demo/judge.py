"""A small network that judges the demo model's pictures: what is in them, where, and how well a text fits.

Its features also say how similar two pictures are. It was trained by `tools/demo_model` on drawn scenes, and knows
nothing else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

WEIGHTS = Path(__file__).parent / "data" / "demo_judge_f16.safetensors"
# The longest text, in words; the rest is cut off.
WORDS = 32
# Side of a cell in pixels: each of the heads for things has one answer per cell.
_CELL = 8


@dataclass(frozen=True)
class Seen:
    """One thing in a picture; x and y are the pixel of its middle."""

    subject: str
    colour: str
    material: str
    size: str
    x: float
    y: float


@dataclass(frozen=True)
class Verdict:
    """What a picture shows, by the judge's best guess."""

    things: tuple[Seen, ...]
    setting: str
    weather: str


def _block(channels: int) -> nn.Sequential:
    """Two convolutions that keep the size."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
    )  # fmt: skip


class _Residual(nn.Module):
    """A residual block: ReLU(x + block(x))."""

    def __init__(self, channels: int) -> None:
        """All layers have this many channels."""
        super().__init__()
        self.body = _block(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, height, width) to the same shape."""
        return F.relu(x + self.body(x))


def _down(before: int, after: int) -> nn.Sequential:
    """A convolution that halves width and height."""
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class DemoJudge(nn.Module):
    """The judge's network: a convolutional one with heads for things and scenes, and a small text encoder."""

    def __init__(self, labels: dict[str, list[str]]) -> None:
        """Build the network for these labels.

        Args:
            labels: what each head tells apart. For every cell of 8 x 8 pixels: subject (with one more answer, for
                cells without the middle of a thing), colour, material, size. For the picture: setting, weather. And
                words: those that it can read.
        """
        super().__init__()
        self.labels = labels
        self.fine = nn.Sequential(_down(3, 32), _down(32, 64), *(_Residual(64) for _ in range(2)))
        self.middle = nn.Sequential(_down(64, 96), *(_Residual(96) for _ in range(2)))
        self.coarse = nn.Sequential(_down(96, 128), *(_Residual(128) for _ in range(2)))
        self.merge = nn.Sequential(nn.Conv2d(224, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(), _Residual(128))
        self.cells = nn.ModuleDict(
            {name: nn.Conv2d(128, len(labels[name]) + (name == "subject"), 1)
             for name in ("subject", "colour", "material", "size")}
        )  # fmt: skip
        self.wholes = nn.ModuleDict({name: nn.Linear(224, len(labels[name])) for name in ("setting", "weather")})
        self.image = nn.Sequential(nn.Linear(224, 256), nn.ReLU(), nn.Linear(256, 128))
        self.words = {word: index + 1 for index, word in enumerate(labels["words"])}
        self.word = nn.Embedding(len(labels["words"]) + 1, 128)
        self.position = nn.Parameter(torch.zeros(WORDS, 128))
        self.reader = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True), 2, enable_nested_tensor=False
        )
        self.text = nn.Linear(128, 128)
        self.temperature = nn.Parameter(torch.tensor(2.5))

    def forward(self, pictures: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Looks at pictures.

        Args:
            pictures: (N, 3, height, width) from 0 to 1; height and width are multiples of 16, and 128 is what the
                judge has learnt from.

        Returns:
            Logits of every head, (N, labels, height / 8, width / 8) for cells or (N, labels) for pictures, and
            features (N, 224).
        """
        middle = self.middle(self.fine(pictures * 2 - 1))
        coarse = self.coarse(middle)
        cells = self.merge(torch.cat([middle, F.interpolate(coarse, scale_factor=2.0)], 1))
        features = torch.cat([middle.mean((2, 3)), coarse.mean((2, 3))], 1)
        logits = {name: head(cells) for name, head in self.cells.items()}
        return {**logits, **{name: head(features) for name, head in self.wholes.items()}}, features

    def embed_image(self, features: torch.Tensor) -> torch.Tensor:
        """Embeds features (N, 224) of pictures: (N, 128), unit rows, to compare with those of texts."""
        return F.normalize(self.image(features).float(), dim=-1)

    def embed_text(self, texts: list[str]) -> torch.Tensor:
        """Embeds N texts: (N, 128), unit rows, to compare with those of pictures."""
        device = self.position.device
        tokens = torch.zeros(len(texts), WORDS, dtype=torch.long, device=device)
        hidden = torch.ones(len(texts), WORDS, dtype=torch.bool, device=device)
        for row, text in enumerate(texts):
            numbers = [self.words.get(word, 0) for word in split_words(text)][:WORDS] or [0]
            tokens[row, : len(numbers)] = torch.tensor(numbers, device=device)
            hidden[row, : len(numbers)] = False
        states = self.reader(self.word(tokens) + self.position, src_key_padding_mask=hidden)
        shown = (~hidden).unsqueeze(-1)
        return F.normalize(self.text((states * shown).sum(1) / shown.sum(1)).float(), dim=-1)

    def unknown_words(self, text: str) -> list[str]:
        """Words of a text that the judge does not know, numbers and words in any script among them."""
        return [word for word in re.findall(r"[^\W_]+", text.lower()) if word not in self.words]

    def verdicts(self, logits: dict[str, torch.Tensor]) -> list[Verdict]:
        """What N pictures show: there is a thing where the probability of a thing's middle peaks above one half.

        Args:
            logits: of every head, as `forward` gives them.
        """
        subject = logits["subject"].float()
        odds = subject[:, :-1].logsumexp(1, keepdim=True) - subject[:, -1:]  # logits: probabilities round to 1
        peak = (odds == F.max_pool2d(odds, 5, 1, 2)) & (odds > 0)
        best = {name: logits[name].argmax(1) for name in ("colour", "material", "size")}
        best["subject"] = subject[:, :-1].argmax(1)
        wholes = {name: logits[name].argmax(1).tolist() for name in ("setting", "weather")}
        things: list[list[Seen]] = [[] for _ in range(len(subject))]
        for index, _, y, x in peak.nonzero().tolist():
            words = {name: self.labels[name][int(of[index, y, x])] for name, of in best.items()}
            things[index].append(Seen(x=(x + 0.5) * _CELL, y=(y + 0.5) * _CELL, **words))
        return [
            Verdict(tuple(seen), *(self.labels[name][wholes[name][index]] for name in ("setting", "weather")))
            for index, seen in enumerate(things)
        ]


def split_words(text: str) -> list[str]:
    """The words of a text in lower case; digits and marks are left out."""
    return re.findall(r"[a-z]+", text.lower())


def load_demo_judge(weights: Path = WEIGHTS) -> DemoJudge:
    """The judge with its trained weights, in evaluation mode.

    Raises:
        ValueError: the weights are missing or damaged.
    """
    try:
        with safe_open(str(weights), "pt") as file:
            labels = json.loads(file.metadata()["labels"])
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        judge = DemoJudge(labels)
        judge.load_state_dict(state)
    except Exception as error:
        raise ValueError(
            f"demo judge: the weights at {weights} are missing or damaged ({error}). Install the pack again."
        ) from error
    return judge.train(False).requires_grad_(False)
