"""Operations on embedding vectors."""

from __future__ import annotations

import numpy as np


def normalize(embeddings: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, fp32; a zero row stays zero."""
    embeddings = np.asarray(embeddings, dtype=np.float32)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(length > 0, length, 1)
