"""What compression costs in accuracy: digits, 100 agents, with and without error feedback.

    python -m benchmarks.compression [--rounds 100] [--runs 3] [--json]

Updates go through the codec and back before the round sees them; nobody lies. The ratio counts every byte of the
payload against float32. Accuracy is held-out, the mean over runs with seeds of their own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import command, described, machine
from federation.compression import Codec, ErrorFeedback, Int8Codec, RawCodec, TopKCodec, TopKInt8Codec
from federation.terms import Tuning
from federation.update import UpdateBatch
from federation.workload import Learned, Learner, Row
from workloads.gradients import DigitsBandit, GradientsWorkload
from workloads.simulation import Simulation

CODECS: tuple[Codec, ...] = (RawCodec(), Int8Codec(), TopKCodec(fraction=0.05), TopKInt8Codec(fraction=0.2))


class CompressedLearner:
    """A learner whose rows have been through a codec."""

    def __init__(self, inner: Learner, codec: Codec, *, feedback: bool) -> None:
        self.agents = inner.agents
        self.observe, self.histogram = inner.observe, inner.histogram
        self._inner, self._codec, self._feedback = inner, codec, feedback
        self._residual: ErrorFeedback | None = None

    def learn(self, base: Row, *, round_number: int, seeds: NDArray[np.uint64], tuning: Tuning) -> Learned:
        """What the inner learner learned, as it comes out of the codec."""
        learned = self._inner.learn(base, round_number=round_number, seeds=seeds, tuning=tuning)
        dimension = len(base)
        if self._feedback:
            if self._residual is None:
                self._residual = ErrorFeedback(len(self.agents), dimension)
            payload = self._residual.compress(self._codec, learned.rows)
        else:
            payload = self._codec.encode(learned.rows)
        return replace(learned, rows=self._codec.decode(payload, dimension))


@dataclass(frozen=True)
class Compression:
    """Compresses everybody's updates; in the place where a simulation lets agents lie."""

    codec: Codec
    feedback: bool
    agents: frozenset[str] = frozenset()

    def corrupt(self, learner: Learner) -> Learner:
        return CompressedLearner(learner, self.codec, feedback=self.feedback)

    def send(self, batch: UpdateBatch) -> Sequence[UpdateBatch]:
        return [batch]


def measure(rounds: int, runs: int) -> list[dict[str, Any]]:
    """Ratio, accuracy and points lost of each codec."""
    agents = tuple(f"agent-{number:03d}" for number in range(100))
    found: list[dict[str, Any]] = []
    for codec in CODECS:
        for feedback in (False, True) if codec.name != RawCodec().name else (False,):
            accuracy = float(np.mean([trained(codec, agents, rounds, seed, feedback=feedback) for seed in range(runs)]))
            plain = found[0]["accuracy"] if found else accuracy
            dimension = GradientsWorkload(data=DigitsBandit(agents=agents)).dimension
            found.append(
                {
                    "codec": codec.name,
                    "error_feedback": feedback,
                    "ratio": 4 * dimension / (codec.width(dimension) * codec.payload_dtype.itemsize),
                    "accuracy": accuracy,
                    "lost": accuracy - plain,
                }
            )
    return found


def trained(codec: Codec, agents: tuple[str, ...], rounds: int, seed: int, *, feedback: bool) -> float:
    """Held-out accuracy in percent after so many rounds through the codec."""
    workload = GradientsWorkload(data=DigitsBandit(agents=agents, seed=seed))
    fleet = Simulation(workload, agents, seed=seed, corruption=Compression(codec, feedback))
    for _ in fleet.steps(rounds):
        pass
    return 100 * workload.evaluate(fleet.value)["accuracy"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.rounds, options.runs)
    where = machine()
    if options.json:
        print(json.dumps({"rows": rows, "command": command(), "machine": where}))
        return
    print(described(where))
    for row in rows:
        kind = "with error feedback" if row["error_feedback"] else ""
        print(f"{row['codec']:16s} {row['ratio']:5.1f} x  {row['accuracy']:.1f} % ({row['lost']:+.1f})  {kind}")


if __name__ == "__main__":
    main()
