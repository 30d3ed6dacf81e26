"""What telemetry costs of a whole round: CPU with OTLP on, with a scrape at hand, and without either.

    python -m benchmarks.share [--agents 100] [--rounds 20] [--repeat 12] [--json]

All actors of a swarm are in this process, called without Ray, so that the process's CPU time is that of the round
and of its exports, threads included; on a busy machine that says more than wall time. A receiver in a process of
its own takes the exports and throws them away. Modes take turns; the share is the median over the turns.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.config import COORDINATOR, SwarmConfig
from benchmarks.stage import Stage
from gateway.learning import agent_names, digits
from gateway.machine import command, described, machine
from telemetry import TelemetryConfig

WARM_UP = 5

_RECEIVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Discard(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Discard)
print(server.server_port, flush=True)
server.serve_forever()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measured(options.agents, options.rounds, options.repeat))
    found |= {"command": command(), "machine": machine()}
    if options.json:
        print(json.dumps(found))
        return
    print(described(found["machine"]))
    print(f"CPU of a round of {options.agents} agents, all actors in one process")
    for name, mode in found["modes"].items():
        share = "" if name == "silent" else f", {100 * mode['share']:.1f} % more than silent"
        print(f"{name:<10} {mode['cpu_ms']:6.2f} ms{share}")


async def measured(agents: int, rounds: int, repeat: int) -> dict[str, Any]:
    """Milliseconds of CPU a round in each mode, medians over the turns, and the share above silence."""
    with receiver() as url, tempfile.TemporaryDirectory(prefix="swarmlore-") as folder:
        modes = {
            "silent": TelemetryConfig(),
            "scraped": TelemetryConfig(prometheus=True),
            "otlp": TelemetryConfig(endpoint=url),
            "both": TelemetryConfig(endpoint=url, prometheus=True),
        }
        stages = {name: staged(agents, mode, Path(folder) / name) for name, mode in modes.items()}
        for stage in stages.values():
            await cpu_ms(stage, WARM_UP)
        turns = [{name: await cpu_ms(stage, rounds) for name, stage in stages.items()} for _ in range(repeat)]
        for stage in stages.values():
            await stage.end()
    return {
        "agents": agents,
        "rounds": rounds,
        "repeat": repeat,
        "modes": {
            name: {
                "cpu_ms": statistics.median(turn[name] for turn in turns),
                "share": statistics.median(turn[name] / turn["silent"] for turn in turns) - 1.0,
            }
            for name in modes
        },
    }


def staged(agents: int, telemetry: TelemetryConfig, folder: Path) -> Stage:
    """A swarm that learns digits, with its actors in this process."""
    names = agent_names(agents)
    workload = digits(names, alpha=0.5, seed=0, dimension=None)
    return Stage(SwarmConfig(workload=workload, agents=names, state_dir=folder, telemetry=telemetry))


async def cpu_ms(stage: Stage, rounds: int) -> float:
    """Milliseconds of this process's CPU a round; what waits at the end is sent on the clock."""
    coordinator = stage.find(COORDINATOR)
    gc.collect()
    before = time.process_time()
    for _ in range(rounds):
        await coordinator.run_round.remote()
    await coordinator.drain.remote()
    return 1e3 * (time.process_time() - before) / rounds


@contextmanager
def receiver() -> Iterator[str]:
    """The URL of an OTLP/HTTP receiver in a process of its own, which throws everything away."""
    process = subprocess.Popen([sys.executable, "-c", _RECEIVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
