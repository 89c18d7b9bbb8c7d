"""Groups of conditionings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.grouping.conditionings import group_conditionings

SETTINGS = {
    "encoder": "own", "threshold_mode": "fixed", "threshold": 0.5, "max_group_size": 0, "group_condition": "mean",
}  # fmt: skip


def test_texts_of_several_conditionings_are_told_apart() -> None:
    """Also from a text that ends with such a number."""
    texts = ["a cat", "a cat", "a cat (2)", "a cat", "a cat (2)"]
    rows = [torch.eye(8)[None, row : row + 1] for row in (0, 1, 2, 1, 3)]
    groups = group_conditionings([[[row, {"pooled_output": row[:, 0]}]] for row in rows], texts, None, **SETTINGS)
    assert groups.prompts == ("a cat", "a cat (3)", "a cat (2)", "a cat (3)", "a cat (2) (2)")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_an_embedding_that_is_no_number_is_named(bad: float) -> None:
    """A pooled output that half precision overflowed, or an encoder's answer."""
    conditionings = [[[torch.ones(1, 2, 8), {"pooled_output": torch.full((1, 8), value)}]] for value in (1.0, bad)]
    with pytest.raises(ValueError, match="encoder: expected finite embeddings, got NaN or infinity .* 'prompt 2'"):
        group_conditionings(conditionings, [], None, **SETTINGS)
    with pytest.raises(ValueError, match="encoder: expected finite embeddings, got NaN or infinity .* 'a dog'"):
        group_conditionings(
            conditionings, ["a cat", "a dog"], lambda texts: np.array([[1.0]] + [[bad]] * (len(texts) - 1)), **SETTINGS
        )
