"""What each rule and kernel costs for n updates of d float32, beside numpy's own median.

    python -m benchmarks.rules [--n 100] [--d 1000] [--repeats 20] [--json]

A rule is timed as it is called in a round, with its checks and verdicts, on Gaussian updates with
the largest fault bound that it takes, up to (n - 1) / 3. Bulyan and the mean around the median are left
out above 10^8 elements unless asked for by ``--all``. Milliseconds are the median over the repeats after
three calls of warm-up, the spread is the interquartile range; ``times_faster`` is numpy.median's median
time over the rule's. Not measured: cold caches, other processes on the machine (its load is printed).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from federation import kernels
from federation.rules import (
    ALL_RULES,
    Bucketing,
    GeometricMedian,
    Median,
    NearestNeighborMixing,
    NormClipping,
    Pipeline,
)
from federation.rules.base import Rule
from gateway.machine import command, described, machine
from gateway.measuring import largest_bound, rules_measured, spread, timed

SLOW = ("meamed", "bulyan")


def measure(n: int, d: int, repeats: int, *, every: bool = True) -> list[dict[str, Any]]:
    """One row for each rule and kernel: name, n, d, f, median_ms, spread_ms, times_faster than numpy.median.

    Args:
        n: updates.
        d: coordinates.
        repeats: timed calls, 20 or more for a figure to quote; numpy.median gets at most 20.
        every: also time the slow rules.
    """
    names = [kind.name for kind in ALL_RULES if every or kind.name not in SLOW]
    found = rules_measured(n, d, repeat=repeats, names=names)
    baseline = found[-1]["median_ms"]
    updates = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    more: list[tuple[str, int | None, Callable[[], object]]] = [
        ("kernel: median", None, lambda: kernels.median(updates)),
        ("kernel: squared distances", None, lambda: kernels.squared_distances(updates)),
    ]
    for name, rule in COMPOSED:
        f = largest_bound(rule, n)
        if f is not None:
            more.append((name, f, lambda rule=rule, f=f: rule(updates, f=f)))
    for name, f, work in more:
        figures = spread(timed(work, repeat=repeats))
        found.append({"rule": name, "f": f, **figures, "times_faster": baseline / figures["median_ms"]})
    return [
        {
            "name": row["rule"],
            "n": n,
            "d": d,
            "f": row["f"],
            "median_ms": round(row["median_ms"], 4),
            "spread_ms": round(row["iqr_ms"], 4),
            "times_faster": round(row["times_faster"], 2),
        }
        for row in found
    ]


COMPOSED: tuple[tuple[str, Rule], ...] = (
    ("geometric_median, 8 steps", GeometricMedian(steps=8, tolerance=0.0)),
    ("nearest_neighbor_mixing+median", Pipeline(steps=(NearestNeighborMixing(),), rule=Median())),
    ("bucketing+median", Pipeline(steps=(Bucketing(),), rule=Median())),
    ("norm_clipping+median", Pipeline(steps=(NormClipping(),), rule=Median())),
)


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
    print(f"{given.n} updates of {given.d} float32, {given.repeats} repeats")
    print(f"{'':32}{'median ms':>12}{'spread ms':>12}{'x numpy.median':>16}")
    for row in rows:
        print(f"{row['name']:32}{row['median_ms']:12.3f}{row['spread_ms']:12.3f}{row['times_faster']:16.2f}")


if __name__ == "__main__":
    main()
