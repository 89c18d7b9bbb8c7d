"""Operations on embedding vectors."""

from __future__ import annotations

import numpy as np


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Vectors scaled to length 1 (L2); a zero vector stays zero.

    Args:
        vectors: (..., D).

    Returns:
        (..., D), in double precision if it came so, else in fp32.
    """
    vectors = np.asarray(vectors)
    if vectors.dtype != np.float64:
        vectors = vectors.astype(np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
