"""What the clerk says about itself: spans of its steps, gauges of what it sees, events of what it decides."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from actors.storage import ClientState, ReleaseRecord
from federation.errors import SwarmError
from federation.rollout import Decision, Rollout
from gateway.federation.clerk_state import BUDGET, MASS_ANOMALY, OPERATOR, UNPUBLISHED, ClerkSettings, Pause, State
from gateway.federation.schedule import (
    Extend,
    Judge,
    Launch,
    List,
    Publish,
    Restore,
    RunRound,
    Seal,
    Settle,
    Step,
    Tidy,
    Withdraw,
)
from telemetry import Severity, Telemetry, TelemetryConfig, semconv
from telemetry.semconv import (
    ActorKind,
    ClerkStep,
    ClientTransition,
    Outcome,
    ReleaseRole,
    RolloutDecision,
    RolloutStage,
)
from telemetry.semconv import WindowEnding as Ending
from telemetry.span import Attributes, AttributeValue

_WORDS: Mapping[type[Step], ClerkStep] = {
    Seal: ClerkStep.COUNT,
    Extend: ClerkStep.COUNT,
    RunRound: ClerkStep.ROUND,
    Publish: ClerkStep.PUBLISH,
    List: ClerkStep.PUBLISH,
    Launch: ClerkStep.ROLLOUT,
    Judge: ClerkStep.ROLLOUT,
    Restore: ClerkStep.ROLLOUT,
    Withdraw: ClerkStep.ROLLOUT,
    Settle: ClerkStep.STANDINGS,
    Tidy: ClerkStep.ERASE,
}
_TRANSITIONS = (ClientTransition.QUARANTINED, ClientTransition.REINSTATED, ClientTransition.PURGED)


@dataclass(slots=True)
class Told:
    """How a step went, filled in while it is done.

    Attributes:
        code: of what went wrong; empty when nothing did.
        message: of the same.
    """

    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What is counted now and then.

    Attributes:
        clients: state -> how many.
        participants: region -> clients with a submission that waits.
        published_at: when the newest release was made; None before the first.
    """

    clients: Mapping[ClientState, int] = field(default_factory=dict[ClientState, int])
    participants: Mapping[str, int] = field(default_factory=dict[str, int])
    published_at: float | None = None


class ClerkTelling:
    """Tells.

    Args:
        telemetry: of this process; None to be silent.
    """

    def __init__(self, telemetry: Telemetry | None) -> None:
        silent = Telemetry.start(TelemetryConfig(), actor_kind=ActorKind.CLERK, instance="federation-clerk")
        self._telemetry = telemetry or silent
        self._rollout: Rollout | None = None
        self._last: tuple[str, str, RolloutDecision] | None = None
        self._rates: dict[ReleaseRole, tuple[float, int]] = {}
        self._reasons = {BUDGET, MASS_ANOMALY, OPERATOR, UNPUBLISHED}
        self._paused = frozenset[str]()
        self._begin()

    @property
    def enabled(self) -> bool:
        """Whether anybody listens."""
        return self._telemetry.enabled

    @contextmanager
    def step(self, step: Step, window: int) -> Iterator[Told]:
        """The span of a step; steps that only wait or answer have none."""
        word, told = _WORDS.get(type(step)), Told()
        if word is None:
            yield told
            return
        started, outcome = time.perf_counter(), Outcome.FAILURE
        known: dict[str, AttributeValue] = {semconv.ATTR_CLERK_STEP: word, semconv.ATTR_WINDOW: window}
        with self._telemetry.span(semconv.SPAN_CLERK_STEP, known) as span:
            try:
                yield told
                outcome = Outcome.FAILURE if told.code else Outcome.SUCCESS
            finally:
                span.set(semconv.ATTR_OUTCOME, outcome)
                if told.code:
                    span.fail(told.code, told.message)
                labels: dict[str, AttributeValue] = {semconv.ATTR_CLERK_STEP: word, semconv.ATTR_OUTCOME: outcome}
                self._telemetry.count(semconv.METRIC_CLERK_STEPS, 1, labels)
                self._telemetry.observe(semconv.METRIC_CLERK_STEP_DURATION, time.perf_counter() - started, labels)

    def opened(self, state: State, settings: ClerkSettings) -> None:
        """A window is open."""
        self._telemetry.event(
            semconv.EVENT_WINDOW_OPENED,
            {
                semconv.ATTR_WINDOW: state.window.number,
                semconv.ATTR_PARTICIPANTS_NEEDED: settings.min_participants,
                semconv.ATTR_DURATION: state.window.closes_at - state.window.opened_at,
            },
        )

    def extended(self, state: State, step: Extend, *, short: bool) -> None:
        """A window goes on: too few take part, or nothing is done with it for the time being."""
        ending = Ending.EXTENDED if short else Ending.PAUSED
        self._telemetry.count(semconv.METRIC_WINDOWS, 1, {semconv.ATTR_WINDOW_ENDING: ending})
        if short:
            counts = {semconv.ATTR_PARTICIPANTS_COUNT: step.found, semconv.ATTR_PARTICIPANTS_NEEDED: step.needed}
            self._telemetry.event(
                semconv.EVENT_WINDOW_EXTENDED,
                {semconv.ATTR_WINDOW: state.window.number, **counts},
                severity=Severity.WARN,
            )

    def closed(self, window: int, participants: int, ending: Ending, *, detail: str = "") -> None:
        """The round of a window is over."""
        self._telemetry.count(semconv.METRIC_WINDOWS, 1, {semconv.ATTR_WINDOW_ENDING: ending})
        known: dict[str, AttributeValue] = {
            semconv.ATTR_WINDOW: window,
            semconv.ATTR_WINDOW_ENDING: ending,
            semconv.ATTR_PARTICIPANTS_COUNT: participants,
        }
        if detail:
            known[semconv.ATTR_DETAIL] = detail
        severity = Severity.INFO if ending is Ending.RELEASED else Severity.WARN
        self._telemetry.event(semconv.EVENT_WINDOW_CLOSED, known, severity=severity)

    def state(self, before: State | None, after: State) -> None:
        """What changed between two states, as far as it is about pauses."""
        old, new = _pauses(before), _pauses(after)
        window = {semconv.ATTR_WINDOW: after.window.number}
        for code in sorted(new.keys() - old.keys()):
            self._telemetry.event(
                semconv.EVENT_FEDERATION_PAUSED,
                {semconv.ATTR_PAUSE_REASON: code, semconv.ATTR_DETAIL: new[code].detail, **window},
                severity=Severity.ERROR,
            )
        for code in sorted(old.keys() - new.keys()):
            self._telemetry.event(semconv.EVENT_FEDERATION_RESUMED, {semconv.ATTR_PAUSE_REASON: code, **window})
        self._paused = frozenset(new)
        self._reasons |= self._paused

    def published(self, record: ReleaseRecord) -> None:
        """A release can be had."""
        known: dict[str, AttributeValue] = {
            semconv.ATTR_RELEASE_SEMANTIC_VERSION: record.version,
            semconv.ATTR_RELEASE_VERSION: record.number,
            semconv.ATTR_WINDOW: record.window,
            semconv.ATTR_PARTICIPANTS_COUNT: record.participants,
            semconv.ATTR_RELEASE_DIGEST: str(record.facts.get("digest", "")),
            semconv.ATTR_MODEL_SIZE_BYTES: len(record.row),
            semconv.ATTR_PRIVACY_EPSILON: record.epsilon,
        }
        if record.parent is not None:
            known[semconv.ATTR_RELEASE_PARENT_SEMANTIC_VERSION] = record.parent
        self._telemetry.event(semconv.EVENT_VERSION_PUBLISHED, known)

    def decided(self, decision: RolloutDecision, rollout: Rollout, figures: Decision | None = None) -> None:
        """What was decided of a rollout. That it goes on as it is, or still waits for approval, is only counted."""
        self._telemetry.count(semconv.METRIC_ROLLOUT_DECISIONS, 1, {semconv.ATTR_ROLLOUT_DECISION: decision})
        again = (rollout.version, rollout.stage, decision) == self._last
        self._last = (rollout.version, rollout.stage, decision)
        if decision is RolloutDecision.WAIT or again:
            return
        known: dict[str, AttributeValue] = {
            semconv.ATTR_ROLLOUT_DECISION: decision,
            semconv.ATTR_ROLLOUT_STAGE: rollout.stage,
            semconv.ATTR_RELEASE_SEMANTIC_VERSION: rollout.version,
            semconv.ATTR_ROLLOUT_SHARE: rollout.share,
        }
        if figures is not None:
            known[semconv.ATTR_REPORTING_CLIENTS] = figures.clients_after
            rates = (
                (semconv.ATTR_ERROR_RATE_BEFORE, figures.rate_before),
                (semconv.ATTR_ERROR_RATE_AFTER, figures.rate_after),
            )
            known |= {name: rate for name, rate in rates if rate is not None}
        if rollout.parent is not None:
            known[semconv.ATTR_RELEASE_PARENT_SEMANTIC_VERSION] = rollout.parent
        bad = decision is RolloutDecision.ROLL_BACK
        self._telemetry.event(semconv.EVENT_ROLLOUT_DECIDED, known, severity=Severity.WARN if bad else Severity.INFO)

    def rates(self, decision: Decision | None) -> None:
        """Error rates of the current release and of the candidate, as far as they are known; None when none is."""
        self._rates = {}
        if decision is None:
            return
        if decision.rate_before is not None:
            self._rates[ReleaseRole.CURRENT] = (decision.rate_before, decision.clients_before)
        if decision.rate_after is not None:
            self._rates[ReleaseRole.CANDIDATE] = (decision.rate_after, decision.clients_after)

    def moved(self, transition: ClientTransition, clients: int) -> None:
        """So many clients stand otherwise."""
        self._telemetry.count(semconv.METRIC_CLIENT_TRANSITIONS, clients, {semconv.ATTR_CLIENT_TRANSITION: transition})

    def unavailable(self, error: SwarmError) -> None:
        """The storage is away."""
        part = {semconv.ATTR_STORAGE_PART: semconv.StoragePart.FACTS}
        self._telemetry.count(semconv.METRIC_STORAGE_FAILURES, 1, part)
        known = {**part, semconv.ATTR_ERROR_TYPE: error.code}
        self._telemetry.event(semconv.EVENT_STORAGE_FAILED, known, severity=Severity.ERROR)

    def unwritten(self, error: SwarmError) -> None:
        """A release could not be written."""
        part = {semconv.ATTR_STORAGE_PART: semconv.StoragePart.FILES}
        self._telemetry.count(semconv.METRIC_STORAGE_FAILURES, 1, part)
        known = {**part, semconv.ATTR_ERROR_TYPE: error.code}
        self._telemetry.event(semconv.EVENT_STORAGE_FAILED, known, severity=Severity.ERROR)

    def seen(self, state: State, rollout: Rollout, census: Census, *, now: float, settings: ClerkSettings) -> None:
        """Gauges of what there is."""
        gauge = self._telemetry.gauge
        for standing, count in census.clients.items():
            gauge(semconv.METRIC_CLIENTS, count, {semconv.ATTR_CLIENT_STATE: standing.value})
        for region, count in census.participants.items():
            gauge(semconv.METRIC_WINDOW_PARTICIPANTS, count, {semconv.ATTR_REGION: region})
        gauge(semconv.METRIC_WINDOW_PARTICIPANTS_NEEDED, settings.min_participants)
        gauge(semconv.METRIC_WINDOW_DURATION, settings.interval_s)
        gauge(semconv.METRIC_WINDOW_REMAINING_DURATION, max(state.window.closes_at - now, 0.0))
        if census.published_at is not None:
            gauge(semconv.METRIC_RELEASE_AGE_DURATION, max(now - census.published_at, 0.0))
        for code in self._reasons:
            gauge(semconv.METRIC_FEDERATION_PAUSED, float(code in self._paused), {semconv.ATTR_PAUSE_REASON: code})
        for stage in {*(one.value for one in RolloutStage), *(one.name for one in rollout.stages)}:
            gauge(semconv.METRIC_ROLLOUT_STATE, float(stage == rollout.stage), {semconv.ATTR_ROLLOUT_STAGE: stage})
        gauge(semconv.METRIC_ROLLOUT_SHARE, rollout.share)
        self._rollout = rollout

    def _begin(self) -> None:
        count = self._telemetry.count
        for word in ClerkStep:
            for outcome in (Outcome.SUCCESS, Outcome.FAILURE):
                labels = {semconv.ATTR_CLERK_STEP: word, semconv.ATTR_OUTCOME: outcome}
                count(semconv.METRIC_CLERK_STEPS, 0, labels)
        for ending in Ending:
            count(semconv.METRIC_WINDOWS, 0, {semconv.ATTR_WINDOW_ENDING: ending})
        for decision in RolloutDecision:
            count(semconv.METRIC_ROLLOUT_DECISIONS, 0, {semconv.ATTR_ROLLOUT_DECISION: decision})
        for transition in _TRANSITIONS:
            self.moved(transition, 0)
        for part in (semconv.StoragePart.FACTS, semconv.StoragePart.FILES):
            count(semconv.METRIC_STORAGE_FAILURES, 0, {semconv.ATTR_STORAGE_PART: part})
        self._telemetry.watch(semconv.METRIC_VERSION_SERVED, self._versions)
        self._telemetry.watch(semconv.METRIC_REPORTED_ERROR_RATE, lambda: self._reported(0))
        self._telemetry.watch(semconv.METRIC_REPORTING_CLIENTS, lambda: self._reported(1))

    def _versions(self) -> Iterable[tuple[float, Attributes]]:
        rollout = self._rollout
        if rollout is None:
            return []
        versions = {ReleaseRole.CURRENT: rollout.version if rollout.is_full else rollout.parent}
        if not rollout.is_full:
            versions[ReleaseRole.CANDIDATE] = rollout.version
        return [
            (1.0, {semconv.ATTR_RELEASE_ROLE: role, semconv.ATTR_RELEASE_SEMANTIC_VERSION: version})
            for role, version in versions.items()
            if version is not None
        ]

    def _reported(self, part: int) -> Iterable[tuple[float, Attributes]]:
        return [(figures[part], {semconv.ATTR_RELEASE_ROLE: role}) for role, figures in self._rates.items()]


def _pauses(state: State | None) -> dict[str, Pause]:
    found = () if state is None else (state.paused, state.unpublished)
    return {pause.code: pause for pause in found if pause is not None}
