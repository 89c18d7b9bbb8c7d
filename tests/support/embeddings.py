"""Made-up embeddings: at chosen angles, in random directions, in clusters."""

from __future__ import annotations

import numpy as np
from comfyui_sage.sage_core.vectors import normalize

UNRELATED = normalize(np.random.default_rng(99).normal(size=(24, 64)))


def directions(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane, at these angles."""
    angles = np.radians(degrees)
    return normalize(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def random_directions(seed: int, count: int, width: int = 6) -> np.ndarray:
    """Random directions in few dimensions, so that any similarity occurs."""
    return normalize(np.random.default_rng(seed).normal(size=(count, width)))


def clustered_directions(seed: int, sizes: list[int], *, spread: float = 0.3, width: int = 64) -> np.ndarray:
    """Directions in clusters of these sizes: similar inside (about 1 / (1 + spread²)), unrelated across."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(len(sizes), width)), sizes, axis=0)
    return normalize(centres + spread * generator.normal(size=centres.shape))


def prompt_names(count: int) -> list[str]:
    """Distinct prompts whose alphabetical order is their order."""
    return [f"prompt {index:05d}" for index in range(count)]


def as_sets(partition: tuple[tuple[int, ...], ...]) -> set[frozenset[int]]:
    """A partition without an order."""
    return {frozenset(group) for group in partition}


def assert_unit_rows(embeddings: np.ndarray, count: int) -> None:
    assert embeddings.dtype == np.float32
    assert embeddings.shape[0] == count
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
