"""Who plays in a round, what it has come to so far, and how a release reaches the hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.messages import Aggregation, Measurement
from actors.privacy import Protected
from federation.errors import SwarmError
from federation.release import Release

Handle = Any
"""A Ray actor handle: ``handle.method.remote(...)`` is awaitable."""

APPLY_TIMEOUT_S = 10.0
"""A host that does not take a release in this time gets it with its next question."""

INLINE = 100_000
"""Bytes up to which Ray sends an argument along with the call."""


class Handles:
    """Actor handles by name, each looked up once: a handle stays good when Ray restarts the actor.

    Args:
        find: from a name to a handle.
    """

    def __init__(self, find: Callable[[str], Handle]) -> None:
        self._find = find
        self._known: dict[str, Handle] = {}

    def __call__(self, name: str) -> Handle:
        handle = self._known.get(name)
        if handle is None:
            handle = self._known[name] = self._find(name)
        return handle

    def forget(self, name: str) -> None:
        """Look it up anew next time: another actor may have its name by now."""
        self._known.pop(name, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays in the round.

    Attributes:
        hosts: name -> its agents of the roster.
        validators: names.
        find: from a name to a handle, afresh at each attempt.
        put: keeps a large value where all nodes can read it, and returns what to pass instead.
    """

    hosts: Mapping[str, tuple[str, ...]]
    validators: Sequence[str]
    aggregator: str
    find: Callable[[str], Handle]
    put: Callable[[Any], Any]


@dataclass(slots=True)
class Times:
    """Seconds of each phase; when the round started, by `time.perf_counter`, and when hosts were asked after that."""

    started: float = 0.0
    asked: float = 0.0
    learn: float = 0.0
    aggregate: float = 0.0
    validate: float = 0.0
    release: float = 0.0
    apply: float = 0.0


@dataclass(slots=True)
class Score:
    """What the round has come to so far; complete when `Conductor.run` returns."""

    aggregation: Aggregation | None = None
    measurements: list[Measurement] = field(default_factory=list[Measurement])
    release: Release | None = None
    artefact: bytes = b""
    applied: int = 0
    agents_applied: int = 0
    refusals: dict[str, int] = field(default_factory=dict[str, int])
    times: Times = field(default_factory=Times)
    error: SwarmError | None = None
    protected: Protected | None = None


async def spread_release(
    cast: Cast, release: Release, artefact: bytes, public: bytes, *, traceparent: str = ""
) -> tuple[str, ...]:
    """Give a release to every host. Returns those that have it; the others get it with their next question."""
    sent = cast.put(artefact) if len(artefact) > INLINE else artefact

    async def give(host: str) -> bool:
        try:
            async with asyncio.timeout(APPLY_TIMEOUT_S):
                await cast.find(host).apply.remote(release, sent, public, traceparent)
        except Exception:  # noqa: BLE001 - a host may fail in any way, and the release is in force without it
            return False
        return True

    given = await asyncio.gather(*(give(host) for host in cast.hosts))
    return tuple(host for host, has in zip(cast.hosts, given, strict=True) if has)
