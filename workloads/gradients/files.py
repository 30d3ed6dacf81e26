"""The user's own experiences as a data source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from federation.errors import ExperienceError, ExperienceLineError, SettingError
from workloads.gradients.experience import Experience, Experiences
from workloads.gradients.records import BadLine, Record, read
from workloads.gradients.source import HeldOut

_SHOWN = 100
_PROBES = 256
_CONSTANT = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in the files.

    Attributes:
        read: lines that are experiences.
        skipped: lines that are not.
        reasons: reason -> how many lines, most frequent first.
        bad: the first 100 of them.
    """

    read: int
    skipped: int
    reasons: tuple[tuple[str, int], ...]
    bad: tuple[BadLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    report: Report
    counts: tuple[tuple[str, int], ...]
    features: int
    actions: int
    rewards: tuple[float, float]
    episodic: bool
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    probes: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ExperienceFiles:
    """JSON lines or Parquet files with one experience a line.

    A line has ``agent`` (or ``agent_id``), ``state`` (list of numbers), ``action`` (from 0), ``reward``, and
    may have ``next_state``, ``done`` (true where there is no next state) and ``propensity`` (with which the
    logging policy took the action). The number of features is that of the first good line. A line that does
    not fit is skipped and counted, with file, line and reason in `report`; with ``strict`` it is an error.

    A share of the lines is held out by a hash of their content, so the split stays the same when
    lines are added or files reordered. States are standardised by mean and deviation of the training lines.
    The files are surveyed once, when something is first asked; a host then reads only what its agents lived
    through. The survey travels with the description, the experiences do not.

    Attributes:
        paths: of the files; each line counts, so list none twice.
        strict: whether a bad line is an error.
        held_out_share: of the lines.
        number_of_actions: how many actions there are; None for one more than the largest that is found.
    """

    paths: tuple[str, ...]
    strict: bool = False
    held_out_share: float = 0.2
    number_of_actions: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", tuple(str(path) for path in self.paths))
        if not self.paths or len(set(self.paths)) != len(self.paths):
            raise SettingError(name="paths", found=self.paths, needed="at least one file, each once")
        if not 0 <= self.held_out_share <= 0.9:
            raise SettingError(name="held_out_share", found=self.held_out_share, needed="between 0 and 0.9")
        if self.number_of_actions is not None and self.number_of_actions < 1:
            raise SettingError(name="number_of_actions", found=self.number_of_actions, needed="1 or more")

    @property
    def report(self) -> Report:
        """What was found, and what was skipped and why.

        Raises:
            ExperienceLineError: for the first bad line, with ``strict``.
            ExperienceError: when no line is an experience to learn from.
        """
        return self._survey.report

    @property
    def agents(self) -> tuple[str, ...]:
        """Those with at least one experience to learn from, sorted."""
        return tuple(agent for agent, _ in self._survey.counts)

    @property
    def features(self) -> int:
        return self._survey.features

    @property
    def actions(self) -> int:
        return self._survey.actions

    @property
    def rewards(self) -> tuple[float, float]:
        return self._survey.rewards

    @property
    def episodic(self) -> bool:
        return self._survey.episodic

    def scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation of each feature over the training lines; 1 for a constant one."""
        return np.array(self._survey.shift, np.float32), np.array(self._survey.scale, np.float32)

    def shares(self, agents: Sequence[str]) -> list[Experiences]:
        """The training lines of each agent, in the order of files and lines."""
        wanted: dict[str, list[Record]] = {agent: [] for agent in agents}
        for record in self._good():
            if record.agent in wanted and not self._is_held_out(record):
                wanted[record.agent].append(record)
        return [self._columns(wanted[agent]) for agent in agents]

    def held_out(self) -> HeldOut:
        """The lines held out; propensities of 1 / actions where a line does not say."""
        records = [record for record in self._good() if self._is_held_out(record)]
        columns = self._columns(records)
        uniform = 1 / self.actions
        return HeldOut(
            states=columns.states,
            logged=columns,
            propensities=np.array(
                [uniform if record.propensity is None else record.propensity for record in records], np.float64
            ),
        )

    def probes(self) -> NDArray[np.float32]:
        """At most 256 states of training lines, those whose hash is smallest."""
        return np.array(self._survey.probes, np.float32).reshape(-1, self.features)

    @cached_property
    def _survey(self) -> _Survey:
        bad: list[BadLine] = []
        reasons: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        probes: list[tuple[float, tuple[float, ...]]] = []
        features, largest, read_lines, episodic = 0, -1, 0, False
        low, high = np.inf, -np.inf
        first = total = squares = np.zeros(0)
        for path, line, found in self._lines():
            if isinstance(found, Record):
                features = features or len(found.state)
                found = self._fitting(found, features)
            if isinstance(found, str):
                if self.strict:
                    raise ExperienceLineError(file=path, line=line, reason=found)
                reasons[found] += 1
                if len(bad) < _SHOWN:
                    bad.append(BadLine(file=path, line=line, reason=found))
                continue
            read_lines += 1
            largest = max(largest, found.action)
            episodic = episodic or not found.done
            if self._is_held_out(found):
                continue
            low, high = min(low, found.reward), max(high, found.reward)
            state = np.array(found.state)
            if not counts:
                # Sums of differences from the first state, so that a large offset costs no digits.
                first, total, squares = state, np.zeros(features), np.zeros(features)
            counts[found.agent] += 1
            total, squares = total + (state - first), squares + (state - first) ** 2
            probes.append((found.digest, found.state))
            if len(probes) > 4 * _PROBES:
                probes = sorted(probes)[:_PROBES]
        lines = sum(counts.values())
        if not lines:
            raise ExperienceError(
                found=f"no experience to learn from ({read_lines} good lines, {sum(reasons.values())} bad ones)",
                needed="at least one that is not held out",
            )
        mean = total / lines
        deviation = np.sqrt(np.maximum(squares / lines - mean**2, 0))
        scale = np.where(deviation > _CONSTANT * np.maximum(np.abs(first), 1), deviation, 1.0)
        return _Survey(
            report=Report(
                read=read_lines,
                skipped=sum(reasons.values()),
                reasons=tuple(reasons.most_common()),
                bad=tuple(bad),
            ),
            counts=tuple(sorted(counts.items())),
            features=features,
            actions=self.number_of_actions or largest + 1,
            rewards=(float(low), float(high)),
            episodic=episodic,
            shift=tuple((first + mean).tolist()),
            scale=tuple(scale.tolist()),
            probes=tuple(state for _, state in sorted(probes)[:_PROBES]),
        )

    def _lines(self) -> Iterator[tuple[str, int, Record | str]]:
        for path in self.paths:
            for line, found in read(path):
                yield path, line, found

    def _good(self) -> Iterator[Record]:
        features = self._survey.features
        for _, _, found in self._lines():
            if isinstance(found, Record) and isinstance(self._fitting(found, features), Record):
                yield found

    def _fitting(self, record: Record, features: int) -> Record | str:
        if len(record.state) != features:
            return f"state has {len(record.state)} numbers, the first good line has {features}"
        if self.number_of_actions is not None and record.action >= self.number_of_actions:
            return f"action {record.action} is unknown: there are {self.number_of_actions}"
        return record

    def _is_held_out(self, record: Record) -> bool:
        return record.digest < self.held_out_share

    def _columns(self, records: Sequence[Record]) -> Experiences:
        return Experiences.of(
            [
                Experience(
                    state=record.state,
                    action=record.action,
                    reward=record.reward,
                    next_state=record.next_state,
                    done=record.done,
                )
                for record in records
            ],
            features=self.features,
            actions=self.actions,
        )
