"""Commands that ask a running swarm: status, round, watch, releases, rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.connection import STATE_DIR, connected, run
from gateway.options import Address, AsJson, StateDir
from gateway.output import Output
from gateway.reports import HEADING, round_line, show_releases, show_status
from gateway.screen import watch_screen


def status(address: Address = "auto", state_dir: StateDir = STATE_DIR, as_json: AsJson = False) -> None:
    """Show what the swarm is doing."""
    output = Output(as_json=as_json)

    async def work() -> None:
        swarm = await connected(address, state_dir)
        found = {**await swarm.status(), "address": swarm.facts["address"]}
        output.document(found)
        if not as_json:
            show_status(found, output)

    run(work, output)


def round_(
    count: Annotated[int, typer.Option("--count", min=1, help="How many rounds.")] = 1,
    address: Address = "auto",
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Run rounds now. With --json one line a round: the whole record, verdicts included."""
    output = Output(as_json=as_json)

    async def work() -> None:
        swarm = await connected(address, state_dir)
        output.text(HEADING, style="bold")
        async for record in swarm.rounds(count, until_converged=False):
            output.event("round", record)
            output.text(round_line(record))

    run(work, output)


def watch(
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="Start after this round; by default only new ones are shown.")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many rounds.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="A line a round also on a terminal.")] = False,
    address: Address = "auto",
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Show every round that ends, whoever asked for it, until Ctrl-C.

    On a terminal it is a screen with health, curves, phases, verdicts and actors; elsewhere a line a round.
    """
    output = Output(as_json=as_json)

    async def work() -> None:
        swarm = await connected(address, state_dir)
        if not as_json and not lines and output.is_terminal:
            await watch_screen(swarm, after, count)
            return
        output.text(HEADING, style="bold")
        seen = 0
        async for record in swarm.watch(after):
            output.event("round", record)
            output.text(round_line(record))
            seen += 1
            if seen == count:
                return

    run(work, output)


def releases(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    address: Address = "auto",
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """List the newest releases, newest first."""
    output = Output(as_json=as_json)

    async def work() -> None:
        found = await (await connected(address, state_dir)).releases(limit)
        output.document({"releases": found})
        if not as_json:
            show_releases(found, output)

    run(work, output)


def rollback(
    version: Annotated[int, typer.Argument(min=0, help="The release to bring back; `swarmlore releases` lists them.")],
    address: Address = "auto",
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Bring back the value of an earlier release, as a new release."""
    output = Output(as_json=as_json)

    async def work() -> None:
        found = await (await connected(address, state_dir)).rollback(version)
        output.document(found)
        output.text(
            f"release {found['version']} brings back {version} ({found['artefact'][:16]}); "
            f"{found['hosts_applied']} hosts have it"
        )

    run(work, output)
