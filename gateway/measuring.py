"""Times with their spread, and the machine that they were taken on."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

PACKAGES = ("swarmlore", "ray", "numpy", "numba", "opentelemetry-sdk")


def spread(times_ms: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile (nearest rank), extremes and standard deviation of at least one time."""
    ordered = sorted(times_ms)
    rank = max(-(-95 * len(ordered) // 100) - 1, 0)
    return {
        "median_ms": statistics.median(ordered),
        "p95_ms": ordered[rank],
        "min_ms": ordered[0],
        "max_ms": ordered[-1],
        "stdev_ms": statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
        "count": len(ordered),
    }


def timed(work: Callable[[], object], *, repeat: int, warm_up: int = 3) -> list[float]:
    """Milliseconds of each of ``repeat`` calls, after those of the warm-up."""
    times: list[float] = []
    for number in range(repeat + warm_up):
        started = time.perf_counter()
        work()
        if number >= warm_up:
            times.append(1e3 * (time.perf_counter() - started))
    return times


def circumstances(command: str) -> dict[str, Any]:
    """When, where and with what a figure was measured."""
    return {
        "command": command,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "load": round(os.getloadavg()[0], 2),
            "system": platform.platform(),
        },
        "versions": {"python": sys.version.split()[0], **{name: _version(name) for name in PACKAGES}},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - not a file of ours
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
