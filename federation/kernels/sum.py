"""Weighted sums of rows, accumulated in float64."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.kernels.blocks import Matrix, Vector, block_width, one_blas_thread, over_blocks, require_finite

SUM_ELEMENTS = 1 << 19
MIX_ELEMENTS = 1 << 20


def weighted_sum(
    weights: NDArray[np.float64], updates: Matrix, *, centre: Vector | None = None, threads: int | None = None
) -> Vector:
    """``weights @ updates``, ``(d,)``, rounded once to the dtype of the updates.

    With a centre c, ``c + weights @ (updates - c)``.

    Row after row in float64 and without BLAS, so the bytes depend neither on the number of threads
    nor on the BLAS in use. They do depend on the order of the rows (canonical order is the caller's).

    Raises:
        UpdatesError: if there is a NaN or an Inf, also where the weight is zero.
    """
    n, d = updates.shape
    width = block_width(n, d, elements=SUM_ELEMENTS)
    out: Any = np.empty(d, updates.dtype)

    def work(spans: Iterable[tuple[int, int]]) -> None:
        scratch = np.empty((n, width))
        for start, stop in spans:
            part = scratch[:, : stop - start]
            if centre is None:
                np.copyto(part, updates[:, start:stop])
                out[start:stop] = np.einsum("i,ij->j", weights, part)
            else:
                np.subtract(updates[:, start:stop], centre[start:stop], out=part, dtype=np.float64)
                out[start:stop] = np.einsum("i,ij->j", weights, part) + centre[start:stop]

    over_blocks(work, n=n, d=d, width=width, threads=threads)
    if not np.isfinite(out).all():
        require_finite(updates)
    return out


def mixture(mixing: NDArray[np.float64], updates: Matrix, *, threads: int | None = None) -> Matrix:
    """``mixing @ updates``, ``(m, d)``: a GEMM a block, in the dtype of the updates.

    Not centred on purpose: a row of weight zero must add exactly nothing, however large it is.
    """
    n, d = updates.shape
    width = block_width(n, d, elements=MIX_ELEMENTS)
    out: Any = np.empty((len(mixing), d), updates.dtype)
    narrow = mixing.astype(updates.dtype)

    def work(spans: Iterable[tuple[int, int]]) -> None:
        for start, stop in spans:
            np.matmul(narrow, updates[:, start:stop], out=out[:, start:stop])

    with one_blas_thread():
        over_blocks(work, n=n, d=d, width=width, threads=threads)
    return out
