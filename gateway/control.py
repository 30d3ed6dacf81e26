"""Commands that start a swarm and end it: up, down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.connection import STATE_DIR, connected, marked, run
from gateway.options import Address, AsJson, Further, StateDir
from gateway.output import Output
from gateway.reports import HEADING, round_line
from gateway.start import Start, begun, configuration, with_start

if TYPE_CHECKING:
    from actors import Swarm

GRACE_S = 2.0
"""Left to whoever ended our swarm from outside, to leave our cluster before we end that."""


@with_start
def up(
    further: Further = None,
    address: Annotated[
        str,
        typer.Option(
            "--address",
            envvar="SWARMLORE_ADDRESS",
            help="local: a cluster of its own, in the foreground until Ctrl-C. auto or HOST:PORT: a running one; "
            "the command returns and the swarm stays.",
        ),
    ] = "local",
    *,
    start: Start,
    as_json: AsJson = False,
) -> None:
    """Start a swarm."""
    output = Output(as_json=as_json)

    async def work() -> None:
        config, found = configuration(start, output, further=further or [])
        swarm = await begun(config, found, address, output)
        facts = {**swarm.facts, "interval_s": start.interval}
        if found is not None:
            facts |= {"lines_read": found.read, "lines_skipped": found.skipped}
        if address == "local":
            await _foreground(swarm, facts, start.state_dir, start.interval, output)
            return
        if start.interval is not None:
            await swarm.start_learning(start.interval)
        output.document(facts)
        _introduce(facts, output)
        output.text("the swarm stays when this command ends; `swarmlore down` ends it", style="dim")

    run(work, output)


def down(address: Address = "auto", state_dir: StateDir = STATE_DIR, as_json: AsJson = False) -> None:
    """End the swarm. Journal, keys and releases stay in the state directory."""
    output = Output(as_json=as_json)

    async def work() -> None:
        swarm = await connected(address, state_dir)
        with output.progress("ending the swarm"):
            ended = await swarm.stop()
        output.document({"ended": ended})
        output.text(f"{ended} actors ended")

    run(work, output)


def _introduce(facts: Mapping[str, Any], output: Output) -> None:
    output.text(
        f"{facts['agents']} agents on {facts['hosts']} hosts at {facts['address']}, "
        f"fault bound {facts['fault_bound']}, release {facts['release']['version']}"
    )


async def _foreground(
    swarm: Swarm, facts: Mapping[str, Any], state_dir: Path, interval: float | None, output: Output
) -> None:
    """Show rounds until Ctrl-C, or until somebody ends the swarm; then end it and its cluster."""
    from actors.cluster import NoSwarmError

    try:
        with marked(facts["address"], state_dir):
            output.event("swarm", facts)
            _introduce(facts, output)
            if interval is None:
                output.text(
                    "learning on demand: `swarmlore round` in another shell; Ctrl-C ends the swarm", style="dim"
                )
            output.text(HEADING, style="bold")
            before = (await swarm.status())["rounds"]
            if interval is not None:
                await swarm.start_learning(interval)
            async for record in swarm.watch(before):
                output.event("round", record)
                output.text(round_line(record))
    except NoSwarmError:
        output.note("the swarm was ended by `swarmlore down`")
        await asyncio.sleep(GRACE_S)
    finally:
        await swarm.stop()
