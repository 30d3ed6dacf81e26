"""``swarmlore doctor``: what could keep a swarm from running here, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway import checks, probes
from gateway.check import Check, State
from gateway.connection import STATE_DIR, quiet, resolved, run
from gateway.exits import Exit
from gateway.options import AsJson, StateDir
from gateway.output import Output

_STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def doctor(
    address: Annotated[
        str,
        typer.Option(
            "--address",
            envvar="SWARMLORE_ADDRESS",
            help="local: can a cluster be started here? auto or HOST:PORT: can that one be joined?",
        ),
    ] = "local",
    otlp: Annotated[str | None, typer.Option("--otlp", help="Base URL of an OTLP/HTTP receiver to try.")] = None,
    ray: Annotated[bool, typer.Option(help="Start or join a cluster, which takes seconds.")] = True,
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Check this machine, the cluster and the state directory. Ends with 7 when something will not work."""
    output = Output(as_json=as_json)

    async def work() -> int:
        where = address if address == "local" else resolved(address, state_dir)
        mode, token = os.environ.get("RAY_AUTH_MODE"), probes.token_at_hand()  # before joining sets what is missing
        found = _here(where, state_dir, otlp)
        refusal = ""
        if ray:
            with output.progress("starting a Ray to try it" if where == "local" else f"joining {where}"):
                there, refusal = await asyncio.to_thread(_there, where)
            found += there
        else:
            found += [checks.niceness(os.nice(0), None), checks.object_store(None, probes.shared_memory())]
        found.insert(1, checks.authentication(where, mode, token=token, refusal=refusal))
        healthy = all(check.state != State.FAIL for check in found)
        output.document({"healthy": healthy, "checks": [asdict(check) for check in found]})
        for check in found:
            output.text(f"{check.state.value:<5} {check.name}: {check.found}", style=_STYLES[check.state])
            if check.advice:
                output.text(f"      {check.advice}")
        return Exit.OK if healthy else Exit.FAULT_FOUND

    run(work, output)


def _here(address: str, state_dir: Path, otlp: str | None) -> list[Check]:
    """What can be told without a cluster."""
    found = [
        checks.python_version(sys.version_info[:3]),
        *checks.packages(probes.installed()),
        checks.uv_hook(os.environ.get("RAY_ENABLE_UV_RUN_RUNTIME_ENV"), under_uv=probes.under_uv()),
        checks.temporary_path(probes.temporary_folder()),
        *checks.state_folder(probes.state_directory(state_dir)),
    ]
    if address == "local" or ":" in address:
        found.append(checks.ports(address, probes.port_error(address)))
    if otlp is not None:
        from telemetry.config import shown

        found.append(checks.collector(shown(otlp), probes.collector_error(otlp)))
    return found


def _there(address: str) -> tuple[list[Check], str]:
    """What only a cluster can tell, and why it did not let us in; empty when it did."""
    from actors.cluster import ClusterError

    quiet()
    try:
        facts, worker, error = probes.ask_cluster(address)
    except ClusterError as unreachable:
        reason = str(unreachable.fields["found"])
        return [checks.cluster(address, None, reason)], reason
    told = [
        checks.cluster(address, facts, None),
        checks.worker(worker, *probes.own_versions(), error),
        checks.niceness(os.nice(0), None if worker is None else worker.nice),
        checks.object_store(facts["object_store"], probes.shared_memory()),
    ]
    return told, ""
