"""What the clerk of a federation writes down between two steps, and how it changes: values, and functions of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from federation.errors import ReviewError, SettingError
from federation.rollout import STAGES, Stage

TOO_SLOW = "federation.too_slow"
"""Code of a round that was ended because it took too long."""

PARTICIPANTS = "federation.participants"
MASS_ANOMALY = ReviewError.code
BUDGET = "privacy.budget"
OPERATOR = "operator"
UNPUBLISHED = "federation.publishing"

AGAIN = frozenset({"federation.absent_doors", "round.aborted", "storage.unavailable"})
"""Codes of rounds that may go well a moment later: doors or actors could not be reached."""

SHORT = frozenset({PARTICIPANTS, "rule.bound", "round.quorum"})
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

    def told(self) -> dict[str, dict[str, Any] | None]:
        """Name -> fact that the doors are told; None where there is nothing to tell."""
        return {
            "window": {
                "number": self.window.number,
                "opened_at": self.window.opened_at,
                "closes_at": self.window.closes_at,
            },
            "paused": None if self.paused is None else asdict(self.paused),
            "publishing": None if self.unpublished is None else asdict(self.unpublished),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> State:
        """The state that `to_dict` wrote.

        Raises:
            SettingError: for anything else.
        """
        kinds: dict[str, Any] = {"sealed": Sealed, "recall": Recall, "paused": Pause, "unpublished": Pause}
        try:
            parts = {name: None if data[name] is None else kind(**data[name]) for name, kind in kinds.items()}
            return cls(window=Window(**data["window"]), **parts)
        except (KeyError, TypeError) as error:
            raise SettingError(name="the clerk's state", found=repr(error), needed="what to_dict wrote") from error


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
    half of the submissions, and one that could not reach its actors with all. Mass anomaly and a spent budget pause
    the rounds.
    """
    at = state.sealed
    if at is None:
        return state
    if code == TOO_SLOW and at.attempt == 1:
        smaller = max(at.participants // 2, settings.min_participants)
        return replace(state, sealed=replace(at, attempt=2, limit=smaller))
    if code in AGAIN and at.attempt == 1:
        return replace(state, sealed=replace(at, attempt=2))
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
