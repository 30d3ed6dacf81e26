"""How a kernel walks over the columns of a large matrix: in blocks that fit a cache, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import UpdatesError

Matrix = NDArray[np.float32] | NDArray[np.float64]
Vector = NDArray[np.float32] | NDArray[np.float64]

# Below this many elements starting threads costs more than they save.
PARALLEL_ELEMENTS = 1 << 21


def cores() -> int:
    """How many cores this process may use, at most 8: beyond that memory is the limit."""
    if hasattr(os, "sched_getaffinity"):
        return min(8, len(os.sched_getaffinity(0)))
    return min(8, os.cpu_count() or 1)


def product_threads() -> int:
    """How many threads may multiply matrices at once: all cores where the BLAS keeps to one, else one.

    Two products at once only wait for each other where the BLAS has threads of its own. Ray gives its
    workers ``OMP_NUM_THREADS=1``; a plain process has a BLAS on all cores.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if name in os.environ:
            return cores() if os.environ[name] == "1" else 1
    return 1


def block_width(n: int, d: int, *, elements: int) -> int:
    """Columns in a block of about ``elements`` elements: a multiple of 64, at least 256, at most d."""
    return max(1, min(d, max(256, elements // n // 64 * 64)))


def over_blocks(
    work: Callable[[Iterable[tuple[int, int]]], None], *, n: int, d: int, width: int, threads: int | None
) -> None:
    """Calls ``work`` with every ``(start, stop)`` of the d columns, shared out over threads.

    ``work`` is called once a thread, so that it can keep one scratch buffer for all of its blocks.
    Where a block begins does not depend on the number of threads; if ``work`` writes only to
    columns of its own blocks, neither do the bytes of the result.
    """
    spans = [(start, min(start + width, d)) for start in range(0, d, width)]
    if threads is None:
        threads = cores() if n * d >= PARALLEL_ELEMENTS else 1
    threads = min(threads, len(spans))

    def quiet(own: Iterable[tuple[int, int]]) -> None:
        # What overflows is looked at afterwards; numpy's error state belongs to one thread.
        with np.errstate(over="ignore", invalid="ignore"):
            work(own)

    if threads <= 1:
        quiet(spans)
        return
    with ThreadPoolExecutor(threads) as pool:
        # list() so that an exception of any thread is raised here.
        list(pool.map(quiet, [spans[first::threads] for first in range(threads)]))


def require_finite(updates: NDArray[Any]) -> None:
    """Raise `UpdatesError`, naming the rows, if there is a NaN or an Inf.

    Slow and exact: kernels call it when something they computed anyway turned out not to be finite.
    """
    bad = [row for row in range(len(updates)) if not np.isfinite(updates[row]).all()]
    if bad:
        raise UpdatesError(
            found=f"NaN or Inf in {len(bad)} of {len(updates)} rows, first {bad[:8]}",
            needed="finite updates; let the gate refuse such rows first",
        )
