"""What each rule and kernel costs for n updates of d float32, beside numpy's own median.

    python -m benchmarks.rules [--n 100] [--d 1000] [--repeats 20] [--json]

A rule is timed as it is called in a round, with its checks and verdicts, on Gaussian updates with
f = floor((n - 1) / 4) - 1 liars, the most that Bulyan takes. Bulyan and the mean around the median are left
out above 10^8 elements unless asked for by ``--all``. Milliseconds are the median over the repeats after
two calls of warm-up, the spread is the interquartile range; ``times_faster`` is numpy.median's median
time over the rule's. Not measured: cold caches, other processes on the machine (its load is printed).
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import command, described, machine
from federation import kernels
from federation.errors import RuleBoundError
from federation.rules import (
    ALL_RULES,
    Bucketing,
    GeometricMedian,
    Median,
    NearestNeighborMixing,
    NormClipping,
    Pipeline,
)

SLOW = ("meamed", "bulyan")


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and interquartile range in milliseconds after two calls of warm-up, without the collector."""
    work()
    work()
    times: list[float] = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeats):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) * 1e3)
    finally:
        gc.enable()
    low, middle, high = np.percentile(times, [25, 50, 75])
    return float(middle), float(high - low)


def works(updates: NDArray[np.float32], f: int) -> dict[str, Callable[[], object]]:
    """Everything that is timed, by name; rules that refuse so few updates are left out."""
    rules: list[tuple[str, Any]] = [(kind.name, kind()) for kind in ALL_RULES]
    rules += [
        ("geometric_median, 8 steps", GeometricMedian(steps=8, tolerance=0.0)),
        ("nearest_neighbor_mixing+median", Pipeline(steps=(NearestNeighborMixing(),), rule=Median())),
        ("bucketing+median", Pipeline(steps=(Bucketing(),), rule=Median())),
        ("norm_clipping+median", Pipeline(steps=(NormClipping(),), rule=Median())),
    ]
    found: dict[str, Callable[[], object]] = {}
    for name, rule in rules:
        try:
            rule.requires(len(updates), f)
        except RuleBoundError:
            continue
        found[name] = lambda rule=rule: rule(updates, f=f)
    found["kernel: median"] = lambda: kernels.median(updates)
    found["kernel: squared distances"] = lambda: kernels.squared_distances(updates)
    return found


def measure(n: int, d: int, repeats: int, *, every: bool = True) -> list[dict[str, Any]]:
    """One row for each rule and kernel: name, n, d, f, median_ms, spread_ms, times_faster than numpy.median.

    Args:
        n: updates.
        d: coordinates.
        repeats: timed calls, 20 or more for a figure to quote; numpy.median gets at most 20.
        every: also time the slow rules.
    """
    updates = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    f = max(0, (n - 1) // 4 - 1)
    baseline, spread = timed(lambda: np.median(updates, axis=0), min(repeats, 20))
    rows = [_row("numpy.median", n, d, f, baseline, spread, baseline)]
    for name, work in works(updates, f).items():
        if every or name not in SLOW:
            rows.append(_row(name, n, d, f, *timed(work, repeats), baseline))
    return rows


def _row(name: str, n: int, d: int, f: int, middle: float, spread: float, baseline: float) -> dict[str, Any]:
    return {
        "name": name,
        "n": n,
        "d": d,
        "f": f,
        "median_ms": round(middle, 4),
        "spread_ms": round(spread, 4),
        "times_faster": round(baseline / middle, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules", description=__doc__)
    parser.add_argument("--n", type=int, default=100, help="updates")
    parser.add_argument("--d", "--dim", type=int, default=1000, help="coordinates of each")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--all", action="store_true", help="also the slow rules where the matrix is large")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = machine()
    every = given.all or given.n * given.d < 10**8
    rows = measure(given.n, given.d, given.repeats, every=every)
    if given.json:
        print(json.dumps({"machine": found, "command": command(), "repeats": given.repeats, "rows": rows}, indent=2))
        return
    print(described(found), command(), sep="\n")
    print(f"{given.n} updates of {given.d} float32, f = {rows[0]['f']}, {given.repeats} repeats")
    print(f"{'':32}{'median ms':>12}{'spread ms':>12}{'x numpy.median':>16}")
    for row in rows:
        print(f"{row['name']:32}{row['median_ms']:12.3f}{row['spread_ms']:12.3f}{row['times_faster']:16.2f}")


if __name__ == "__main__":
    main()
