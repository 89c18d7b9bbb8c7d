"""Groups of named prompts that are never sampled."""

from __future__ import annotations

import numpy as np
from comfyui_sage.sage_core.grouping.partition import Partition
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.vectors import normalize


def named_groups(partition: Partition, prompts: list[str] | None = None) -> PromptGroups:
    """Groups with these prompts (or "prompt 0", "prompt 1", ...), random embeddings and no conditioning."""
    n = sum(map(len, partition))
    return PromptGroups(
        prompts=tuple(prompts or [f"prompt {index}" for index in range(n)]),
        conditionings=tuple([] for _ in range(n)),
        embeddings=normalize(np.random.default_rng(0).normal(size=(n, 8))),
        partition=partition, threshold=0.5, threshold_mode="fixed", encoder="clip", group_condition="mean",
    )  # fmt: skip
