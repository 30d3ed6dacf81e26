"""What an installation lived through, as far as patterns are concerned."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workloads.patterns.errors import PatternError
from workloads.patterns.key_space import Domain, KeySpace, PatternType, key_of

_LONGEST_CATEGORY = 64
LARGEST_COUNT = 1_000_000
LARGEST_TEAM = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternExperience:
    """One entry of a group: a session's use of a tool, an error, a finished task, or a team's work.

    Attributes:
        type, category: of the group.
        success: share that went well, 0 to 1.
        errors: share that failed, 0 to 1.
        duration_s: mean seconds of one call, task or recovery; None where it was not measured.
        resources: what it cost: calls, files or members; None where it was not measured.
        count: how many calls the entry stands for.
        team_size: members, for teams; 0 elsewhere.
        domain: of the work.
    """

    type: PatternType
    category: str
    success: float
    errors: float = 0.0
    duration_s: float | None = None
    resources: float | None = None
    count: int = 1
    team_size: int = 0
    domain: Domain = Domain.GENERAL

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "type", PatternType(self.type))
            object.__setattr__(self, "domain", Domain(self.domain))
        except ValueError as error:
            needed = f"a type among {', '.join(PatternType)} and a domain among {', '.join(Domain)}"
            raise PatternError(what="An experience", found="another word", needed=needed) from error
        if not isinstance(self.category, str) or not 1 <= len(self.category) <= _LONGEST_CATEGORY:
            needed = f"a word of 1 to {_LONGEST_CATEGORY} letters"
            raise PatternError(what="An experience's category", found=type(self.category).__name__, needed=needed)
        for name in ("success", "errors"):
            if not _number(getattr(self, name)) or not 0 <= getattr(self, name) <= 1:
                raise PatternError(what=f"An experience's {name}", found="no such number", needed="0 to 1")
        for name in ("duration_s", "resources"):
            value = getattr(self, name)
            if value is not None and not (_number(value) and value >= 0):
                raise PatternError(what=f"An experience's {name}", found="no such number", needed="finite, >= 0")
        for name, low, high in (("count", 1, LARGEST_COUNT), ("team_size", 0, LARGEST_TEAM)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise PatternError(what=f"An experience's {name}", found="no such number", needed=f"{low} to {high}")

    @property
    def key(self) -> str:
        """``type::category``: the group it belongs to."""
        return key_of(self.type, self.category)

    def within(self, space: KeySpace) -> PatternExperience:
        """This experience, its category replaced by ``other`` where the key space does not name it."""
        category = space.known(self.type, self.category)
        if category == self.category:
            return self
        return PatternExperience(**{**_plain(self), "category": category})

    def to_json(self) -> bytes:
        """One line of JSON that `experience_of` reads."""
        return json.dumps(_plain(self), sort_keys=True, separators=(",", ":")).encode()


def _plain(experience: PatternExperience) -> dict[str, Any]:
    return asdict(experience)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def experience_of(found: object) -> PatternExperience:
    """The experience that a mapping describes, by the fields of `PatternExperience` or those of a session's log.

    A session's log has ``type``, ``category`` and ``data``: for a tool ``calls``, ``successes`` and ``totalMs`` (or
    ``avgMs``); for an error ``recoverable``; for a finished task ``duration`` in ms, ``filesModified`` and
    ``testsPass``; for a team ``size``, ``successRate``, ``duration`` in ms and ``domain``. Anything else in
    it (messages, paths, names, ids) is not even read.

    Raises:
        PatternError: for anything else. The message repeats nothing of what it found but types.
    """
    if isinstance(found, PatternExperience):
        return found
    if not isinstance(found, Mapping):
        raise PatternError(what="An experience", found=type(found).__name__, needed="a mapping")
    try:
        if "data" in found:
            return _logged(found)
        return PatternExperience(**found)
    except (TypeError, ValueError, KeyError, ZeroDivisionError, OverflowError) as error:
        needed = "type, category and success, or type, category and data of a session's log"
        raise PatternError(
            what="An experience", found=f"fields that do not fit ({type(error).__name__})", needed=needed
        ) from None


def _logged(found: Mapping[str, Any]) -> PatternExperience:
    kind, category, data = PatternType(found["type"]), found["category"], found["data"]
    if not isinstance(data, Mapping):
        raise TypeError
    domain = data.get("domain", Domain.GENERAL)
    domain = domain if domain in set(Domain) else Domain.GENERAL
    if kind is PatternType.TOOL:
        calls, successes = int(data["calls"]), float(data["successes"])
        mean = data.get("avgMs", float(data["totalMs"]) / calls if "totalMs" in data else None)
        return PatternExperience(
            type=kind, category=category, count=calls, success=successes / calls, errors=1 - successes / calls,
            duration_s=_seconds(mean), resources=float(calls), domain=domain,
        )  # fmt: skip
    if kind is PatternType.ERROR:
        recovered = 1.0 if data["recoverable"] is True else 0.0
        return PatternExperience(
            type=kind, category=category, success=recovered, errors=1 - recovered,
            duration_s=_seconds(data.get("duration")), domain=domain,
        )  # fmt: skip
    if kind is PatternType.SUCCESS:
        passed = 0.0 if data.get("testsPass") is False else 1.0
        files = data.get("filesModified")
        return PatternExperience(
            type=kind, category=category, success=passed, errors=1 - passed,
            duration_s=_seconds(data.get("duration")),
            resources=None if files is None else float(len(files) if isinstance(files, Sequence) else files),
            domain=domain,
        )  # fmt: skip
    rate, size = float(data["successRate"]), int(data["size"])
    return PatternExperience(
        type=kind, category=category, success=rate, errors=1 - rate, duration_s=_seconds(data.get("duration")),
        resources=float(size), team_size=size, domain=domain,
    )  # fmt: skip


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000


def experiences_of(found: Iterable[object], space: KeySpace) -> tuple[PatternExperience, ...]:
    """The experiences that the items describe, their categories within the key space."""
    return tuple(experience_of(item).within(space) for item in found)
