"""Order statistics: equal to numpy and to the oracles on both paths, bit for bit for any threads and order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from federation.errors import UpdatesError
from federation.kernels import mean_around_median, median, trimmed_mean
from federation.kernels.order import NETWORK_COLUMNS_A_ROW, NETWORK_ROWS
from tests.oracles import rules as oracle

# (n, d) on the network's side, on the sort's side, and either side of where they meet.
SHAPES = [
    (1, 1),
    (1, 500),
    (2, 300),
    (9, 9 * NETWORK_COLUMNS_A_ROW),
    (9, 9 * NETWORK_COLUMNS_A_ROW - 1),
    (NETWORK_ROWS, 4000),
    (NETWORK_ROWS + 1, 4000),
    (64, 20_011),
    (100, 50),
]
SMALL = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 5)),
    elements=st.floats(-(2.0**127), 2.0**127, width=32),
)


def rows(n: int, d: int, dtype: Any) -> Any:
    return np.random.default_rng(n * d).standard_normal((n, d)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_median_is_numpys(n: int, d: int, dtype: Any) -> None:
    updates = rows(n, d, dtype)
    found = median(updates)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.median(updates, axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_trimmed_mean_is_the_mean_of_the_middle(n: int, d: int, dtype: Any) -> None:
    updates = rows(n, d, dtype)
    trim = (n - 1) // 3
    expected = np.sort(updates.astype(np.float64), axis=0)[trim : n - trim].mean(axis=0)
    np.testing.assert_allclose(
        trimmed_mean(updates, trim), expected, rtol=1e-6, atol=1e-7 if dtype == np.float32 else 1e-15
    )


@pytest.mark.parametrize("n", [1, 2, 5, 8, 15])
def test_mean_around_median_for_every_number_kept(n: int) -> None:
    updates = rows(n, 40, np.float64)
    for keep in range(1, n + 1):
        np.testing.assert_allclose(
            mean_around_median(updates, keep), oracle.mean_around_median(updates, keep), rtol=1e-10, atol=1e-14
        )


def test_mean_around_median_of_some_rows() -> None:
    updates = rows(20, 60, np.float32)
    some = np.array([1, 4, 5, 9, 13])
    np.testing.assert_array_equal(mean_around_median(updates, 3, rows=some), mean_around_median(updates[some], 3))


@pytest.mark.parametrize(("n", "d"), [(10, 400_000), (40, 60_000)])
def test_threads_and_order_of_rows_do_not_change_a_bit(n: int, d: int) -> None:
    updates = rows(n, d, np.float32)
    updates[:, ::7] = np.where(np.arange(n)[:, None] % 2, 0.0, -0.0)  # zeros of both signs
    permuted = updates[np.random.default_rng(1).permutation(n)]
    for kernel in (
        lambda x, threads: median(x, threads=threads),
        lambda x, threads: trimmed_mean(x, n // 4, threads=threads),
        lambda x, threads: mean_around_median(x, n - n // 4, threads=threads),
    ):
        one = kernel(updates, 1).tobytes()
        assert all(kernel(updates, threads).tobytes() == one for threads in (2, 3, None))
        assert kernel(permuted, 2).tobytes() == one


@settings(deadline=None, max_examples=150)
@given(SMALL)
def test_any_finite_values_stay_in_range(updates: Any) -> None:
    n = len(updates)
    found = median(updates)
    half = updates.astype(np.float64) / 2
    np.testing.assert_allclose(found / 2, np.median(half, axis=0), rtol=1e-6, atol=1e-44)
    for value in (found, trimmed_mean(updates, (n - 1) // 3), mean_around_median(updates, n // 2 + 1)):
        assert (value >= updates.min(axis=0)).all()
        assert (value <= updates.max(axis=0)).all()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("n", "d"), SHAPES[1:])
def test_one_bad_value_is_found_wherever_it_is(n: int, d: int, poison: float) -> None:
    for row, column in ((0, 0), (n - 1, d - 1), (n // 2, d // 2)):
        updates = rows(n, d, np.float32)
        updates[row, column] = poison
        for found in (lambda x: median(x), lambda x: trimmed_mean(x, 0), lambda x: mean_around_median(x, len(x))):
            with pytest.raises(UpdatesError, match=rf"\[{row}\]"):
                found(updates)
