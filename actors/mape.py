"""The MAPE-K loop that every kind of actor runs (Kephart & Chess 2003, "The Vision of Autonomic Computing").

Monitor hands in one observation, a frozen record of what happened. Analyze turns it, with what is
known, into symptoms; Plan turns symptoms into actions; both are pure functions, given by the actor
kind. Execute carries an action out through a port and says what came of it. Knowledge keeps the
last observations, and how often each symptom, action and outcome was seen.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from federation.errors import SwarmError
from telemetry import Telemetry, semconv

O = TypeVar("O")  # noqa: E741 - the observation of one actor kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """Something that Analyze holds to be wrong, or worth acting on.

    Attributes:
        name: stable word, e.g. ``"mass_anomaly"``.
        severity: 0 (note) to 1 (act at once).
        detail: the numbers behind it, in one sentence.
        subjects: agents, hosts or validators concerned.
    """

    name: str
    severity: float
    detail: str
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that Plan wants done.

    Attributes:
        name: stable word, e.g. ``"extend_window"``.
        parameters: what it needs to be carried out.
        symptom: the name of the symptom it answers.
    """

    name: str
    symptom: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an action.

    Attributes:
        action: what was to be done.
        result: ``"success"``, ``"refused"`` (a bound forbade it) or ``"failure"`` (it raised something else).
        detail: what the port said.
    """

    action: Action
    result: str
    detail: str = ""


@dataclass(slots=True)
class Knowledge(Generic[O]):
    """What a loop remembers, bounded: observations, counts, and the last cycle that found something."""

    span: int = 64
    history: deque[O] = field(init=False)
    symptoms: Counter[str] = field(default_factory=Counter[str])
    actions: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    facts: dict[str, float] = field(default_factory=dict[str, float])
    cycles: int = 0
    last: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        self.history = deque(maxlen=self.span)

    def keep(self, observation: O, symptoms: Sequence[Symptom], outcomes: Sequence[Outcome]) -> None:
        """Take in one finished cycle."""
        self.history.append(observation)
        self.symptoms.update(symptom.name for symptom in symptoms)
        self.actions.update(outcome.action.name for outcome in outcomes)
        self.outcomes.update(f"{outcome.action.name}:{outcome.result}" for outcome in outcomes)
        self.cycles += 1
        if symptoms or outcomes:
            self.last = {
                "cycle": self.cycles,
                "symptoms": [{"name": found.name, "detail": found.detail} for found in symptoms],
                "outcomes": [
                    {"action": done.action.name, "result": str(done.result), "detail": done.detail} for done in outcomes
                ],
            }

    def summary(self) -> dict[str, Any]:
        """The counts as plain data."""
        return {
            "cycles": self.cycles,
            "symptoms": dict(self.symptoms),
            "actions": dict(self.actions),
            "outcomes": dict(self.outcomes),
            "facts": dict(self.facts),
            "last": self.last,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One turn of a loop: what was found and what came of it."""

    symptoms: tuple[Symptom, ...]
    outcomes: tuple[Outcome, ...]


Analyze = Callable[[Knowledge[O], O], Sequence[Symptom]]
Plan = Callable[[Knowledge[O], Sequence[Symptom]], Sequence[Action]]
Execute = Callable[[Action], Awaitable[str | None] | str | None]


class Loop(Generic[O]):
    """Monitor, Analyze, Plan, Execute over one Knowledge, each phase a span.

    Args:
        kind: the actor kind, as the registry spells it.
        analyze: pure; symptoms from knowledge and the newest observation.
        plan: pure; actions from knowledge and symptoms.
        telemetry: where spans, counters and events go.
    """

    def __init__(self, *, kind: str, analyze: Analyze[O], plan: Plan[O], telemetry: Telemetry) -> None:
        self.kind = kind
        self.knowledge: Knowledge[O] = Knowledge()
        self._analyze = analyze
        self._plan = plan
        self._telemetry = telemetry
        self._labels = {semconv.ATTR_ACTOR_KIND: kind}

    async def turn(self, observation: O, execute: Execute, *, parent: str | None = None) -> Cycle:
        """One cycle. An action that raises is an outcome and an event, and does not stop the others."""
        telemetry, labels = self._telemetry, self._labels
        with telemetry.span(semconv.SPAN_MONITOR, parent=parent, attributes=labels) as span:
            span.set(semconv.ATTR_OBSERVATIONS_COUNT, len(self.knowledge.history) + 1)
            knowledge = self.knowledge
        with telemetry.span(semconv.SPAN_ANALYZE, parent=parent, attributes=labels) as span:
            symptoms = tuple(self._analyze(knowledge, observation))
            span.set(semconv.ATTR_SYMPTOMS_COUNT, len(symptoms))
        with telemetry.span(semconv.SPAN_PLAN, parent=parent, attributes=labels) as span:
            actions = tuple(self._plan(knowledge, symptoms)) if symptoms else ()
            span.set(semconv.ATTR_ACTIONS_COUNT, len(actions))
        with telemetry.span(semconv.SPAN_EXECUTE, parent=parent, attributes=labels) as span:
            span.set(semconv.ATTR_ACTIONS_COUNT, len(actions))
            outcomes = tuple([await self._carry_out(action, execute) for action in actions])
        knowledge.keep(observation, symptoms, outcomes)
        for symptom in symptoms:
            telemetry.count(semconv.METRIC_SYMPTOMS, 1, {**labels, semconv.ATTR_SYMPTOM: symptom.name})
            telemetry.event(
                semconv.EVENT_SYMPTOM_FOUND,
                {
                    **labels,
                    semconv.ATTR_SYMPTOM: symptom.name,
                    semconv.ATTR_SEVERITY: symptom.severity,
                    semconv.ATTR_DETAIL: symptom.detail,
                },
            )
        return Cycle(symptoms=symptoms, outcomes=outcomes)

    async def _carry_out(self, action: Action, execute: Execute) -> Outcome:
        try:
            said = execute(action)
            detail = said if said is None or isinstance(said, str) else await said
            outcome = Outcome(action=action, result=semconv.Outcome.SUCCESS, detail=detail or "")
        except SwarmError as error:
            outcome = Outcome(action=action, result=semconv.Outcome.REFUSED, detail=str(error))
        except Exception as error:  # noqa: BLE001 - a port is the user's code; what it raises becomes an event
            outcome = Outcome(action=action, result=semconv.Outcome.FAILURE, detail=f"{type(error).__name__}: {error}")
        labels = {**self._labels, semconv.ATTR_ACTION: action.name, semconv.ATTR_OUTCOME: outcome.result}
        self._telemetry.count(semconv.METRIC_ACTIONS, 1, labels)
        self._telemetry.event(semconv.EVENT_ACTION_EXECUTED, {**labels, semconv.ATTR_DETAIL: outcome.detail})
        return outcome
