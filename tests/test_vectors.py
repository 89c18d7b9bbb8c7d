"""Vectors of length one."""

from __future__ import annotations

import numpy as np
from comfyui_sage.sage_core.vectors import normalize
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_length_one_whatever_the_scale(seed: int, scale: float) -> None:
    raw = np.random.default_rng(seed).normal(size=(4, 5))
    found = normalize(scale * raw)
    assert found.dtype == np.float64 and normalize(raw.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found, normalize(raw), atol=1e-5)


def test_a_zero_row_stays_zero() -> None:
    assert not normalize(np.zeros((2, 3))).any()
