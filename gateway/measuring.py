"""Times with their spread, of anything and of rules."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

WARM_UP = 3


def spread(times_ms: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile (nearest rank), extremes, deviation and interquartile range of at least one time."""
    ordered = sorted(times_ms)
    rank = max(-(-95 * len(ordered) // 100) - 1, 0)
    quarters = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else [0.0, 0.0, 0.0]
    return {
        "median_ms": statistics.median(ordered),
        "p95_ms": ordered[rank],
        "min_ms": ordered[0],
        "max_ms": ordered[-1],
        "stdev_ms": statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
        "iqr_ms": quarters[2] - quarters[0],
        "count": len(ordered),
    }


def timed(work: Callable[[], object], *, repeat: int, warm_up: int = WARM_UP) -> list[float]:
    """Milliseconds of each of ``repeat`` calls, after those of the warm-up, without the garbage collector."""
    for _ in range(warm_up):
        work()
    times: list[float] = []
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeat):
            started = time.perf_counter()
            work()
            times.append(1e3 * (time.perf_counter() - started))
    finally:
        if collecting:
            gc.enable()
    return times


def rules_measured(n: int, dimension: int, *, repeat: int, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The times of rules on ``(n, dimension)`` float32 normal updates, and of `numpy.median` beside them.

    Each rule has the largest fault bound that it takes, up to (n - 1) / 3; one that takes none is left out.
    ``times_faster`` is `numpy.median`'s median time over the rule's.
    """
    import numpy as np

    from federation.rules import ALL_RULES
    from gateway.learning import rule_of

    updates = np.random.default_rng(0).standard_normal((n, dimension), dtype=np.float32)
    baseline = spread(timed(lambda: np.median(updates, axis=0), repeat=min(repeat, 20)))
    rules = [rule_of(name) for name in names or [kind.name for kind in ALL_RULES]]
    found: list[dict[str, Any]] = []
    for rule in rules:
        bound = largest_bound(rule, n)
        if bound is not None:
            figures = spread(
                timed(
                    lambda rule=rule, bound=bound: rule(updates, f=bound, rng=np.random.default_rng(0)), repeat=repeat
                )
            )
            found.append({"rule": rule.name, "f": bound, **figures})
    found.append({"rule": "numpy.median", "f": None, **baseline})
    for row in found:
        row["times_faster"] = baseline["median_ms"] / row["median_ms"]
    return found


def largest_bound(rule: Any, n: int) -> int | None:
    """The largest f up to (n - 1) / 3 that a rule takes with n updates; None when it takes none."""
    from federation.errors import RuleBoundError

    for bound in range((n - 1) // 3, -1, -1):
        try:
            rule.requires(n, bound)
        except RuleBoundError:
            continue
        return bound
    return None
