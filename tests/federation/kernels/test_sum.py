"""Weighted sums and mixtures against float64 products, and the same bytes for any threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from federation.errors import UpdatesError
from federation.kernels import mixture, weighted_sum


def rows(n: int, d: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(n * d).standard_normal((n, d)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (7, 13), (100, 30_000)])
def test_weighted_sum(n: int, d: int, dtype: Any) -> None:
    updates, weights, centre = rows(n, d, dtype), np.linspace(0, 1, n), rows(1, d, dtype)[0]
    wide = updates.astype(np.float64)
    rtol, atol = (1e-6, 1e-6) if dtype == np.float32 else (1e-12, 1e-12)
    np.testing.assert_allclose(weighted_sum(weights, updates), weights @ wide, rtol=rtol, atol=atol)
    np.testing.assert_allclose(
        weighted_sum(weights, updates, centre=centre), centre + weights @ (wide - centre), rtol=rtol, atol=atol
    )
    one = weighted_sum(weights, updates, threads=1).tobytes()
    assert all(weighted_sum(weights, updates, threads=threads).tobytes() == one for threads in (2, 5))


def test_a_weight_of_zero_does_not_hide_a_bad_value() -> None:
    for poison in (np.nan, np.inf):
        updates = rows(3, 10)
        updates[1, 2] = poison
        with pytest.raises(UpdatesError, match=r"\[1\]"):
            weighted_sum(np.array([0.5, 0.0, 0.5]), updates)


def test_mixture() -> None:
    updates, mixing = rows(6, 40, np.float32), np.random.default_rng(0).random((4, 6))
    found = mixture(mixing, updates)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, mixing @ updates.astype(np.float64), rtol=1e-4, atol=1e-5)


def test_threads_do_not_change_a_bit_of_a_mixture() -> None:
    updates, mixing = rows(8, 300_000, np.float32), np.random.default_rng(0).random((8, 8))
    one = mixture(mixing, updates, threads=1).tobytes()
    assert all(mixture(mixing, updates, threads=threads).tobytes() == one for threads in (2, 3, None))
