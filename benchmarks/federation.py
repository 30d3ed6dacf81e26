"""What it costs to aggregate the pattern weights of many clients: each as a row of its own, and streamed.

    python -m benchmarks.federation [--clients 100 10000 100000] [--patterns 128] [--json]

Each line is measured in a process of its own, whose peak memory is told with it. Every client sends all patterns. The
lines of a number of clients are:

- rule: `PatternRule` with the capped mean, rows given
- exact: what a round does with rows: their median, the anomaly filter, the rule, variances
- exact, median: the same with the median instead of the mean in each key
- streamed: rows folded into groups as they come, a thousand at a time, screened against a sample; then the rows of 16
  groups and the round over these
- streamed from JSON: the same from documents of 25 KB each, as clients send them; a thousand different ones, again and
  again
- exact from JSON: the rows of such documents, and then exact

Times are medians over the repeats (one less for warm-up below 100,000 clients), the spread is the interquartile range.
Memory is the process's highest resident set, with Python, numpy and the input itself (rows: 5 KB a client); the
input of the streamed lines is made a thousand at a time, its making is not timed. Not measured: storage, signatures,
Ray.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from federation.aggregation import aggregated, screened
from federation.identity import Secret
from federation.rules import Mean, Median
from federation.terms import fault_bound
from gateway.machine import command, described, machine
from gateway.measuring import spread
from workloads.patterns import KeySpace, PatternRule, PatternScreen, Streaming
from workloads.patterns.bulk_admission import admitted_all
from workloads.patterns.group_rows import Group
from workloads.patterns.rows import VALUES, dimension
from workloads.patterns.schema import DeltaWeightVector

CHUNK = 1024
TARGETS_MS = {100: 50.0, 10_000: 2_000.0, 100_000: 20_000.0}
LONG_MS = 15_000.0
"""What takes longer is measured once."""
REPEATS = {100: 20, 10_000: 5, 100_000: 3}


def space_of(patterns: int) -> KeySpace:
    """A key space of so many keys: a half tools, the rest shared out."""
    named = patterns - 4
    tools, errors, successes = named // 2, named // 4, named // 8
    return KeySpace.of(
        tools=[f"Tool{number}" for number in range(tools)],
        errors=[f"Error{number}" for number in range(errors)],
        successes=[f"kind{number}" for number in range(successes)],
        teams=[f"team{number}" for number in range(named - tools - errors - successes)],
    )


def rows_of(clients: int, keys: int, *, seed: int = 0) -> Any:
    """``(clients, d)`` rows of clients who agree but for noise; made a chunk at a time."""
    truth = np.random.default_rng(1).uniform(-0.3, 0.3, keys * len(VALUES)).astype(np.float32)
    rows = np.zeros((clients, dimension(keys)), np.float32)
    rng = np.random.default_rng([seed, 2])
    for start in range(0, clients, CHUNK):
        part = rows[start : start + CHUNK]
        part[:, :keys] = 1
        part[:, keys : 2 * keys] = rng.integers(1, 500, (len(part), keys)).astype(np.float32) / np.float32(1e6)
        noise = rng.standard_normal((len(part), len(truth)), dtype=np.float32)
        part[:, 2 * keys : 2 * keys + len(truth)] = np.clip(truth + np.float32(0.1) * noise, -1, 1)
    return rows


def documents_of(space: KeySpace) -> list[bytes]:
    """A thousand documents of clients who agree but for noise."""
    rng = np.random.default_rng(3)
    truth = rng.uniform(-0.3, 0.3, (len(space.keys), 4))
    made: list[bytes] = []
    for number in range(CHUNK):
        said = np.round(np.clip(truth + 0.1 * rng.standard_normal(truth.shape), -1, 1), 4).tolist()
        weights: dict[str, Any] = {}
        for key, (confidence, best, mean, success) in zip(space.keys, said, strict=True):
            kind, _, category = key.partition("::")
            weights[key] = {"type": kind, "category": category, "confidence": confidence, "bestComposite": best}
            weights[key] |= {"groupMean": mean, "sampleSize": int(rng.integers(1, 500)), "consecutiveSuccesses": 2}
            weights[key] |= {"updateCount": 5}
            if kind == "tool":
                weights[key] |= {"toolSuccessRate": success, "avgLatencyBucket": "fast"}
        document = DeltaWeightVector.model_validate(
            {
                "clientId": f"{number:064x}",
                "schemaVersion": space.version,
                "baseVersion": "1.0.0",
                "round": 1,
                "nonce": f"{number:032x}",
                "timestamp": "2026-11-01",
                "totalExperiences": int(rng.integers(50, 5000)),
                "weights": weights,
            }
        )
        made.append(document.canonical())
    return made


def weights_of(clients: int) -> Any:
    """Declared sample counts, lognormal."""
    return np.floor(np.random.default_rng(4).lognormal(6, 1.5, clients)) + 1


def exact(rows: Any, weights: Any, keys: int, *, rule: PatternRule) -> Any:
    """What the aggregator does with a round's rows."""
    n = len(rows)
    screen = PatternScreen(keys=keys, min_participants=10, resolution=0.05)
    f = fault_bound(n)
    found = screened(rows, screen=screen, budget=f)
    bound = f if isinstance(rule.inner, Median) else 0
    rng = np.random.default_rng(0)
    return aggregated(rows, weights, rule=rule, screening=found.verdicts, f=bound, rng=rng)


class Streamed:
    """Folds chunks of rows, and makes a round of what they come to.

    Args:
        keys: in a row.
    """

    def __init__(self, keys: int) -> None:
        self.streaming = Streaming(screen=PatternScreen(keys=keys, resolution=0.05))
        self.window = self.streaming.start(run="bench", region="global", number=1, base=0)
        self.seconds, self._clients, self._secret = 0.0, 0, Secret(bytes(32))

    def fold(self, rows: Any, weights: Any) -> None:
        """Fold one chunk; its time is added up."""
        names = [f"{number:064x}" for number in range(self._clients, self._clients + len(rows))]
        self._clients += len(rows)
        started = time.perf_counter()
        folded = self.streaming.fold(self.window, rows, clients=names, weights=weights, secret=self._secret)
        self.window = folded.window
        self.seconds += time.perf_counter() - started

    def close(self, keys: int) -> None:
        """The round over the groups; its time is added up."""
        started = time.perf_counter()
        groups: tuple[Group, ...] = self.streaming.closed(self.window, round_number=1)
        rows = np.stack([group.row for group in groups])
        members = np.array([group.members for group in groups], np.float64)
        exact_rule = PatternRule(keys=keys, inner=Mean(), grouped=True)
        screen = PatternScreen(keys=keys, resolution=0.05)
        found = screened(rows, screen=screen, budget=fault_bound(len(rows)))
        rng = np.random.default_rng(0)
        aggregated(rows, members, rule=exact_rule, screening=found.verdicts, f=fault_bound(len(rows)), rng=rng)
        self.seconds += time.perf_counter() - started


def chunks(clients: int) -> Iterator[int]:
    """The sizes of chunks that so many come in."""
    for start in range(0, clients, CHUNK):
        yield min(CHUNK, clients - start)


def seconds_of(case: str, clients: int, patterns: int) -> Callable[[], float]:
    """A call that does the case's work and returns its seconds; the input is made here where it is held as a whole."""
    space = space_of(patterns)
    keys = len(space.keys)
    weights = weights_of(clients)
    nothing = np.zeros(dimension(keys), np.float32)
    if case in ("rule", "exact", "exact, median"):
        rows = rows_of(clients, keys)
        rule = PatternRule(keys=keys, inner=Median() if case == "exact, median" else Mean())
        work = (lambda: rule(rows, f=0, weights=weights)) if case == "rule" else None
        return _timed(work or (lambda: exact(rows, weights, keys, rule=rule)))
    if case == "streamed":

        def streamed() -> float:
            made, start = Streamed(keys), 0
            for number, size in enumerate(chunks(clients)):
                made.fold(rows_of(size, keys, seed=number), weights[start : start + size])
                start += size
            made.close(keys)
            return made.seconds

        return streamed
    documents = documents_of(space)

    def decoded(size: int) -> Any:
        return admitted_all(documents[:size], bases=[nothing] * size, current=nothing, space=space, round_number=1)

    if case == "streamed from JSON":

        def from_documents() -> float:
            made = Streamed(keys)
            for size in chunks(clients):
                started = time.perf_counter()
                found = decoded(size)
                made.seconds += time.perf_counter() - started
                made.fold(found.rows, found.weights)
            made.close(keys)
            return made.seconds

        return from_documents

    def whole() -> None:
        rows, declared, start = np.empty((clients, dimension(keys)), np.float32), np.empty(clients), 0
        for size in chunks(clients):
            found = decoded(size)
            rows[start : start + size], declared[start : start + size] = found.rows, found.weights
            start += size
        exact(rows, declared, keys, rule=PatternRule(keys=keys))

    return _timed(whole)


CASES = ("rule", "exact", "exact, median", "streamed", "streamed from JSON", "exact from JSON")


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def timed() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return timed


def measured(case: str, clients: int, patterns: int) -> dict[str, Any]:
    """One line, measured in this process."""
    work = seconds_of(case, clients, patterns)
    repeats = REPEATS.get(clients, 3)
    if clients < 100_000:
        work()
    times = [1e3 * work()]
    while len(times) < repeats and times[0] < LONG_MS:
        times.append(1e3 * work())
    figures = spread(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rounded = {name: round(figures[name], 3) for name in ("median_ms", "iqr_ms", "min_ms", "max_ms")}
    return {
        "case": case,
        "clients": clients,
        "patterns": patterns,
        **rounded,
        "count": len(times),
        "peak_mib": round(peak),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.federation", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=list(TARGETS_MS))
    parser.add_argument("--patterns", type=int, default=128, help="per delta")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # one line, in this process
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measured(given.cases[0], given.clients[0], given.patterns)))
        return
    rows: list[dict[str, Any]] = []
    for clients in given.clients:
        for case in given.cases:
            numbers = ["--clients", str(clients), "--patterns", str(given.patterns)]
            line = [sys.executable, "-m", "benchmarks.federation", "--here", "--cases", case, *numbers]
            done = subprocess.run(line, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout))
            if not given.json:
                print(
                    "{clients:>8,}  {case:20} {median_ms:12.1f} ms ± {iqr_ms:8.1f} {peak_mib:8,} MiB".format(**rows[-1])
                )
    found = {"machine": machine(), "command": command(), "targets_ms": TARGETS_MS, "rows": rows}
    print(json.dumps(found) if given.json else f"{described(found['machine'])}\n{found['command']}")


if __name__ == "__main__":
    main()
