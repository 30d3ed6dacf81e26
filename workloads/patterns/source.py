"""Where pattern experiences come from: JSON lines, trajectories, or what is at hand."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from federation.errors import ExperienceLineError, SettingError
from workloads.patterns.errors import PatternError
from workloads.patterns.experience import PatternExperience, experience_of
from workloads.patterns.key_space import KeySpace, PatternType
from workloads.trajectories import Ending, Outcome, Trajectory

_LONGEST_LINE = 1 << 20
_SHARE = 100_000


@runtime_checkable
class PatternSource(Protocol):
    """A frozen, picklable description of where experiences are."""

    @property
    def agents(self) -> tuple[str, ...]:
        """Ids of the installations that have some, sorted."""
        ...

    def shares(self, agents: Sequence[str]) -> Sequence[Sequence[PatternExperience]]:
        """The experiences of each of these, oldest first; empty for an unknown one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenExperiences:
    """Experiences that are at hand.

    Attributes:
        given: pairs of an installation and its experiences, oldest first.
    """

    given: tuple[tuple[str, tuple[PatternExperience, ...]], ...] = ()

    @property
    def agents(self) -> tuple[str, ...]:
        return tuple(sorted(agent for agent, _ in self.given))

    def shares(self, agents: Sequence[str]) -> Sequence[Sequence[PatternExperience]]:
        """The experiences of each of these."""
        known = dict(self.given)
        return [known.get(agent, ()) for agent in agents]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadExperiences:
    """What was found in files.

    Attributes:
        given: the experiences.
        lines: read.
        skipped: of these, lines that were none, or were more than an installation may hold.
    """

    given: GivenExperiences
    lines: int
    skipped: int


def read_lines(paths: Sequence[str], *, strict: bool = False, most: int = _SHARE) -> ReadExperiences:
    """The experiences of JSON lines: ``agent`` (or ``agent_id``) and the fields that `experience_of` takes.

    An installation's first ``most`` lines count. Lines of more than 1 MiB are skipped unread.

    Raises:
        SettingError: when a file is not there.
        ExperienceLineError: for the first bad line, with ``strict``. It repeats nothing of the line.
    """
    found: dict[str, list[PatternExperience]] = defaultdict(list)
    lines = skipped = 0
    for path in paths:
        if not Path(path).is_file():
            raise SettingError(name="experiences", found=path, needed="a JSON lines file that is there")
        with Path(path).open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE):
                whole = line.endswith(b"\n") or len(line) < _LONGEST_LINE
                while not whole and (rest := file.readline(_LONGEST_LINE)):
                    whole, line = rest.endswith(b"\n"), b"{}"
                number += 1
                if not line.strip():
                    continue
                lines += 1
                made = _of_line(line)
                if isinstance(made, str):
                    if strict:
                        raise ExperienceLineError(file=path, line=number, reason=made)
                    skipped += 1
                elif len(found[made[0]]) >= most:
                    skipped += 1
                else:
                    found[made[0]].append(made[1])
    given = tuple((agent, tuple(found[agent])) for agent in sorted(found))
    return ReadExperiences(given=GivenExperiences(given=given), lines=lines, skipped=skipped)


def _of_line(line: bytes) -> tuple[str, PatternExperience] | str:
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({type(error).__name__})"
    if not isinstance(plain, dict):
        return f"a {type(plain).__name__}, not an object"
    agent = plain.pop("agent", None) or plain.pop("agent_id", None)
    if not isinstance(agent, str):
        return "agent is missing or not a word"
    try:
        return agent, experience_of(plain)
    except PatternError as error:
        return str(error)


def of_trajectory(
    trajectory: Trajectory, *, space: KeySpace, task_type: str = "other", good: float = 0.5
) -> tuple[PatternExperience, ...]:
    """The experiences in one run: its use of each tool, each class of errors, and how it ended.

    A tool's entry counts its calls, what share went well, and their mean latency where it is known; calls that never
    ended are left out. An error's entry is a success when a later call of the same tool went well. The run's entry,
    of category ``task_type``, is there when the run was judged; it went well with a reward of ``good`` or more.
    Only names, outcomes and times are looked at, never contents. Trajectories do not tell teams.
    """
    if trajectory.ending is not Ending.COMPLETE:
        return ()
    calls: dict[str, list[tuple[bool, float | None]]] = defaultdict(list)
    errors: list[tuple[str, str, int]] = []
    for place, step in enumerate(trajectory.steps):
        if step.outcome is Outcome.UNKNOWN:
            continue
        category = space.known(PatternType.TOOL, step.tool)
        calls[category].append((step.outcome is Outcome.SUCCESS, step.latency_s))
        if step.outcome is Outcome.FAILURE:
            errors.append((step.error_type or "", step.tool, place))
    found: list[PatternExperience] = []
    for category in sorted(calls):
        made = calls[category]
        timed = [seconds for _, seconds in made if seconds is not None]
        rate = sum(well for well, _ in made) / len(made)
        found.append(
            PatternExperience(
                type=PatternType.TOOL,
                category=category,
                success=rate,
                errors=1 - rate,
                duration_s=sum(timed) / len(timed) if timed else None,
                resources=float(len(made)),
                count=len(made),
            )
        )
    for name, tool, place in errors:
        later = trajectory.steps[place + 1 :]
        recovered = any(step.tool == tool and step.outcome is Outcome.SUCCESS for step in later)
        category = space.known(PatternType.ERROR, name)
        found.append(
            PatternExperience(
                type=PatternType.ERROR, category=category, success=float(recovered), errors=float(not recovered)
            )
        )
    if trajectory.reward is not None:
        well = trajectory.reward >= good
        spent = (trajectory.end_ns - trajectory.start_ns) / 1e9
        found.append(
            PatternExperience(
                type=PatternType.SUCCESS,
                category=space.known(PatternType.SUCCESS, task_type),
                success=float(well),
                errors=float(not well),
                duration_s=spent if spent > 0 else None,
                resources=float(len(trajectory.steps)),
            )
        )
    return tuple(found)


def of_trajectories(
    trajectories: Iterable[Trajectory], *, space: KeySpace, task_type: str = "other"
) -> GivenExperiences:
    """The experiences of runs by their agents, oldest run first; runs without an agent are left out."""
    found: dict[str, list[PatternExperience]] = defaultdict(list)
    for trajectory in sorted(trajectories, key=lambda one: (one.start_ns, one.key)):
        if trajectory.agent is not None:
            found[trajectory.agent] += of_trajectory(trajectory, space=space, task_type=task_type)
    return GivenExperiences(given=tuple((agent, tuple(found[agent])) for agent in sorted(found)))
