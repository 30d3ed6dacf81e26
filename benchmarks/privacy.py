"""What privacy costs pattern weights: error of the release and time of a round, by epsilon and number of installations.

    python -m benchmarks.privacy [--keys 128] [--rounds 10] [--runs 3] [--radius 4] [--json]

Installations know 60 % of the keys each, and have 40 experiences of every one; a key's truth is the mean of what
those who know it would say. Rounds go through the rule, the ledger in a journal on disk and the noise, as in a
coordinator, from a release that knows nothing. ``min_contributors`` is a fifth of the installations (5 at least), and
the clipping radius is adaptive from ``--radius``. Epsilon is that of one round, and then that of all rounds together.
Errors are root mean squares over the values of all keys; "nothing" is the error of a release without any.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.cast import Score
from actors.config import SwarmConfig
from actors.journal import Journal
from actors.messages import Aggregation
from actors.privacy import PrivacyConfig
from actors.protection import Protector
from federation.identity import Secret
from federation.privacy import gaussian_epsilon, noise_multiplier_for, rounds_within
from federation.terms import Terms
from gateway.machine import command, described, machine
from telemetry import Telemetry, TelemetryConfig, semconv
from workloads.patterns import KeySpace, PatternsWorkload, RoundSettings
from workloads.patterns.rows import VALUES, columns, dimension

KNOWN, EXPERIENCES = 0.6, 40
EPSILONS = (1.0, 4.0, 8.0)
COUNTS = (10, 100, 1000)
YEAR, DELTA = 8.0, 1e-5


class Fleet:
    """Installations with what each would say of the keys that it knows.

    Args:
        n: how many.
        keys: of the key space.
        seed: of the draw.
    """

    def __init__(self, n: int, keys: int, seed: int) -> None:
        rng = np.random.default_rng([seed, n])
        self.keys = keys
        self.present = rng.random((n, keys)) < KNOWN
        centre = rng.uniform(0.2, 0.95, (keys, len(VALUES)))
        self.own = (rng.binomial(EXPERIENCES, centre, (n, keys, len(VALUES))) / EXPERIENCES).astype(np.float32)
        weights = self.present[:, :, None]
        self.truth = (self.own * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1)

    def rows(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """Everybody's change to the release."""
        made = np.zeros((len(self.own), dimension(self.keys)), np.float32)
        made[:, : self.keys] = self.present
        change = np.where(self.present[:, :, None], self.own - columns(base, self.keys).values, 0)
        made[:, 2 * self.keys : (2 + len(VALUES)) * self.keys] = change.reshape(len(made), -1)
        return made

    def error(self, value: NDArray[np.float32]) -> float:
        """Root mean square distance of a release's values from the truth."""
        return float(np.sqrt(np.mean((columns(value, self.keys).values - self.truth) ** 2)))


async def measured(n: int, epsilon: float, *, keys: int, rounds: int, radius: float, seed: int) -> dict[str, Any]:
    """One swarm's rounds."""
    fleet = Fleet(n, keys, seed)
    workload = PatternsWorkload(
        space=KeySpace.of(tools=[f"t{number:04d}" for number in range(keys - 4)]),
        rounds=RoundSettings(min_contributors=max(n // 5, 5)),
    )
    privacy = PrivacyConfig(
        epsilon_round=epsilon, epsilon_period=1e9, radius=radius, adaptive=True, expected=n, screened=False
    )
    agents = tuple(f"a{number:05d}" for number in range(n))
    spent, errors, seconds, ledgers, sums = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        config = SwarmConfig(workload=workload, agents=agents, privacy=privacy, state_dir=Path(folder))
        silent = Telemetry.start(TelemetryConfig(), actor_kind=semconv.ActorKind.COORDINATOR, instance="bench")
        journal = Journal(Path(folder) / "journal.sqlite")
        keeper = Protector(config, Secret(bytes([seed] * 32)), journal, silent, lambda: 0.0)
        value = workload.genesis(0)
        for number in range(1, rounds + 1):
            terms = _terms(number, agents, workload, keeper.radius)
            rows, begun = fleet.rows(value), time.perf_counter()
            found = config.rule_of(terms)(rows, f=0)
            sums.append(time.perf_counter() - begun)
            score = Score(aggregation=_aggregation(found.value, agents, found.verdicts.decisions))
            value = await keeper.make_value(terms, score, value, "")
            assert score.protected is not None
            keeper.released(score.protected)
            errors.append(fleet.error(value))
            spent.append(score.protected.epsilon_spent)
            ledgers.append(score.protected.ledger_s)
            seconds.append(score.protected.seconds - score.protected.ledger_s)
        journal.close()
    return {
        "first": errors[0],
        "last": errors[-1],
        "nothing": fleet.error(workload.genesis(0)),
        "known": float((columns(value, keys).contributors > 0).mean()),
        "radius": keeper.radius,
        "spent": spent[-1],
        "rounds_a_year": rounds_within(YEAR, privacy.delta, noise_multiplier=privacy.noise_multiplier),
        "ledger_ms": 1e3 * float(np.median(ledgers)),
        "noise_ms": 1e3 * float(np.median(seconds)),
        "sum_ms": 1e3 * float(np.median(sums)),
    }


def _terms(number: int, agents: tuple[str, ...], workload: PatternsWorkload, radius: float) -> Terms:
    return Terms(
        run="bench", round=number, kind=workload.kind, base_version=0, base=bytes(32), roster=agents, fault_bound=0,
        dimension=workload.dimension, codec="raw", norm_cap=1e6, weight_cap=1.0, deadline_s=1.0, linger_s=0.0, seed=0,
        clip_radius=radius,
    )  # fmt: skip


def _aggregation(value: Any, agents: tuple[str, ...], decisions: NDArray[np.int8]) -> Aggregation:
    n = len(agents)
    return Aggregation(
        value=value, variance=np.empty(0), agents=agents, decisions=decisions, judges=("",) * n, reasons=("",) * n,
        scores=np.zeros(n), thresholds=np.zeros(n), flagged=(), refused={}, proofs=(), digests={}, rule="", counted=n,
        fault_bound=0, standing_out=0, stale=0, loss=math.nan, norm=0.0, gate_s=0.0, screen_s=0.0, aggregate_s=0.0,
    )  # fmt: skip


async def measure(keys: int, rounds: int, runs: int, radius: float) -> list[dict[str, Any]]:
    """A line for each epsilon and number of installations, the mean over runs."""
    found: list[dict[str, Any]] = []
    asked = [(epsilon, "round") for epsilon in EPSILONS] + [(epsilon, "all") for epsilon in EPSILONS]
    for total, of in asked:
        epsilon = total if of == "round" else gaussian_epsilon(noise_multiplier_for(total, DELTA, rounds=rounds), DELTA)
        for n in COUNTS:
            many = [
                await measured(n, epsilon, keys=keys, rounds=rounds, radius=radius, seed=seed) for seed in range(runs)
            ]
            figures = {name: float(np.mean([one[name] for one in many])) for name in many[0]}
            found.append({"epsilon": total, "of": of, "n": n, **figures})
    return found


def main() -> None:
    """Print the table, or with --json the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--radius", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = asyncio.run(measure(options.keys, options.rounds, options.runs, options.radius))
    result = {"rows": rows, "command": command(), "machine": machine()}
    if options.json:
        print(json.dumps(result))
        return
    print("| epsilon | installations | nothing | first release | last | keys known at last | spent | rounds within 8 |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['epsilon']:g} of {row['of']} | {row['n']} | {row['nothing']:.3f} | {row['first']:.3f} | "
            f"{row['last']:.3f} | {100 * row['known']:.0f} % | {row['spent']:.2f} | {row['rounds_a_year']:.0f} |"
        )
    last = rows[-1]
    times = f"sum {last['sum_ms']:.1f} ms, ledger {last['ledger_ms']:.1f} ms, noise {last['noise_ms']:.2f} ms"
    print(f"\nA round of {last['n']}: {times}")
    print(described(machine()))


if __name__ == "__main__":
    main()
