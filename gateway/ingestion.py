"""The command that learns from telemetry in files: ingest."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer

from gateway.connection import STATE_DIR, connected, run
from gateway.options import Address, AsJson, StateDir, Strict
from gateway.output import Output

if TYPE_CHECKING:
    from workloads.trajectories import Assembler, Converted, Layout, Trajectory

SHOWN_LINES = 10
LONGEST_LINE = 64 * 2**20
MOST_SPANS = 500_000
_BATCH = 2048


@dataclass(slots=True)
class Reading:
    """What was found in the files."""

    lines: int = 0
    bad: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="OTLP in JSON, a request of spans or log records a line; .gz is read too.",
            dir_okay=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Write the experiences here instead of giving them to a running swarm, and the layout beside them.",
            dir_okay=False,
        ),
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option("--layout", help="The layout that the swarm learns by, as --out wrote it.", dir_okay=False),
    ] = None,
    tools: Annotated[
        str | None, typer.Option("--tools", help="Names of tools, with commas; else they are learned from the files.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="What belongs together: trace or conversation.")] = "trace",
    task_attribute: Annotated[
        str, typer.Option("--task-attribute", help="The attribute that names the task of a run.")
    ] = "gen_ai.task.id",
    evaluation: Annotated[
        str | None, typer.Option("--evaluation", help="The evaluation whose score is the reward; else the mean of all.")
    ] = None,
    credit: Annotated[
        str, typer.Option("--credit", help="Which steps get a try's advantage: every_step or last_step.")
    ] = "every_step",
    clip: Annotated[float, typer.Option("--clip", min=0.01, help="The largest advantage.")] = 2.0,
    strict: Strict = False,
    address: Address = "auto",
    state_dir: StateDir = STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Learn from agents' telemetry in files: assemble trajectories, and make experiences of them."""
    output = Output(as_json=as_json)

    async def work() -> None:
        from workloads.trajectories import Admission, Assembler, AssemblySettings, Conversion, Scoring

        chosen = _layout(layout, tools)
        assembler = Assembler(
            # In a file nothing is late: what belongs together is found wherever it stands.
            replace(AssemblySettings(by=cast("Any", by)), max_open=MOST_SPANS, max_held=MOST_SPANS),
            admission=Admission(
                task_attribute=task_attribute, features=tuple(name for name, _ in chosen.features) if chosen else ()
            ),
            scoring=Scoring(name=evaluation),
        )
        reading = Reading()
        with output.progress(f"reading {len(files)} files"):
            trajectories = assembled(files, assembler, reading, strict=strict, note=output.note)
        chosen = chosen or _learned(trajectories)
        conversion = Conversion(layout=chosen, credit=cast("Any", credit), clip=clip)
        converted = conversion.convert(trajectories)
        facts = _facts(reading, assembler, converted, chosen)
        if out is None:
            facts |= await _given(converted, address, state_dir, output)
        else:
            facts |= _written(converted, chosen, out)
        output.document(facts)
        _tell(facts, output)

    run(work, output)


def lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a file with their numbers from 1, empty ones left out; None for one that is too long.

    Raises:
        SettingError: when the file cannot be read.
    """
    from federation.errors import SettingError

    try:
        with cast("IO[bytes]", gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    while line and not line.endswith(b"\n"):
                        line = file.readline(LONGEST_LINE)
                    yield number, None
                elif line.strip():
                    yield number, line
    except (OSError, EOFError) as error:
        raise SettingError(name="FILE", found=str(path), needed=f"a file that can be read ({error})") from error


def assembled(
    files: Sequence[Path], assembler: Assembler, reading: Reading, *, strict: bool, note: Callable[[str], None]
) -> list[Trajectory]:
    """The trajectories in files of OTLP in JSON; ``reading`` counts the lines, and ``note`` is told the first bad ones.

    Raises:
        SettingError: when a file cannot be read.
        ExperienceLineError: for the first bad line, with ``strict``.
    """
    found: list[Trajectory] = []
    for path in files:
        for number, line in lines(path):
            reading.lines += 1
            reason = _read(line, assembler, found)
            if reason:
                _bad(path, number, reason, reading, strict=strict, note=note)
    return found + assembler.finish()


def _read(line: bytes | None, assembler: Assembler, found: list[Trajectory]) -> str:
    """Take one line. Returns what is wrong with it; empty when nothing is."""
    from gateway.otlp import MalformedError, TooLargeError
    from gateway.otlp_json import decoded_line

    if line is None:
        return f"it is longer than {LONGEST_LINE} bytes"
    try:
        _, request = decoded_line(line, assembler.admission)
    except (MalformedError, TooLargeError) as error:
        return str(error.fields.get("found") or error)
    assembler.left_at_the_door(malformed=request.rejected, not_agent=request.not_agent, contents=request.contents)
    found += assembler.add(request.spans, request.events, now_ns=0)
    return f"{request.rejected} rejected: {request.problem}" if request.rejected else ""


def _bad(path: Path, number: int, reason: str, reading: Reading, *, strict: bool, note: Callable[[str], None]) -> None:
    from federation.errors import ExperienceLineError

    if strict:
        raise ExperienceLineError(file=str(path), line=number, reason=reason)
    reading.bad += 1
    reading.reasons[reason] += 1
    if len(reading.shown) < SHOWN_LINES:
        reading.shown.append(f"{path}, line {number}: {reason}")
        note(reading.shown[-1])


def _layout(path: Path | None, tools: str | None) -> Layout | None:
    from federation.errors import SettingError
    from gateway.learning import layout_from
    from workloads.trajectories import Layout

    if path is not None and tools is not None:
        raise SettingError(name="tools", found=tools, needed="left out with --layout, which names them")
    if path is not None:
        return layout_from(path)
    if tools is not None:
        return Layout(tools=tuple(tool.strip() for tool in tools.split(",")))
    return None


def _learned(trajectories: Sequence[Trajectory]) -> Layout:
    from federation.errors import ExperienceError
    from workloads.trajectories import Layout

    if not any(trajectory.steps for trajectory in trajectories):
        raise ExperienceError(
            found=f"no tool call among {len(trajectories)} trajectories",
            needed="execute_tool spans of OpenTelemetry's gen_ai conventions to learn the tools from, or --tools",
        )
    return Layout.learned(trajectories)


def _facts(reading: Reading, assembler: Assembler, converted: Converted, layout: Layout) -> dict[str, Any]:
    tally = assembler.tally
    return {
        "lines": reading.lines,
        "bad_lines": reading.bad,
        "reasons": dict(reading.reasons.most_common()),
        "spans": tally.received,
        "evaluations": tally.evaluations,
        "dropped": {reason.value: number for reason, number in tally.dropped.items() if number},
        "contents_left_out": tally.contents,
        "trajectories": {ending.value: number for ending, number in tally.endings.items()},
        "learned_from": converted.trajectories,
        "skipped": {reason.value: number for reason, number in converted.skipped.items()},
        "level_tasks": converted.level_tasks,
        "steps": converted.steps,
        "other_tools": converted.other_tools,
        "tools": list(layout.tools),
        "features": layout.length,
        "agents": len(converted.experiences),
        "experiences": sum(map(len, converted.experiences.values())),
    }


async def _given(converted: Converted, address: str, state_dir: Path, output: Output) -> dict[str, Any]:
    from federation.errors import SettingError

    swarm = await connected(address, state_dir)
    given, unknown = 0, []
    with output.progress("giving experiences to the swarm"):
        for agent, experiences in converted.experiences.items():
            try:
                for start in range(0, len(experiences), _BATCH):
                    part = experiences[start : start + _BATCH]
                    await swarm.observe(agent, part)
                    given += len(part)
            except SettingError:
                unknown.append(agent)
    return {"given": given, "unknown_agents": unknown}


def _written(converted: Converted, layout: Layout, out: Path) -> dict[str, Any]:
    """Write experiences and layout; the files are whole or not there."""
    from gateway.learning import layout_beside

    beside = layout_beside(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".partial")
    with partial.open("w") as file:
        for agent, experiences in converted.experiences.items():
            for experience in experiences:
                record: dict[str, Any] = {
                    "agent": agent,
                    "state": [round(value, 6) for value in experience.state],
                    "action": experience.action,
                    "reward": experience.reward,
                    "done": experience.done,
                }
                if experience.next_state is not None:
                    record["next_state"] = [round(value, 6) for value in experience.next_state]
                file.write(json.dumps(record, separators=(",", ":")) + "\n")
    partial.replace(out)
    beside.write_text(layout.to_json() + "\n")
    return {"out": str(out), "layout": str(beside)}


def _tell(facts: dict[str, Any], output: Output) -> None:
    if facts["bad_lines"]:
        output.note(f"{facts['bad_lines']} of {facts['lines']} lines are bad, in whole or in part")
    if facts["dropped"].get("full") or facts["trajectories"].get("evicted"):
        output.note(f"more than {MOST_SPANS} spans at once, or too many in one trace: read the files in parts")
    endings = ", ".join(f"{number} {ending}" for ending, number in facts["trajectories"].items()) or "none"
    dropped = ", ".join(f"{number} {reason}" for reason, number in facts["dropped"].items()) or "none"
    output.text(f"{facts['spans']} spans and {facts['evaluations']} evaluations; left out: {dropped}")
    output.text(f"{facts['contents_left_out']} message contents left at the door")
    output.text(f"trajectories: {endings}")
    skipped = ", ".join(f"{number} {reason}" for reason, number in facts["skipped"].items()) or "none"
    output.text(f"learned from {facts['learned_from']} of them; skipped: {skipped}")
    output.text(
        f"{facts['experiences']} experiences of {facts['agents']} agents, {facts['steps']} steps, "
        f"{len(facts['tools'])} tools, {facts['features']} features"
    )
    if facts["level_tasks"]:
        output.text(f"{facts['level_tasks']} tasks whose tries were all alike say nothing about which way is better")
    if "out" in facts:
        output.text(f"written to {facts['out']}, the layout to {facts['layout']}")
        output.text(f"next: swarmlore up --experiences {facts['out']}", style="dim")
        return
    output.text(f"{facts['given']} experiences given to the swarm")
    if facts["unknown_agents"]:
        names = ", ".join(facts["unknown_agents"][:SHOWN_LINES])
        output.note(f"the swarm does not know {len(facts['unknown_agents'])} of the agents: {names}")
