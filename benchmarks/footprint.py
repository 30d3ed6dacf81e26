"""How long a swarm takes to be ready once Ray is up, and how much memory its actors hold.

    python -m benchmarks.footprint [--agents 10000] [--rounds 3] [--json]

Ready means: actors made, agents enrolled with their keys, the genesis release on every host. Memory is the
proportional set size of the actors' processes after the rounds, and beside it that of as many Ray
workers that run an empty actor: what is above them is ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from actors import Swarm, SwarmConfig, cluster
from gateway.machine import command, described, machine


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {**asyncio.run(measure(options.agents, options.rounds)), "command": command(), "machine": machine()}
    if options.json:
        print(json.dumps(figures))
        return
    print(described(figures["machine"]))
    print(
        f"{options.agents} agents ready in {figures['ready_s']:.2f} s; {figures['actors']} actors hold "
        f"{figures['held_mib']:.0f} MiB, {figures['above_ray_mib']:.0f} MiB above as many empty ones"
    )


async def measure(agents: int, rounds: int) -> dict[str, Any]:
    """Seconds until ready, and memory after some rounds."""
    from workloads.gradients import DigitsBandit, GradientsWorkload

    ids = tuple(f"agent-{number:05d}" for number in range(agents))
    workload = GradientsWorkload(data=DigitsBandit(agents=ids))
    await asyncio.to_thread(cluster.join, "local")
    empty = await _empty_actor()
    with tempfile.TemporaryDirectory(prefix="swarmlore-") as folder:
        config = SwarmConfig(workload=workload, agents=ids, state_dir=Path(folder), linger_s=5.0)
        started = time.perf_counter()
        swarm = await Swarm.start(config)
        ready = time.perf_counter() - started
        for _ in range(rounds):
            await swarm.run_round()
        status = await swarm.status()
        held = [_mib(actor["process"]) for actor in (status, *status["actors"].values())]
        await swarm.stop()
    return {
        "agents": agents,
        "ready_s": ready,
        "actors": len(held),
        "held_mib": sum(held),
        "empty_actor_mib": empty,
        "above_ray_mib": sum(held) - empty * len(held),
    }


async def _empty_actor() -> float:
    """MiB of a Ray worker that runs an actor which does nothing."""
    import ray

    class Empty:
        def process(self) -> int:
            import os

            return os.getpid()

    actor: Any = ray.remote(Empty).options(num_cpus=0).remote()
    return _mib(await actor.process.remote())


def _mib(process: int) -> float:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
