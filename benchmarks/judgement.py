"""What judging a round costs: divergence, screens, codecs, trust, heterogeneity; and what codecs save.

    python -m benchmarks.judgement [--json] [--repeat 20]

Milliseconds are the median over the repeats, after warm-up, in one process. The centre of the screens is
given, not timed. Rows are Gaussian: codec times and ratios do not depend on the values, errors do.
``error`` is the relative L2 error of one round trip; ``error_fed_back`` that of the mean of 100 rounds
with error feedback.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from federation.compression import Codec, ErrorFeedback, Int8Codec, RawCodec, TopKCodec, TopKInt8Codec
from federation.convergence import ConvergenceTracker, categorical_kl, gaussian_kl
from federation.heterogeneity import heterogeneity
from federation.screening import DirectionScreen, DistanceScreen, Screen, Screens
from federation.trust import Outcome, TrustLedger
from gateway.machine import machine

CODECS: tuple[Codec, ...] = (
    RawCodec(),
    Int8Codec(),
    Int8Codec(block=64),
    TopKCodec(),
    TopKInt8Codec(),
    TopKInt8Codec(fraction=0.05),
)
SCREENS: tuple[Screen, ...] = (
    DistanceScreen(),
    DirectionScreen(),
    Screens((DistanceScreen(), DirectionScreen())),
)


def milliseconds(work: Callable[[], object], repeat: int) -> float:
    """The median time of ``work`` after two warm-up calls."""
    times: list[float] = []
    for number in range(repeat + 2):
        start = time.perf_counter()
        work()
        if number >= 2:
            times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 4)


def divergences(repeat: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    old, new = rng.standard_normal((2, 1000)).astype(np.float32)
    variance = rng.uniform(0.1, 1, 1000)
    before, after = rng.standard_normal((2, 256, 10))
    tracker = ConvergenceTracker()
    for number in range(30):
        tracker = tracker.observe(1 / (number + 1))
    return [
        {
            "what": "gaussian_kl",
            "size": "1000 parameters",
            "ms": milliseconds(lambda: gaussian_kl(old, new, variance, variance), repeat),
        },
        {
            "what": "policy_kl",
            "size": "256 states x 10 actions",
            "ms": milliseconds(lambda: categorical_kl(before, after), repeat),
        },
        {
            "what": "status and remaining rounds",
            "size": "window 20",
            "ms": milliseconds(lambda: (tracker.status, tracker.remaining_rounds), repeat),
        },
    ]


def screens(repeat: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for n, d in ((100, 1000), (10_000, 1000)):
        updates = (0.3 + np.random.default_rng(n).standard_normal((n, d))).astype(np.float32)
        centre = np.median(updates, axis=0)
        for screen in SCREENS:
            ms = milliseconds(lambda s=screen, u=updates, c=centre: s.screen(u, centre=c, f=len(u) // 3), repeat)
            rows.append({"what": screen.name, "size": f"{n} x {d}", "ms": ms})
    return rows


def ledgers(repeat: int) -> list[dict[str, Any]]:
    names = [f"agent-{number:05d}" for number in range(10_000)]
    ledger = TrustLedger.start(names)
    outcomes = {name: Outcome(int(number % 7 == 0)) for number, name in enumerate(names)}
    shares = np.random.default_rng(0).dirichlet(np.full(10, 0.5), size=10_000)
    return [
        {
            "what": "trust after a round",
            "size": "10000 agents",
            "ms": milliseconds(lambda: ledger.after_round(outcomes), repeat),
        },
        {
            "what": "heterogeneity",
            "size": "10000 x 10",
            "ms": milliseconds(lambda: heterogeneity(shares), repeat),
        },
    ]


def codecs(repeat: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for k, d in ((100, 1000), (10, 100_000)):
        rows = np.random.default_rng(d).standard_normal((k, d)).astype(np.float32)
        for codec in CODECS:
            payload = codec.encode(rows)
            found.append(
                {
                    "what": codec.name,
                    "size": f"{k} x {d}",
                    "bytes_per_row": payload.nbytes // k,
                    "ratio": round(rows.nbytes / payload.nbytes, 2),
                    "encode_ms": milliseconds(lambda c=codec, r=rows: c.encode(r), repeat),
                    "decode_ms": milliseconds(lambda c=codec, p=payload, w=d: c.decode(p, w), repeat),
                    "error": _error(codec.decode(payload, d), rows),
                    "error_fed_back": _fed_back(codec) if d == 1000 else None,
                }
            )
    return found


def _error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(f"{np.linalg.norm(found - truth) / np.linalg.norm(truth):.3g}")


def _fed_back(codec: Codec, rounds: int = 100, k: int = 10, d: int = 1000) -> float:
    """The relative error of the mean of ``rounds`` rounds of a constant signal with noise of its size."""
    rng = np.random.default_rng(1)
    signal = rng.standard_normal((k, d))
    feedback = ErrorFeedback(k, d)
    told, truth = np.zeros((k, d)), np.zeros((k, d))
    for _ in range(rounds):
        rows = (signal + rng.standard_normal((k, d))).astype(np.float32)
        told += codec.decode(feedback.compress(codec, rows), d)
        truth += rows
    return _error(told, truth)


def main() -> None:
    parser = argparse.ArgumentParser(description="What judging a round costs, and what codecs save.")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--repeat", type=int, default=20)
    given = parser.parse_args()
    gc.disable()
    result: dict[str, Any] = {
        "machine": machine(),
        "repeat": given.repeat,
        "divergence": divergences(given.repeat),
        "screening": screens(given.repeat),
        "ledger": ledgers(given.repeat),
        "compression": codecs(given.repeat),
    }
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for section in ("divergence", "screening", "ledger", "compression"):
        for row in result[section]:
            print(f"{section:12}" + "".join(f"{key}={value}  " for key, value in row.items()))


if __name__ == "__main__":
    main()
