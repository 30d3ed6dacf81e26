"""From files to a swarm that learns patterns: JSON lines of experiences, or telemetry of agents at work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federation.errors import ExperienceError, SettingError
from gateway.ingestion import MOST_SPANS, Reading, assembled, lines

if TYPE_CHECKING:
    from federation.rules import Rule
    from workloads.patterns import GivenExperiences, KeySpace, PatternsWorkload
    from workloads.patterns.key_space import Domain

_VERSION = re.compile(r"\d{1,6}\.\d{1,6}")
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
    """The key space in a file: a ``type::category`` a line, and after it the domain it belongs to, if it has one.

    ``#`` begins what is no key, and `other` of each type is added. A line ``version 1.1`` begins what that version of
    the schema added: a fleet's file grows at its end, and releases of before go on. Such a line above all keys says
    which version the file begins with; without it that is 1.0.

    Raises:
        SettingError: when it cannot be read, a line is no key, or a key has no place of its own.
    """
    from workloads.patterns import KeySpace, PatternType
    from workloads.patterns.key_space import OTHER, key_of

    try:
        found = [line.partition("#")[0].split() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(name="keys", found=str(path), needed=f"a file that can be read ({error})") from error
    parts: list[tuple[str, set[str]]] = [("1.0", {key_of(kind, OTHER) for kind in PatternType})]
    domains: dict[str, str] = {}
    named = 0
    for words in filter(None, found):
        first, *rest = words
        if first == "version":
            version = _version(rest, after=parts[-1][0] if named else None)
            if named:
                parts.append((version, set()))
            else:
                parts = [(version, parts[0][1])]
            continue
        if len(rest) > 1 or any(first in keys for _, keys in parts[:-1]):
            needed = "type::category and a domain, if any, each key below one version only"
            raise SettingError(name="keys", found=" ".join(words)[:100], needed=needed)
        parts[-1][1].add(first)
        domains.update({first: rest[0]} if rest else {})
        named += 1
    if not named:
        raise SettingError(name="keys", found=f"{path}, which names none", needed="a type::category a line")
    ordered = tuple(key for _, keys in parts for key in sorted(keys))
    return KeySpace(version=parts[-1][0], keys=ordered, domains=_domains(domains))


def _domains(found: Mapping[str, str]) -> tuple[tuple[str, Domain], ...]:
    from workloads.patterns.key_space import Domain

    unknown = [name for name in found.values() if name not in set(Domain)]
    if unknown:
        raise SettingError(name="domain of a key", found=unknown[0][:40], needed=f"one among {', '.join(Domain)}")
    return tuple((key, Domain(name)) for key, name in found.items())


def _version(words: Sequence[str], *, after: str | None) -> str:
    """What a line says of the version; a later one has to be a higher minor version."""
    text = words[0] if len(words) == 1 else " ".join(words)
    if _VERSION.fullmatch(text):
        major, minor = text.split(".")
        before = (after or f"{major}.-1").split(".")
        if major == before[0] and int(minor) > int(before[1]):
            return text
    needed = "major.minor, such as 1.0" if after is None else f"a minor version above {after}, for keys that are added"
    raise SettingError(name="version of keys", found=text[:40], needed=needed)


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
