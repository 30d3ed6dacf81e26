"""Experiences in files: JSON lines of experiences or of a session's log, and OTLP in JSON with agents' spans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federation.errors import ExperienceLineError
from workloads.patterns import KeySpace, PatternError, PatternExperience, experience_of, of_trajectory
from workloads.trajectories import Admission, Assembler, AssemblySettings, Scoring

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_SPANS = 500_000
MOST_EXPERIENCES = 100_000
"""From one reading; more are left out and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was found in files.

    Attributes:
        experiences: oldest first; those of trajectories after those of lines.
        lines: read.
        skipped: of these, those that were none, or were too many.
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
) -> Read:
    """The experiences in files; what a line is, it says itself. ``.gz`` is read, too.

    Args:
        paths: of the files.
        space: of the categories.
        agent: whose to take; None for everybody's, as an installation's own files name one agent or none.
        task_type: category of the runs in trajectories.
        strict: a bad line is an error.

    Raises:
        SettingError: when a file cannot be read.
        ExperienceLineError: for the first bad line, with ``strict``. It repeats nothing of the line.
    """
    from gateway.ingestion import lines

    found: list[PatternExperience] = []
    trajectories: list[Any] = []
    assembler = Assembler(
        AssemblySettings(max_open=MOST_SPANS, max_held=MOST_SPANS), admission=Admission(), scoring=Scoring()
    )
    count = skipped = 0
    for path in paths:
        for number, line in lines(path):
            count += 1
            made = _of_line(line, agent, assembler, trajectories)
            if isinstance(made, str):
                if strict:
                    raise ExperienceLineError(file=str(path), line=number, reason=made)
                skipped += 1
            elif made is not None:
                found.append(made)
    trajectories += assembler.finish()
    runs = 0
    for one in sorted(trajectories, key=lambda one: (one.start_ns, one.key)):
        if agent is None or one.agent == agent:
            made_of_run = of_trajectory(one, space=space, task_type=task_type)
            runs += bool(made_of_run)
            found += made_of_run
    kept = found[-MOST_EXPERIENCES:]
    return Read(experiences=tuple(kept), lines=count, skipped=skipped + len(found) - len(kept), trajectories=runs)


def _of_line(
    line: bytes | None, agent: str | None, assembler: Assembler, trajectories: list[Any]
) -> PatternExperience | str | None:
    """An experience, what is wrong with the line, or None where it went to the assembler or is somebody else's."""
    if line is None:
        return "it is too long"
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({type(error).__name__})"
    if not isinstance(plain, dict):
        return f"a {type(plain).__name__}, not an object"
    if "resourceSpans" in plain or "resourceLogs" in plain:
        return _of_spans(line, assembler, trajectories)
    entry: Mapping[str, Any] = {name: value for name, value in plain.items() if name not in ("agent", "agent_id")}
    if agent is not None and plain.get("agent", plain.get("agent_id")) != agent:
        return None
    try:
        return experience_of(entry)
    except PatternError as error:
        return str(error)


def _of_spans(line: bytes, assembler: Assembler, trajectories: list[Any]) -> str | None:
    from gateway.otlp import MalformedError, TooLargeError
    from gateway.otlp_json import decoded_line

    try:
        _, request = decoded_line(line, assembler.admission)
    except (MalformedError, TooLargeError) as error:
        return str(error.fields.get("found") or error)
    trajectories += assembler.add(request.spans, request.events, now_ns=0)
    return None
