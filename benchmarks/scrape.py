"""How long Prometheus waits for /metrics: a swarm on a Ray of its own, the gateway over it, HTTP from end to end.

    python -m benchmarks.scrape [--agents 1000] [--hosts 2] [--scrapes 30] [--json]

Rounds are run first, so that every series is there; then half of the scrapes are made between rounds and half while
rounds run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from actors import Swarm, SwarmConfig
from gateway.learning import agent_names, digits
from gateway.machine import command, described, machine
from gateway.service import service
from gateway.serving import server_of
from telemetry import TelemetryConfig

ACCEPT = "application/openmetrics-text; version=1.0.0"
ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=None)
    parser.add_argument("--scrapes", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measured(options.agents, options.hosts, options.scrapes))
    found |= {"command": command(), "machine": machine()}
    if options.json:
        print(json.dumps(found))
        return
    print(described(found["machine"]))
    print(f"/metrics of {found['agents']} agents: {found['series']} series, {found['page_kib']:.0f} KiB")
    for name in ("idle", "learning"):
        part = found[name]
        print(f"{name:<9} median {part['median_ms']:.1f} ms, p95 {part['p95_ms']:.1f} ms")


async def measured(agents: int, hosts: int | None, scrapes: int) -> dict[str, Any]:
    """Milliseconds of scrapes, and the size of the page."""
    names = agent_names(agents)
    workload = digits(names, alpha=0.5, seed=0, dimension=None)
    with tempfile.TemporaryDirectory(prefix="swarmlore-") as folder:
        config = SwarmConfig(
            workload=workload,
            agents=names,
            hosts=hosts,
            state_dir=Path(folder),
            telemetry=TelemetryConfig(prometheus=True),
        )
        swarm = await Swarm.start(config)
        server = server_of(service(swarm), "127.0.0.1", 0)
        serving = asyncio.ensure_future(server.serve(sockets=[server.config.bound]))
        url = f"http://127.0.0.1:{server.config.port}/metrics"
        try:
            for _ in range(ROUNDS):
                await swarm.run_round()
            idle, page = await asyncio.to_thread(_scraped, url, scrapes // 2)
            await swarm.start_learning(0.0)
            learning, _ = await asyncio.to_thread(_scraped, url, scrapes - scrapes // 2)
            await swarm.stop_learning()
        finally:
            server.should_exit = True
            await serving
            await swarm.stop()
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    return {
        "agents": agents,
        "hosts": swarm.facts["hosts"],
        "series": len(lines),
        "page_kib": len(page) / 1024,
        "idle": _spread(idle),
        "learning": _spread(learning),
    }


def _scraped(url: str, count: int) -> tuple[list[float], str]:
    """Milliseconds of each scrape, after one that opens the connection, and the last page."""
    with requests.Session() as session:
        session.headers["accept"] = ACCEPT
        session.headers["accept-encoding"] = "identity"
        session.get(url, timeout=30).raise_for_status()
        times: list[float] = []
        page = ""
        for _ in range(count):
            started = time.perf_counter()
            answer = session.get(url, timeout=30)
            times.append(1e3 * (time.perf_counter() - started))
            answer.raise_for_status()
            page = answer.text
    return times, page


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "median_ms": statistics.median(ordered),
        "p95_ms": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "min_ms": ordered[0],
        "max_ms": ordered[-1],
    }


if __name__ == "__main__":
    main()
