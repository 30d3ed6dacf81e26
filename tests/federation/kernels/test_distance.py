"""Distances: against loops in float64, under offsets, next to huge liars, at the ends of the range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from federation.errors import UpdatesError
from federation.kernels import distances_to, squared_distances
from federation.kernels.distance import GRAM_ELEMENTS
from tests.oracles import rules as oracle


def rows(n: int, d: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(n * d).standard_normal((n, d)).astype(dtype)


def check_shape(distances: np.ndarray, n: int) -> None:
    assert distances.shape == (n, n)
    assert distances.dtype == np.float64
    np.testing.assert_array_equal(distances, distances.T)
    assert (distances >= 0).all()
    assert (np.diagonal(distances) == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (9, 100), (30, 17)])
def test_squared_distances_are_the_slow_ones(n: int, d: int, dtype: Any) -> None:
    updates = rows(n, d, dtype)
    found = squared_distances(updates)
    check_shape(found, n)
    np.testing.assert_allclose(found, oracle.squared_distances(updates), rtol=1e-4 if dtype == np.float32 else 1e-11)


def test_many_blocks_add_up() -> None:
    d = GRAM_ELEMENTS // 4 * 2 + 77
    updates = rows(4, d, np.float32)
    found = squared_distances(updates)
    check_shape(found, 4)
    expected = [[((a - b) ** 2).sum() for b in updates.astype(np.float64)] for a in updates.astype(np.float64)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("far", [1e2, 1e4, 1e6])
def test_honest_distances_survive_far_liars(far: float) -> None:
    # Liars drag the mean away, so that centring on it alone cancels the honest rows' digits.
    updates = rows(12, 500)
    updates[9:] += far
    updates = updates.astype(np.float32)
    np.testing.assert_allclose(squared_distances(updates)[:9, :9], oracle.squared_distances(updates[:9]), rtol=1e-3)


def test_copies_are_at_distance_zero() -> None:
    updates = rows(10, 300, np.float32)
    updates[6:] = updates[6]
    found = squared_distances(updates)
    check_shape(found, 10)
    assert found[6:, 6:].max() < 1e-10


def test_what_overflows_float32_is_done_in_float64() -> None:
    updates = rows(5, 50, np.float32)
    found = squared_distances(updates * np.float32(2.0**100))
    np.testing.assert_allclose(found * 2.0**-200, squared_distances(updates), rtol=1e-4)


def test_what_overflows_float64_is_refused() -> None:
    updates = rows(5, 50)
    updates[2] *= 1e200
    with pytest.raises(UpdatesError, match="overflows float64"):
        squared_distances(updates)
    with pytest.raises(UpdatesError, match="overflows float64"):
        distances_to(updates)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_bad_values_are_found(poison: float) -> None:
    for dtype in (np.float32, np.float64):
        updates = rows(5, 50, dtype)
        updates[3, 49] = poison
        for kernel in (squared_distances, distances_to):
            with pytest.raises(UpdatesError, match=r"\[3\]"):
                kernel(updates)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_to_a_centre(dtype: Any) -> None:
    updates, centre = rows(30, 20_000, dtype), rows(1, 20_000, dtype)[0]
    np.testing.assert_allclose(
        distances_to(updates, centre), np.linalg.norm(updates.astype(np.float64) - centre, axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(distances_to(updates), np.linalg.norm(updates.astype(np.float64), axis=1), rtol=1e-12)
    one = distances_to(updates, centre, threads=1).tobytes()
    assert distances_to(updates, centre, threads=3).tobytes() == one


def test_threads_over_parts_do_not_change_a_bit() -> None:
    updates = rows(8, 300_000, np.float32)
    one = squared_distances(updates, threads=1).tobytes()
    assert all(squared_distances(updates, threads=threads).tobytes() == one for threads in (2, 3, None))
