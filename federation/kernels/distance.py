"""Squared distances between the rows of a matrix, right to float64 where float32 would cancel.

The product form ``|x|^2 + |y|^2 - 2xy`` is one GEMM, and loses everything when the rows share a large
offset: neighbours come out negative. Here each block of columns is centred on its mean first, multiplied in
its own dtype, and summed over blocks in float64. Centring does not help rows that are near to each other
and far from the mean, which is what a few huge liars make of the honest ones; when a distance is small
against the norms it came from, the matrix is computed again with float64 products.

The bytes depend on the order of rows (callers put them in canonical order) and on the BLAS library and
processor, not on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import UpdatesError
from federation.kernels.blocks import (
    Matrix,
    Vector,
    block_width,
    one_blas_thread,
    over_blocks,
    require_finite,
)

GRAM_ELEMENTS = 1 << 20
NORM_ELEMENTS = 1 << 18
PARTS = 8
# A float32 product is right to about 1e-6 of the norms; a distance below this share of them has lost
# more than four of its digits and is computed again.
CANCELLED = 1e-2


def squared_distances(updates: Matrix, *, threads: int | None = None) -> NDArray[np.float64]:
    """Squared distances between all rows: ``(n, n) float64``, symmetric, >= 0, the diagonal exactly 0.

    O(n^2 d), one pass over the matrix, or two if neighbours are far from the mean (see the module).

    Raises:
        UpdatesError: if there is a NaN or an Inf, or a squared distance beyond float64.
    """
    gram = centred_gram(updates, dtype=updates.dtype, threads=threads)
    distances = _from_gram(gram)
    if updates.dtype == np.float32 and _cancelled(gram, distances):
        distances = _from_gram(centred_gram(updates, dtype=np.dtype(np.float64), threads=threads))
    if not np.isfinite(distances).all():
        require_finite(updates)
        raise UpdatesError(
            found="updates whose squared distance overflows float64", needed="norms below 1e150; cap them first"
        )
    return distances


def centred_gram(updates: Matrix, *, dtype: np.dtype[Any], threads: int | None = None) -> NDArray[np.float64]:
    """Inner products of the rows after subtracting their mean, ``(n, n) float64``; not finite on overflow."""
    n, d = updates.shape
    width = block_width(n, d, elements=GRAM_ELEMENTS)
    # Each part is summed in the order of its columns, the parts in theirs: which thread did what is no matter.
    part_width = -(-d // PARTS // width) * width
    parts = np.zeros((-(-d // part_width), n, n))

    def work(spans: Iterable[tuple[int, int]]) -> None:
        scratch = np.empty((n, width), dtype)
        for first, last in spans:
            total = parts[first // part_width]
            for start in range(first, last, width):
                block = updates[:, start : min(start + width, last)]
                centred = scratch[:, : block.shape[1]]
                mean = np.add.reduce(block, axis=0, dtype=dtype)
                mean *= dtype.type(1 / n)
                np.subtract(block, mean, out=centred, dtype=dtype)
                total += centred @ centred.T

    with one_blas_thread():
        over_blocks(work, n=n, d=d, width=part_width, threads=threads)
    with np.errstate(over="ignore", invalid="ignore"):
        return parts.sum(axis=0)


def distances_to(updates: Matrix, centre: Vector | None = None, *, threads: int | None = None) -> NDArray[np.float64]:
    """The L2 distance of each row to ``centre`` (to zero where none is given): ``(n,) float64``.

    Squares are summed in float64, in the order of the columns.

    Raises:
        UpdatesError: if there is a NaN or an Inf, or a squared norm beyond float64.
    """
    n, d = updates.shape
    width = block_width(n, d, elements=NORM_ELEMENTS)
    partial = np.empty((-(-d // width), n))

    def work(spans: Iterable[tuple[int, int]]) -> None:
        scratch = np.empty((n, width))
        for start, stop in spans:
            part = scratch[:, : stop - start]
            if centre is None:
                np.copyto(part, updates[:, start:stop])
            else:
                np.subtract(updates[:, start:stop], centre[start:stop], out=part, dtype=np.float64)
            np.einsum("ij,ij->i", part, part, out=partial[start // width])

    over_blocks(work, n=n, d=d, width=width, threads=threads)
    norms = np.sqrt(partial.sum(axis=0))
    if not np.isfinite(norms).all():
        require_finite(updates)
        raise UpdatesError(found="an update whose squared norm overflows float64", needed="norms below 1e150")
    return norms


def _from_gram(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.diagonal(gram)
    with np.errstate(over="ignore", invalid="ignore"):
        distances = norms[:, None] + norms[None, :] - (gram + gram.T)
    np.maximum(distances, 0, out=distances)
    np.fill_diagonal(distances, np.where(np.isfinite(norms), 0.0, norms))
    return distances


def _cancelled(gram: NDArray[np.float64], distances: NDArray[np.float64]) -> bool:
    """Whether some distance is too small, or not finite, for what it was subtracted from."""
    norms = np.diagonal(gram)
    with np.errstate(over="ignore", invalid="ignore"):
        small = ~(distances >= CANCELLED * (norms[:, None] + norms[None, :]))
    np.fill_diagonal(small, ~np.isfinite(norms))
    return bool(small.any())
