"""Commands that start a swarm and end it: up, down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.connection import STATE_DIR, connected, marked, quiet, run
from gateway.options import (
    Address,
    Alpha,
    AsJson,
    Deadline,
    Enrolled,
    Experiences,
    FaultBound,
    Further,
    Hosts,
    Interval,
    Otlp,
    RuleText,
    RunId,
    Seed,
    StateDir,
    Strict,
    Validators,
    WorkloadName,
)
from gateway.output import Output
from gateway.reports import HEADING, round_line

if TYPE_CHECKING:
    from actors import Swarm, SwarmConfig
    from workloads.gradients.files import Report

SHOWN_LINES = 10
GRACE_S = 2.0
"""Left to whoever ended our swarm from outside, to leave our cluster before we end that."""


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
    agents: Enrolled = 100,
    experiences: Experiences = None,
    strict: Strict = False,
    workload: WorkloadName = "digits",
    hosts: Hosts = None,
    validators: Validators = 1,
    fault_bound: FaultBound = None,
    deadline: Deadline = 30.0,
    interval: Interval = None,
    rule: RuleText = None,
    alpha: Alpha = 0.5,
    seed: Seed = 0,
    run_id: RunId = "swarm",
    otlp: Otlp = None,
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Start a swarm."""
    output = Output(as_json=as_json)

    async def work() -> None:
        config, report = configuration(
            paths=[*(experiences or []), *(further or [])],
            strict=strict,
            workload=workload,
            agents=agents,
            alpha=alpha,
            rule=rule,
            otlp=otlp,
            settings={
                "run": run_id,
                "seed": seed,
                "hosts": hosts,
                "validators": validators,
                "fault_bound": fault_bound,
                "deadline_s": deadline,
                "state_dir": state_dir,
            },
        )
        swarm = await begun(config, report, address, output)
        facts = {**swarm.facts, "interval_s": interval}
        if report is not None:
            facts |= {"lines_read": report.read, "lines_skipped": report.skipped}
        if address == "local":
            await _foreground(swarm, facts, state_dir, interval, output)
            return
        if interval is not None:
            await swarm.start_learning(interval)
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


def configuration(
    *,
    paths: list[Path],
    strict: bool,
    workload: str,
    agents: int,
    alpha: float,
    rule: str | None,
    otlp: str | None,
    settings: Mapping[str, Any],
) -> tuple[SwarmConfig, Report | None]:
    """The configuration that the options ask for, and what was found in the experiences."""
    from actors import SwarmConfig
    from federation.errors import ExtraError, SettingError
    from gateway import learning
    from telemetry.config import MissingGrpcError, shown
    from telemetry.environment import VariableError, configured

    report: Report | None = None
    if paths:
        learned, source = learning.experiences(paths, strict=strict)
        names, report = source.agents, source.report
    else:
        names = learning.agent_names(agents)
        match workload:
            case "digits":
                learned = learning.digits(names, alpha=alpha, seed=settings["seed"])
            case "null":
                from workloads.null import NullWorkload

                learned = NullWorkload()
            case _:
                raise SettingError(name="workload", found=workload, needed="digits or null")
    try:
        # What a scrape of the gateway needs is kept at hand, whoever is exported to.
        telemetry = configured(os.environ, endpoint=otlp, prometheus=True)
    except MissingGrpcError as error:
        raise ExtraError(package="an OTLP exporter", extra="grpc", purpose="OTLP over gRPC") from error
    except VariableError as error:
        raise SettingError(name=error.name, found=error.found, needed=error.needed) from error
    except ValueError as error:
        given = shown(otlp or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
        raise SettingError(name="otlp", found=given, needed="the base URL of an OTLP/HTTP receiver") from error
    chosen: dict[str, Any] = {} if rule is None else {"rule": learning.rule_of(rule)}
    return SwarmConfig(workload=learned, agents=names, telemetry=telemetry, **chosen, **settings), report


async def begun(config: SwarmConfig, report: Report | None, address: str, output: Output) -> Swarm:
    """The swarm of this configuration, started, once it was told what of its experiences was left out."""
    if report is not None:
        tell_skipped(report, output)
    quiet()
    from actors import Swarm

    with output.progress(f"starting a swarm of {len(config.agents)} agents"):
        return await Swarm.start(config, address=address)


def tell_skipped(report: Report, output: Output) -> None:
    """Say which lines are left out, and why."""
    for line in report.bad[:SHOWN_LINES]:
        output.note(f"skipped {line.file}, line {line.line}: {line.reason}")
    if report.skipped:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in report.reasons[:5])
        output.note(f"{report.skipped} of {report.read + report.skipped} lines skipped ({reasons})")


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
