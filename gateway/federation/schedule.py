"""What the clerk does next: a function of what is written down, what is seen, and the time.

A window takes submissions until it closes. Then it is sealed, the next one opens, and the round of the sealed one
goes its way: run, published, settled. Nothing here reads a clock, a store or a swarm. Every step can be carried
out again after a crash that came before its outcome was written down.

A rollout takes longer (2 + 6 + 12 hours) than the time between two rounds (6 hours). So a release waits until the
one before it has reached everybody, and of several that wait only the newest goes out: it holds the others' changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from federation.errors import SettingError
from federation.rollout import STAGES, Stage

TOO_SLOW = "federation.too_slow"
"""Code of a round that was ended because it took too long."""

PARTICIPANTS = "federation.participants"
MASS_ANOMALY = "round.mass_anomaly"
BUDGET = "privacy.budget"
OPERATOR = "operator"
UNPUBLISHED = "federation.publishing"

SHORT = frozenset({"rule.bound", "round.quorum", "round.participants"})
"""Codes of rounds that too few valid submissions came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClerkSettings:
    """The figures by which rounds are held (architecture of pattern weights, 4.1, 5.3 and 11.2).

    Attributes:
        interval_s: how long a window is open.
        min_participants: submissions that a round needs.
        staleness_s: age at which a submission is dropped.
        aggregation_s: how long a round may take before it is ended.
        write_again_s: pauses before a failed write of a release is tried again.
        tidy_s: between two clearings of what is stale or due to be forgotten.
        pulse_s: between two looks at what is there to do.
        stages: of a rollout.
        keep_answers: how many answers to operators are kept.
        keep_served: how many served versions are kept in mind, for telling stale submissions.
    """

    interval_s: float = 6 * 3600.0
    min_participants: int = 10
    staleness_s: float = 72 * 3600.0
    aggregation_s: float = 300.0
    write_again_s: tuple[float, ...] = (1.0, 5.0, 25.0)
    tidy_s: float = 600.0
    pulse_s: float = 1.0
    stages: tuple[Stage, ...] = STAGES
    keep_answers: int = 100
    keep_served: int = 32

    def __post_init__(self) -> None:
        for name in ("interval_s", "staleness_s", "aggregation_s", "tidy_s", "pulse_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(name=name, found=getattr(self, name), needed="seconds above 0")
        for name in ("min_participants", "keep_answers", "keep_served"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")

    @property
    def judge_s(self) -> float:
        """Between two looks at the error rates of a rollout: a tenth of its shortest stage, and at most a minute."""
        timed = [stage.lasts_s for stage in self.stages if 0 < stage.lasts_s < math.inf]
        return min([60.0, *(lasts / 10 for lasts in timed)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time in which submissions for the next round are taken.

    Attributes:
        number: 1 for the first; clients name it in what they submit.
        opened_at, closes_at: seconds since 1970.
        extended: how often its end was put off.
    """

    number: int
    opened_at: float
    closes_at: float
    extended: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A window that takes no more submissions, and how far its round has come.

    Attributes:
        window: its number.
        participants: submissions that were there when it was sealed.
        attempt: 1, and 2 for the one with the smaller batch.
        limit: submissions that the round takes at most; None for all.
        asked: id of the operator's request that sealed it before its time.
        release: number of the swarm's release, once there is one.
    """

    window: int
    participants: int
    attempt: int = 1
    limit: int | None = None
    asked: str = ""
    release: int | None = None

    @property
    def request(self) -> str:
        """The id under which the swarm runs this round once, however often it is asked."""
        return f"window-{self.window}-{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A release that is being taken back.

    Attributes:
        target: number of the release whose value comes back; all above it are withdrawn.
        newest: number of the newest release when it was decided; one above it that restores ``target`` is ours.
        bad: version that gave cause; empty when an operator asked.
        reason: for the audit log.
        window: number of the last window that was sealed.
        asked: id of an operator's request.
        restored: number of the release that brings the value back, once it is there.
    """

    target: int
    newest: int
    bad: str
    reason: str
    window: int
    asked: str = ""
    restored: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why something is not done for the time being.

    Attributes:
        code, detail: of the cause.
        since: seconds since 1970.
        until: when it ends by itself; None when an operator has to end it.
        review: whether somebody should look at what happened before going on.
    """

    code: str
    detail: str
    since: float
    until: float | None = None
    review: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the clerk writes down between two steps, all at once.

    Attributes:
        window: the one that is open.
        sealed: the one whose round is under way.
        recall: the rollback that is under way.
        paused: why no round is run.
        unpublished: why nothing is published.
    """

    window: Window
    sealed: Sealed | None = None
    recall: Recall | None = None
    paused: Pause | None = None
    unpublished: Pause | None = None

    def to_dict(self) -> dict[str, Any]:
        """The state as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> State:
        """The state that `to_dict` wrote.

        Raises:
            SettingError: for anything else.
        """
        kinds: dict[str, Any] = {
            "window": Window,
            "sealed": Sealed,
            "recall": Recall,
            "paused": Pause,
            "unpublished": Pause,
        }
        try:
            given = {name: None if data[name] is None else kinds[name](**data[name]) for name in data}
            return cls(**given)
        except (KeyError, TypeError) as error:
            raise SettingError(name="the clerk's state", found=repr(error), needed="what to_dict wrote") from error


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
        requests: of operators, oldest first.
    """

    pending: int = 0
    published: int = 0
    rolled_out: bool = True
    waiting: str | None = None
    judge: bool = False
    tidy: bool = False
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


Step = Attend | Seal | Extend | RunRound | Publish | Settle | Restore | Withdraw | Launch | Judge | Renew | Tidy | Wait


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


def opened(now: float, *, settings: ClerkSettings) -> State:
    """The state in which a federation begins."""
    return State(window=Window(number=1, opened_at=now, closes_at=now + settings.interval_s))


def extended(state: State, now: float, *, settings: ClerkSettings) -> State:
    """The state after the window's end was put off by one interval."""
    window = state.window
    return replace(state, window=replace(window, closes_at=now + settings.interval_s, extended=window.extended + 1))


def sealed(state: State, now: float, *, participants: int, settings: ClerkSettings, asked: str = "") -> State:
    """The state after the window was sealed; the next one is open."""
    number = state.window.number
    return replace(
        state,
        window=Window(number=number + 1, opened_at=now, closes_at=now + settings.interval_s),
        sealed=Sealed(window=number, participants=participants, asked=asked),
    )


def failed(
    state: State,
    now: float,
    *,
    code: str,
    detail: str,
    settings: ClerkSettings,
    renews_at: float | None = None,
) -> State:
    """The state after a round that made no release.

    What was submitted waits for the next round, except that a round which took too long is tried once more with
    half of the submissions. Mass anomaly and a spent budget pause the rounds.
    """
    at = state.sealed
    if at is None:
        return state
    if code == TOO_SLOW and at.attempt == 1:
        smaller = max(at.participants // 2, settings.min_participants)
        return replace(state, sealed=replace(at, attempt=2, limit=smaller))
    if code == MASS_ANOMALY:
        pause = Pause(code=code, detail=detail, since=now, review=True)
    elif code == BUDGET:
        pause = Pause(code=code, detail=detail, since=now, until=renews_at)
    else:
        pause = state.paused
    return replace(state, sealed=None, paused=pause)


def released(state: State, number: int) -> State:
    """The state after the swarm made a release for the sealed window."""
    return state if state.sealed is None else replace(state, sealed=replace(state.sealed, release=number))


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
