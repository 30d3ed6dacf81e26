"""From files to a swarm that learns patterns: JSON lines of experiences, or telemetry of agents at work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federation.errors import ExperienceError, SettingError
from gateway.ingestion import MOST_SPANS, Reading, assembled, lines

if TYPE_CHECKING:
    from federation.rules import Rule
    from workloads.patterns import GivenExperiences, KeySpace, PatternsWorkload

_OTLP = ("resourceSpans", "resourceLogs", "resource_spans", "resource_logs")


def patterns(
    paths: Sequence[Path],
    *,
    strict: bool,
    inner: Rule | None,
    keys: Path | None,
    min_contributors: int,
    note: Callable[[str], None],
) -> tuple[PatternsWorkload, tuple[int, int]]:
    """Pattern weights of the installations in files, and how many lines were read and how many of these were skipped.

    Args:
        paths: JSON lines as `workloads.patterns.read_lines` takes them, or OTLP in JSON, each file one of them.
        strict: a bad line is fatal.
        inner: the rule for a key; None for the capped mean.
        keys: see `key_space`; None for that of coding agents.
        min_contributors: installations that a key needs.
        note: told of the first bad lines.

    Raises:
        SettingError: when a file is not there, or names no keys.
        ExperienceLineError: for a bad line, with ``strict``.
        ExperienceError: when no line is an experience to learn from.
    """
    from workloads.patterns import PatternsWorkload, RoundSettings, read_lines
    from workloads.patterns.key_space import STANDARD

    if not paths:
        raise SettingError(name="experiences", found="no file", needed="--experiences FILE, for patterns")
    space = STANDARD if keys is None else key_space(keys)
    telemetry = [path for path in paths if is_telemetry(path)]
    plain = [path for path in paths if path not in telemetry]
    read = read_lines([str(path) for path in plain], strict=strict)
    found, reading = _of_telemetry(telemetry, space, strict=strict, note=note)
    given = _joined(read.given, found)
    if not given.agents:
        raise ExperienceError(
            found=f"no experience in {read.lines + reading.lines} lines",
            needed="agent, type, category and success, or data of a session, on a line; or execute_tool spans",
        )
    rounds = RoundSettings(min_contributors=min_contributors)
    chosen: dict[str, Any] = {} if inner is None else {"inner": inner}
    workload = PatternsWorkload(data=given, space=space, rounds=rounds, **chosen)
    return workload, (read.lines + reading.lines, read.skipped + reading.bad)


def key_space(path: Path) -> KeySpace:
    """The key space in a file: a ``type::category`` a line, ``#`` before what is no key; `other` of each type is added.

    Raises:
        SettingError: when it cannot be read, or a line is no key.
    """
    from workloads.patterns import KeySpace, PatternType
    from workloads.patterns.key_space import OTHER, key_of

    try:
        found = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(name="keys", found=str(path), needed=f"a file that can be read ({error})") from error
    named = {line for line in found if line and not line.startswith("#")}
    if not named:
        raise SettingError(name="keys", found=f"{path}, which names none", needed="a type::category a line")
    return KeySpace(version="1.0", keys=tuple(sorted(named | {key_of(kind, OTHER) for kind in PatternType})))


def is_telemetry(path: Path) -> bool:
    """Whether a file's first line is OTLP in JSON; also of a compressed one.

    Raises:
        SettingError: when it cannot be read.
    """
    for _, line in lines(path):
        try:
            first = json.loads(line or b"{}")
        except (ValueError, RecursionError):
            return False
        return isinstance(first, dict) and any(name in first for name in _OTLP)
    return False


def _of_telemetry(
    paths: Sequence[Path], space: KeySpace, *, strict: bool, note: Callable[[str], None]
) -> tuple[GivenExperiences, Reading]:
    from workloads.patterns import GivenExperiences, of_trajectories
    from workloads.trajectories import Assembler, AssemblySettings

    reading = Reading()
    if not paths:
        return GivenExperiences(), reading
    # In a file nothing is late: what belongs together is found wherever it stands.
    assembler = Assembler(AssemblySettings(max_open=MOST_SPANS, max_held=MOST_SPANS))
    return of_trajectories(assembled(paths, assembler, reading, strict=strict, note=note), space=space), reading


def _joined(one: GivenExperiences, two: GivenExperiences) -> GivenExperiences:
    from workloads.patterns import GivenExperiences

    found = dict(one.given)
    for agent, experiences in two.given:
        found[agent] = found.get(agent, ()) + experiences
    return GivenExperiences(given=tuple(sorted((agent, some) for agent, some in found.items() if some)))
