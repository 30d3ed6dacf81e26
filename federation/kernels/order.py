"""Order statistics of each column of an ``(n, d)`` matrix: median, trimmed mean, mean around the median.

Two ways, chosen by (n, d). For few rows and many columns, a pruned sorting network of minima and maxima
of whole rows. Else blocks of columns are transposed and each column is sorted: a full SIMD sort beats
selection, which numpy runs without SIMD when it must find more than one position.

The value does not depend on the order of the rows, nor on the number of threads, bit for bit: what is
summed is summed in sorted order, and a zero is always +0. NaN and Inf are found on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.kernels.blocks import Matrix, Vector, block_width, over_blocks, require_finite
from federation.kernels.network import pruned_network, run_network

# Measured on AVX-512: up to this many rows, and with enough columns to pay for its many numpy calls,
# the network is faster than the transposed sort.
NETWORK_ROWS = 32
NETWORK_COLUMNS_A_ROW = 80
SORT_ELEMENTS = 1 << 19
NETWORK_ELEMENTS = 1 << 20

Reduce = Callable[[Any, NDArray[Any]], None]


def median(updates: Matrix, *, threads: int | None = None) -> Vector:
    """The median of each column, ``(d,)``: for even n the mean of the two middle values.

    Raises:
        UpdatesError: if there is a NaN or an Inf.
    """
    n = len(updates)
    low, high = (n - 1) // 2, n // 2

    def reduce(column: Any, out: NDArray[Any]) -> None:
        _midpoint(column(low), column(high), out)

    return _by_column(updates, reduce, first=low, last=high, threads=threads)


def trimmed_mean(updates: Matrix, trim: int, *, threads: int | None = None) -> Vector:
    """The mean of each column without its ``trim`` smallest and ``trim`` largest values, ``(d,)``.

    Raises:
        UpdatesError: if there is a NaN or an Inf.
    """
    n = len(updates)
    first, last = trim, n - trim - 1

    def reduce(column: Any, out: NDArray[Any]) -> None:
        # Divided before it is summed, so that large finite values do not overflow.
        total = column(first) / np.float64(n - 2 * trim)
        for k in range(first + 1, last + 1):
            total += column(k) / np.float64(n - 2 * trim)
        # Rounding may leave the range of what was averaged by one unit; the promise is that it does not.
        np.clip(total, column(first), column(last), out=out, casting="same_kind")

    def reduce_rows(rows: NDArray[Any], out: NDArray[Any]) -> None:
        total = np.add.reduce(rows[:, first : last + 1], axis=1, dtype=np.float64)
        total /= n - 2 * trim
        np.clip(total, rows[:, first], rows[:, last], out=out, casting="same_kind")

    return _by_column(updates, reduce, first=first, last=last, threads=threads, reduce_rows=reduce_rows)


def mean_around_median(
    updates: Matrix, keep: int, *, rows: NDArray[np.intp] | None = None, threads: int | None = None
) -> Vector:
    """The mean of the ``keep`` values of each column that are nearest to its median, ``(d,)``.

    Of two values equally far the smaller is taken. ``rows`` limits the matrix to those rows.

    Raises:
        UpdatesError: if there is a NaN or an Inf in those rows.
    """
    n = len(updates) if rows is None else len(rows)

    def reduce_rows(block: NDArray[Any], out: NDArray[Any]) -> None:
        _window_mean(block, keep, out)

    return _sorted_blocks(updates, reduce_rows, n=n, rows=rows, threads=threads)


def _midpoint(low: NDArray[Any], high: NDArray[Any], out: NDArray[Any]) -> None:
    np.add(low, high, out=out)
    half = out.dtype.type(0.5)
    out *= half
    if not np.isfinite(out @ out):
        over = ~np.isfinite(out)  # the sum of two large finite values
        out[over] = low[over] * half + high[over] * half


def _window_mean(block: NDArray[Any], keep: int, out: NDArray[Any]) -> None:
    """Mean of the ``keep`` entries nearest to the median, for each sorted row of ``block``.

    They are neighbours in sorted order. The window grows outwards from the middle, so that the partial
    sums contain only what is inside of it: a huge outlier cannot swamp them.
    """
    n = block.shape[1]
    half, odd = n // 2, n % 2
    centre = np.empty(len(block), block.dtype)
    _midpoint(block[:, (n - 1) // 2], block[:, half], centre)
    away = np.subtract(block.T, centre, dtype=np.float64, order="C")
    first, last = max(0, half + odd - keep), min(half, n - keep)
    left = _running(away[first:half][::-1])
    right = _running(away[half + odd : last + keep])
    start = np.full(len(block), first)
    reach = np.maximum(-away[first], away[first + keep - 1])
    total = left[half - first] + right[first + keep - half - odd]
    for s in range(first + 1, last + 1):
        further = np.maximum(-away[s], away[s + keep - 1])
        nearer = further < reach
        np.copyto(start, s, where=nearer)
        np.copyto(total, left[half - s] + right[s + keep - half - odd], where=nearer)
        np.minimum(reach, further, out=reach)
    total /= keep
    total += centre
    lines = np.arange(len(block))
    # Rounding may leave the range of what was averaged by one unit; the promise is that it does not.
    np.clip(total, block[lines, start], block[lines, start + keep - 1], out=out, casting="same_kind")


def _running(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of the first 0, 1, 2, ... rows."""
    sums = np.zeros((len(values) + 1, values.shape[1]))
    for k, row in enumerate(values):
        np.add(sums[k], row, out=sums[k + 1])
    return sums


def _by_column(
    updates: Matrix,
    reduce: Reduce,
    *,
    first: int,
    last: int,
    threads: int | None,
    reduce_rows: Callable[[NDArray[Any], NDArray[Any]], None] | None = None,
) -> Vector:
    """Calls ``reduce(column, out)`` a block, where ``column(k)`` is the k-th smallest of each coordinate."""
    n, d = updates.shape
    if n <= NETWORK_ROWS and d >= NETWORK_COLUMNS_A_ROW * n:
        return _networked_blocks(updates, reduce, first=first, last=last, threads=threads)

    def from_rows(block: NDArray[Any], out: NDArray[Any]) -> None:
        reduce(block.T.__getitem__, out)

    return _sorted_blocks(updates, reduce_rows or from_rows, n=n, rows=None, threads=threads)


def _networked_blocks(updates: Matrix, reduce: Reduce, *, first: int, last: int, threads: int | None) -> Vector:
    n, d = updates.shape
    network = pruned_network(n, first, last)
    width = block_width(n, d, elements=NETWORK_ELEMENTS)
    out: Any = np.empty(d, updates.dtype)

    def work(spans: Iterable[tuple[int, int]]) -> None:
        scratch = np.empty((n + 1, width), updates.dtype)
        for start, stop in spans:
            part = scratch[:, : stop - start]
            np.copyto(part[:n], updates[:, start:stop])
            if not np.isfinite(np.add.reduce(part[:n], axis=None)):
                require_finite(updates)
            wires = [*part[:n]]
            run_network(network, wires, part[n])
            reduce(wires.__getitem__, out[start:stop])

    over_blocks(work, n=n, d=d, width=width, threads=threads)
    out += out.dtype.type(0)  # -0 becomes +0
    return out


def _sorted_blocks(
    updates: Matrix,
    reduce_rows: Callable[[NDArray[Any], NDArray[Any]], None],
    *,
    n: int,
    rows: NDArray[np.intp] | None,
    threads: int | None,
) -> Vector:
    d = updates.shape[1]
    width = block_width(n, d, elements=SORT_ELEMENTS)
    out: Any = np.empty(d, updates.dtype)

    def work(spans: Iterable[tuple[int, int]]) -> None:
        scratch = np.empty((width, n), updates.dtype)
        for start, stop in spans:
            block = scratch[: stop - start]
            part = updates[:, start:stop]
            np.copyto(block, (part if rows is None else part[rows]).T)
            block.sort(axis=1)
            # NaN and +Inf are sorted to the end, -Inf to the start, and each of them spoils the product.
            if not np.isfinite(block[:, 0] @ block[:, -1]):
                require_finite(updates)
            reduce_rows(block, out[start:stop])

    over_blocks(work, n=n, d=d, width=width, threads=threads)
    out += out.dtype.type(0)  # -0 becomes +0
    return out
