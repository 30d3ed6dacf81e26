"""How a kernel walks over the columns of a large matrix: in blocks that fit a cache, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # pyright: ignore[reportMissingTypeStubs]

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


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which the BLAS multiplies on the thread that asks, and only there.

    The threads of a BLAS wait for each other by spinning: on cores that other processes use too, a
    product of 0.1 ms was seen to take 30 ms. Blocks on threads of our own do the same work without
    waiting, and their results do not depend on how many threads the BLAS was given. The limit is the
    whole process's while it lasts; two that overlap on different threads may leave it in place.
    """
    return cast("AbstractContextManager[Any]", _blas().limit(limits=1, user_api="blas"))


@cache
def _blas() -> Any:
    return ThreadpoolController()


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
