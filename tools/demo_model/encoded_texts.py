"""Texts as the demo model's text encoder gives them, without the columns that are always zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

TEXT_WIDTH, GIVEN_WIDTH = 128, 4096
"""Columns that the text encoder fills, and those that a model of the SD3 family is given."""


@torch.no_grad()
def encoded_texts(clip: Any, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the text encoder makes of texts: (T, tokens, TEXT_WIDTH) in half precision, and pooled, (T, width)."""
    states, pooled = [], []
    for text in texts:
        (state, extra), *_ = clip.encode_from_tokens_scheduled(clip.tokenize(text))
        states.append(state[0, :, :TEXT_WIDTH].half().cpu())
        pooled.append(extra["pooled_output"][0].cpu())
    return torch.stack(states), torch.stack(pooled)


def as_given(states: torch.Tensor) -> torch.Tensor:
    """(B, tokens, TEXT_WIDTH) to (B, tokens, GIVEN_WIDTH) in full precision."""
    return torch.nn.functional.pad(states.float(), (0, GIVEN_WIDTH - TEXT_WIDTH))
