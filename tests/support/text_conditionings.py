"""Short random conditionings, and whether two are the same."""

from __future__ import annotations

from typing import Any

import torch
from models import randn


def text(seed: int, tokens: int = 77, **extras: Any) -> list:
    return [[randn(1, tokens, 16, seed=seed), {"pooled_output": randn(1, 8, seed=100 + seed), **extras}]]


def assert_same(a: Any, b: Any) -> None:
    """Equal in structure and exactly equal in values."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b
