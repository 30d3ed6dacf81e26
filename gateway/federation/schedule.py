"""What the clerk does next: a function of what is written down, what is seen, and the time.

A window takes submissions until it closes. Then it is sealed, the next one opens, and the round of the sealed one
goes its way: run, published, settled. Nothing here reads a clock, a store or a swarm. Every step can be carried
out again after a crash that came before its outcome was written down.

A rollout takes longer (2 + 6 + 12 hours) than the time between two rounds (6 hours). So a release waits until the
one before it has reached everybody, and of several that wait only the newest goes out: it holds the others' changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.federation.clerk_state import PARTICIPANTS, ClerkSettings, Recall, Sealed, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an operator asks for."""

    id: str
    what: str
    by: str
    at: float
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there is besides the state.

    Attributes:
        pending: submissions that wait; counted only when a window is due (`is_due`), else 0.
        published: number of the newest release that is published; -1 before the genesis is.
        rolled_out: whether the release that is being rolled out has reached everybody.
        waiting: version of the newest release that waits for its rollout.
        judge: whether it is time to look at error rates.
        tidy: whether it is time to clear away.
        listed: whether the lists of releases are up to date.
        requests: of operators, oldest first.
    """

    pending: int = 0
    published: int = 0
    rolled_out: bool = True
    waiting: str | None = None
    judge: bool = False
    tidy: bool = False
    listed: bool = True
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attend:
    """Do what an operator asks for."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Close the window and open the next one."""

    participants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Put off the end of the window: too few take part, or rounds are paused or not yet published."""

    code: str
    found: int
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRound:
    """Have the swarm run the round of the sealed window."""

    sealed: Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Write down and hand out every release that is not published yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """Write anew which releases there are, and which one is everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Mirror the clients' standings, erase what the round was made of, and be done with it."""

    sealed: Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Have the swarm bring an earlier value back."""

    recall: Recall


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Mark what was taken back, drop what was based on it, and give everybody what was restored."""

    recall: Recall


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Begin the rollout of a release."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Look at the error rates of the release that is being rolled out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """End a pause whose time has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """Drop what is stale, forget who has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing is to be done."""


Rounds = Seal | Extend | RunRound | Publish | List | Settle
Rollouts = Launch | Judge | Restore | Withdraw
Step = Rounds | Rollouts | Attend | Renew | Tidy | Wait


def is_due(state: State, now: float) -> bool:
    """Whether the open window has reached its end."""
    return now >= state.window.closes_at


def next_step(state: State, seen: Seen, *, now: float, settings: ClerkSettings) -> Step:
    """What is to be done next. One thing at a time: whoever was asked for is served before the schedule."""
    request = _attendable(state, seen)
    if request is not None:
        return Attend(request=request)
    if state.paused is not None and state.paused.until is not None and now >= state.paused.until:
        return Renew()
    if not seen.listed and state.unpublished is None:
        return List()
    under_way = _under_way(state, seen)
    if under_way is not None:
        return under_way
    if is_due(state, now):
        return _closing(state, seen, settings)
    if state.unpublished is None and state.recall is None and state.sealed is None:
        if seen.rolled_out and seen.waiting is not None:
            return Launch(version=seen.waiting)
        if not seen.rolled_out and seen.judge:
            return Judge()
    return Tidy() if seen.tidy else Wait()


def _attendable(state: State, seen: Seen) -> Request | None:
    """The oldest request that can be served now."""
    in_hand = {part.asked for part in (state.sealed, state.recall) if part is not None}
    busy = state.sealed is not None or state.recall is not None
    for request in seen.requests:
        if request.id not in in_hand and not (busy and request.what in ("round", "rollback")):
            return request
    return None


def _under_way(state: State, seen: Seen) -> Step | None:
    """The next step of a rollback, or of a sealed window's round; None when there is none, or it must wait."""
    if state.recall is not None:
        if state.recall.restored is None:
            return Restore(recall=state.recall)
        if seen.published < state.recall.restored:
            return Publish() if state.unpublished is None else None
        return Withdraw(recall=state.recall)
    if state.sealed is not None:
        if state.sealed.release is None:
            return RunRound(sealed=state.sealed)
        if seen.published < state.sealed.release:
            return Publish() if state.unpublished is None else None
        return Settle(sealed=state.sealed)
    return None


def _closing(state: State, seen: Seen, settings: ClerkSettings) -> Step:
    """What becomes of a window at its end."""
    needed = settings.min_participants
    if state.unpublished is not None:
        return Extend(code=state.unpublished.code, found=seen.pending, needed=needed)
    if state.paused is not None:
        return Extend(code=state.paused.code, found=seen.pending, needed=needed)
    if seen.pending < needed:
        return Extend(code=PARTICIPANTS, found=seen.pending, needed=needed)
    return Seal(participants=seen.pending)
