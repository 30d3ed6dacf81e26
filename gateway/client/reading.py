"""Experiences in files: JSON lines of experiences or of a session's log, and OTLP in JSON with agents' spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.errors import ExperienceLineError
from gateway.ingestion import MOST_SPANS, Reading, assembled, lines
from gateway.patterns import is_telemetry
from workloads.patterns import KeySpace, PatternError, PatternExperience, experience_of, of_trajectory
from workloads.trajectories import Assembler, AssemblySettings

MOST_EXPERIENCES = 100_000
"""From one reading; the newest are kept, the others counted."""
SHOWN = 10
"""Bad lines that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was found in files.

    Attributes:
        experiences: oldest first; those of trajectories after those of lines.
        lines: read.
        skipped: of these, those that were none; and experiences that were too many.
        trajectories: complete ones.
    """

    experiences: tuple[PatternExperience, ...]
    lines: int
    skipped: int
    trajectories: int


def read(
    paths: Sequence[Path],
    *,
    space: KeySpace,
    agent: str | None = None,
    task_type: str = "other",
    strict: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Read:
    """The experiences in files, each of which holds one kind of line. ``.gz`` is read, too.

    Args:
        paths: of the files.
        space: of the categories.
        agent: whose to take; None for everybody's, as an installation's own files name one agent or none.
        task_type: category of the runs in trajectories.
        strict: a bad line is an error.
        note: told of the first bad lines, and of nothing in them.

    Raises:
        SettingError: when a file cannot be read.
        ExperienceLineError: for the first bad line, with ``strict``. It repeats nothing of the line.
    """
    telemetry = [path for path in paths if is_telemetry(path)]
    found: list[PatternExperience] = []
    count = skipped = 0
    for path in paths:
        if path in telemetry:
            continue
        for number, line in lines(path):
            count += 1
            made = _of_line(line, agent)
            if isinstance(made, str):
                if strict:
                    raise ExperienceLineError(file=str(path), line=number, reason=made)
                skipped += 1
                if skipped <= SHOWN:
                    note(f"{path}:{number}: {made}")
            elif made is not None:
                found.append(made)
    reading = Reading()
    assembler = Assembler(AssemblySettings(max_open=MOST_SPANS, max_held=MOST_SPANS))
    runs = 0
    trajectories = assembled(telemetry, assembler, reading, strict=strict, note=note)
    for one in sorted(trajectories, key=lambda one: (one.start_ns, one.key)):
        if agent is None or one.agent == agent:
            made_of_run = of_trajectory(one, space=space, task_type=task_type)
            runs += bool(made_of_run)
            found += made_of_run
    kept = tuple(found[-MOST_EXPERIENCES:])
    return Read(
        experiences=kept,
        lines=count + reading.lines,
        skipped=skipped + reading.bad + len(found) - len(kept),
        trajectories=runs,
    )


def _of_line(line: bytes | None, agent: str | None) -> PatternExperience | str | None:
    """An experience, what is wrong with the line, or None where it is somebody else's."""
    if line is None:
        return "it is too long"
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({type(error).__name__})"
    if not isinstance(plain, dict):
        return f"a {type(plain).__name__}, not an object"
    if agent is not None and plain.get("agent", plain.get("agent_id")) != agent:
        return None
    try:
        return experience_of({name: value for name, value in plain.items() if name not in ("agent", "agent_id")})
    except PatternError as error:
        return str(error)
