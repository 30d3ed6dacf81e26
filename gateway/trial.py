"""A swarm from its start to its end: what the demo and the benchmark run, and the figures of such a run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors import SwarmConfig

Record = Mapping[str, Any]

PHASES = (
    "local_training_ms",
    "gate_ms",
    "screen_ms",
    "aggregation_ms",
    "convergence_ms",
    "validation_ms",
    "release_ms",
    "distribution_ms",
    "total_duration_ms",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a run went.

    Attributes:
        records: of the rounds that have a release, in order.
        failures: records of the rounds that were aborted.
        liars: the agents that were marked.
    """

    records: tuple[Record, ...]
    failures: tuple[Record, ...] = ()
    liars: frozenset[str] = frozenset()

    @property
    def rounds(self) -> int:
        """Rounds run, aborted ones included."""
        return len(self.records) + len(self.failures)

    @property
    def converged(self) -> bool:
        return bool(self.records) and bool(self.records[-1]["converged"])

    @property
    def accuracy(self) -> float | None:
        """Held-out accuracy of the last release; None where there is none."""
        return self.records[-1]["evaluation"].get("accuracy") if self.records else None

    @property
    def precision(self) -> float | None:
        """Of the updates that were rejected, by gate, screen or quarantine, the share by liars; None without any."""
        rejected = [agent for record in self.records for agent in _rejected(record)]
        return sum(agent in self.liars for agent in rejected) / len(rejected) if rejected else None

    @property
    def recall(self) -> float | None:
        """Of the liars' updates, the share that was rejected, over all rounds; None without liars."""
        caught = sum(agent in self.liars for record in self.records for agent in _rejected(record))
        lies = len(self.liars) * len(self.records)
        return caught / lies if lies else None

    @property
    def phases(self) -> dict[str, float]:
        """Median milliseconds of each phase."""
        return {phase: statistics.median(record[phase] for record in self.records) for phase in PHASES if self.records}

    def summary(self) -> dict[str, Any]:
        """The run in short."""
        return {
            "accuracy": self.accuracy,
            "rounds": self.rounds,
            "aborted": len(self.failures),
            "converged": self.converged,
            "kl_divergence": self.records[-1]["kl_divergence"] if self.records else None,
        }


def _rejected(record: Record) -> list[str]:
    return [agent for agent, verdict in record["verdicts"]["agents"].items() if verdict["decision"] == "rejected"]


async def trial(
    config: SwarmConfig,
    *,
    rounds: int,
    until_converged: bool = True,
    cpus: int | None = None,
    on_start: Callable[[Mapping[str, Any]], None] = lambda _: None,
    on_round: Callable[[Record], None] = lambda _: None,
) -> Course:
    """Start a swarm on a cluster of this process, run rounds, and end it, also when cancelled.

    An aborted round counts as one of ``rounds``, and the next one is tried: a run under attack may have some.
    """
    from actors import Swarm
    from federation.errors import SwarmError

    swarm = await Swarm.start(config, address="local", cpus=cpus)
    records: list[Record] = []
    failures: list[Record] = []
    try:
        on_start(swarm.facts)
        last = 0
        while len(records) + len(failures) < rounds:
            try:
                record: Record = await swarm.run_round()
            except SwarmError as error:
                if not error.code.startswith(("round.", "rule.")):
                    raise
                record = {"round": last + 1, "status": "aborted", "release": None, "error": error.to_dict()}
                failures.append(record)
            else:
                records.append(record)
            last = int(record["round"])
            on_round(record)
            if until_converged and records and records[-1]["converged"]:
                break
    finally:
        await swarm.stop()
    liars = config.adversary.agents if config.adversary is not None else ()
    return Course(records=tuple(records), failures=tuple(failures), liars=frozenset(liars))
