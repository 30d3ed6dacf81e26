"""``swarmlore bench``: what a round costs on a real Ray, and what rules cost without one."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.connection import quiet, run
from gateway.machine import machine
from gateway.measuring import rules_measured, spread
from gateway.options import AsJson, Hosts
from gateway.output import Output
from gateway.trial import PHASES

app = typer.Typer(
    name="bench", help="Measure rounds and rules on this machine.", no_args_is_help=True, rich_markup_mode=None
)

WARM_UP = 5


@app.command("round")
def round_(
    agents: Annotated[int, typer.Option("--agents", min=1, help="How many agents.")] = 100,
    dim: Annotated[
        int | None, typer.Option("--dim", min=1, help="Parameters, or the nearest policy; about 1,000 by default.")
    ] = None,
    null: Annotated[bool, typer.Option("--null", help="Agents learn nothing: the round itself.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds measured, after 5 of warm-up.")] = 20,
    telemetry: Annotated[
        bool, typer.Option(help="Export to a receiver of this process, which throws everything away.")
    ] = True,
    hosts: Hosts = None,
    as_json: AsJson = False,
) -> None:
    """Measure whole rounds of a swarm on a Ray started for it: signed, journaled, and with telemetry."""
    output = Output(as_json=as_json)
    command = f"swarmlore bench round --agents {agents} --rounds {rounds}"
    command += (" --null" if null else "") + ("" if dim is None else f" --dim {dim}")
    command += ("" if telemetry else " --no-telemetry") + ("" if hosts is None else f" --hosts {hosts}") + " --json"

    async def work() -> None:
        quiet()
        with tempfile.TemporaryDirectory(prefix="swarmlore-") as folder, sink(wanted=telemetry) as endpoint:
            config = _configuration(agents, dim, null=null, hosts=hosts, endpoint=endpoint, folder=Path(folder))
            with output.progress(f"measuring {rounds} rounds of {agents} agents"):
                figures = await rounds_measured(config, rounds=rounds)
        found = {
            "name": "round",
            "agents": agents,
            "dimension": config.workload.dimension,
            "workload": config.workload.kind,
            "telemetry": telemetry,
            "signatures": True,
            **figures,
            "command": command,
            "machine": machine(),
        }
        output.document(found)
        rows = [["as the caller waits", *_cells(found["answer"])], ["round", *_cells(found["round"])]]
        rows += [["(one empty Ray call)", *_cells(found["ray_call"])]]
        rows += [[name.removesuffix("_ms"), *_cells(part)] for name, part in found["phases"].items()]
        output.table("milliseconds", ["", "median", "p95", "min", "max"], rows)

    run(work, output)


@app.command("rules")
def rules(
    n: Annotated[int, typer.Option("--n", min=3, help="Updates.")] = 100,
    dim: Annotated[int, typer.Option("--dim", min=1, help="Floats an update.")] = 1000,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Calls measured, after 3 of warm-up.")] = 20,
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only these; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure rules on n random updates, each with the largest fault bound that it takes, up to (n - 1) / 3."""
    output = Output(as_json=as_json)
    command = f"swarmlore bench rules --n {n} --dim {dim} --repeat {repeat}"
    command += "".join(f" --rule {name}" for name in rule or ()) + " --json"

    async def work() -> None:
        with output.progress(f"measuring rules on {n} x {dim}"):
            found = rules_measured(n, dim, repeat=repeat, names=rule)
        facts = {"command": command, "machine": machine()}
        output.document({"name": "rules", "n": n, "dimension": dim, "rules": found, **facts})
        rows = [[part["rule"], str(part["f"] if part["f"] is not None else "-"), *_cells(part)] for part in found]
        output.table("milliseconds", ["rule", "f", "median", "p95", "min", "max"], rows)

    run(work, output)


def _cells(part: dict[str, Any]) -> list[str]:
    return [f"{part[name]:.3f}" for name in ("median_ms", "p95_ms", "min_ms", "max_ms")]


def _configuration(
    agents: int, dim: int | None, *, null: bool, hosts: int | None, endpoint: str | None, folder: Path
) -> Any:
    from actors import SwarmConfig
    from gateway.learning import agent_names, digits
    from telemetry import TelemetryConfig
    from workloads.null import NullWorkload

    names = agent_names(agents)
    workload = NullWorkload(dimension=dim or 1000) if null else digits(names, alpha=0.5, seed=0, dimension=dim)
    return SwarmConfig(
        workload=workload, agents=names, hosts=hosts, state_dir=folder, telemetry=TelemetryConfig(endpoint=endpoint)
    )


async def rounds_measured(config: Any, *, rounds: int) -> dict[str, Any]:
    """Start-up time, and the times of rounds and of their phases, after a warm-up, on a Ray of our own."""
    from actors import Swarm, cluster
    from actors.config import host_name

    await asyncio.to_thread(cluster.join, "local")
    started = time.perf_counter()
    swarm = await Swarm.start(config, address="local")
    ready_s = time.perf_counter() - started
    try:
        answers: list[float] = []
        records: list[dict[str, Any]] = []
        for number in range(WARM_UP + rounds):
            asked = time.perf_counter()
            record = await swarm.run_round()
            if number >= WARM_UP:
                answers.append(1e3 * (time.perf_counter() - asked))
                records.append(record)
        calls: list[float] = []
        for _ in range(2 * rounds):
            asked = time.perf_counter()
            await cluster.find(host_name(0)).node.remote()
            calls.append(1e3 * (time.perf_counter() - asked))
    finally:
        await swarm.stop()
    return {
        "ready_s": ready_s,
        "hosts": swarm.facts["hosts"],
        "answer": spread(answers),
        # One empty call of an actor, after the rounds and in the same run: how fast the machine is today.
        "ray_call": spread(calls),
        "round": spread([record["total_duration_ms"] for record in records]),
        "phases": {
            phase: spread([record[phase] for record in records]) for phase in PHASES if phase != "total_duration_ms"
        },
    }


class _Discard(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@contextmanager
def sink(*, wanted: bool) -> Iterator[str | None]:
    """The URL of an OTLP/HTTP receiver on loopback that throws everything away; None when not wanted."""
    if not wanted:
        yield None
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Discard)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
