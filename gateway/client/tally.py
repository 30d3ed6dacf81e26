"""How often tools failed under each version: what a rollout is judged by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MOST_DAYS = 14
_MOST_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Calls of one day under one version.

    Attributes:
        version: of the release in force.
        day: ISO date.
        calls, errors: so far.
        told: calls that the server has been told of.
    """

    version: str
    day: str
    calls: int
    errors: int
    told: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The counts, oldest first. A value."""

    counts: tuple[Count, ...] = field(default=())

    def added(self, version: str, day: str, *, calls: int, errors: int) -> Tally:
        """With further calls."""
        if calls <= 0:
            return self
        found = {(one.day, one.version): one for one in self.counts}
        old = found.get((day, version), Count(version=version, day=day, calls=0, errors=0))
        found[day, version] = replace(old, calls=old.calls + calls, errors=old.errors + min(max(errors, 0), calls))
        kept = [found[key] for key in sorted(found)]
        days = sorted({one.day for one in kept})[-MOST_DAYS:]
        return Tally(counts=tuple(one for one in kept if one.day in days)[-_MOST_ROWS:])

    def untold(self, known: Iterable[str] = ()) -> tuple[Count, ...]:
        """What the server has not been told yet; of these versions only, where any are given."""
        versions = set(known)
        return tuple(one for one in self.counts if one.told < one.calls and (not versions or one.version in versions))

    def with_told(self, told: Iterable[Count]) -> Tally:
        """Once the server was told these counts; calls that came since are still to be told."""
        heard = {(one.day, one.version): one.calls for one in told}
        return Tally(
            counts=tuple(replace(one, told=max(one.told, heard.get((one.day, one.version), 0))) for one in self.counts)
        )

    def rates(self) -> Mapping[str, tuple[int, int]]:
        """version -> (calls, errors), in the order in which the versions came into force."""
        found: dict[str, tuple[int, int]] = {}
        for one in self.counts:
            calls, errors = found.get(one.version, (0, 0))
            found[one.version] = (calls + one.calls, errors + one.errors)
        return found

    def plain(self) -> list[list[Any]]:
        """As JSON has it."""
        return [[one.version, one.day, one.calls, one.errors, one.told] for one in self.counts]

    @classmethod
    def of(cls, found: Any) -> Tally:
        """What `plain` gave.

        Raises:
            ValueError, TypeError: for anything else.
        """
        rows = [
            Count(version=str(version), day=str(day), calls=int(calls), errors=int(errors), told=int(told))
            for version, day, calls, errors, told in found
        ]
        return cls(counts=tuple(rows))
