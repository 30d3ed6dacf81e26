"""What compression costs in accuracy: digits, 100 agents, with and without error feedback.

    python -m benchmarks.compression [--rounds 100] [--runs 3] [--cluster] [--json]

Updates go through the codec and back before the round sees them; nobody lies. The ratio counts every byte of the
payload against float32. Accuracy is held-out, the mean over runs with seeds of their own. ``--cluster`` measures
the sparsest codec on a local Ray instead, and says for how many rounds the releases are those of the simulation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from actors import Swarm, SwarmConfig
from federation.compression import Codec, Int8Codec, RawCodec, TopKCodec, TopKInt8Codec
from gateway.machine import command, described, machine
from workloads.gradients import DigitsBandit, GradientsWorkload
from workloads.simulation import Simulation

SPARSEST = TopKCodec(fraction=0.05)
CODECS: tuple[Codec, ...] = (RawCodec(), Int8Codec(), SPARSEST, TopKInt8Codec(fraction=0.2))


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
    """Held-out accuracy in percent after so many simulated rounds through the codec."""
    workload = GradientsWorkload(data=DigitsBandit(agents=agents, seed=seed), codec=codec)
    fleet = Simulation(workload, agents, seed=seed, error_feedback=feedback)
    for _ in fleet.steps(rounds):
        pass
    return 100 * workload.evaluate(fleet.value)["accuracy"]


async def on_a_cluster(rounds: int, runs: int) -> list[dict[str, Any]]:
    """Accuracy of the sparsest codec without and with feedback, on a local Ray, and the rounds equal to the simulation.

    The two are the same to the last bit until something happens that a simulation has not: trust keeps an agent
    out, or a validator's loop shortens the steps or rolls back, as it does when divergences rise round after round.
    """
    agents = tuple(f"agent-{number:03d}" for number in range(100))
    found: list[dict[str, Any]] = []
    for feedback in (False, True):
        ends = [await _swarm(agents, rounds, seed, feedback=feedback) for seed in range(runs)]
        found.append(
            {
                "codec": SPARSEST.name,
                "error_feedback": feedback,
                "accuracy": float(np.mean([accuracy for accuracy, _ in ends])),
                "equal_rounds": [equal for _, equal in ends],
            }
        )
    return found


async def _swarm(agents: tuple[str, ...], rounds: int, seed: int, *, feedback: bool) -> tuple[float, int]:
    workload = GradientsWorkload(data=DigitsBandit(agents=agents, seed=seed), codec=SPARSEST)
    fleet, equal = Simulation(workload, agents, seed=seed, error_feedback=feedback), 0
    value = fleet.value
    with tempfile.TemporaryDirectory() as folder:
        config = SwarmConfig(
            workload=workload, agents=agents, seed=seed, error_feedback=feedback, linger_s=5.0, state_dir=Path(folder)
        )
        swarm = await Swarm.start(config)
        try:
            for number in range(1, rounds + 1):
                await swarm.run_round()
                value = workload.unpack((await swarm.release())["artefact"])
                if equal == number - 1 and np.array_equal(fleet.step().value, value):
                    equal = number
            return 100 * workload.evaluate(value)["accuracy"], equal
        finally:
            await swarm.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cluster", action="store_true", help="on a local Ray, beside the simulation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.cluster:
        rows = asyncio.run(on_a_cluster(options.rounds, options.runs))
    else:
        rows = measure(options.rounds, options.runs)
    where = machine()
    if options.json:
        print(json.dumps({"rows": rows, "command": command(), "machine": where}))
        return
    print(described(where))
    for row in rows:
        kind = "with error feedback" if row["error_feedback"] else ""
        if options.cluster:
            print(f"{row['codec']:16s} {row['accuracy']:.1f} %  equal for {row['equal_rounds']} rounds  {kind}")
            continue
        print(f"{row['codec']:16s} {row['ratio']:5.1f} x  {row['accuracy']:.1f} % ({row['lost']:+.1f})  {kind}")


if __name__ == "__main__":
    main()
