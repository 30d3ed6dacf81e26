"""The agent's MAPE-K: when the model needs retraining, and what to do about a system that suffers.

An agent watches two things. Its own tasks: are they still done well, do they still look like those
that its release was learned from, are there many it has never met (`Watch`, one for all agents of a
host). And, where it manages a system, that system's `Reading`. `analyze` and `plan` are pure; the
learned policy chooses one of four adaptations, and ports that the user supplies carry it out.

Source: the federated learning specification, section 7 and appendix B.2. We depart from it in two
points: a turn makes one adaptation, for the gravest complaint, where it has one for each, because
several at once cannot be told apart by what comes of them; and the shift is a Jensen-Shannon
divergence, which stays finite when a level was never met before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from actors.mape import Action, Cycle, Knowledge, Loop, Symptom
from actors.watch import TaskFigures
from federation.errors import AdaptationError, PortError, SettingError
from telemetry import Telemetry, semconv

Policy = Callable[[NDArray[np.float32]], NDArray[np.intp]]
Said = Awaitable[str | None] | str | None

RETRAIN = "retrain"
LEADING = 3  # severity, frequency and impact lead every state


class Adaptation(IntEnum):
    """What can be done about a managed system; the numbers are the policy's actions."""

    INCREASE_RESOURCES = 0
    OPTIMIZE_WORKFLOW = 1
    SCALE_OUT = 2
    ROLL_BACK = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """When an agent asks to be retrained.

    Attributes:
        accuracy_floor: retrain when a smaller share of tasks succeeds.
        shift_ceiling: retrain when the tasks differ more from the release's, in nats (at most 0.69).
        pattern_ceiling: retrain when more kinds of states than this were met for the first time.
        patience: turns before a retraining that was granted, but brought no release, is asked for again.
        frequency_span: turns, the present one included, over which a complaint's frequency is taken.
    """

    accuracy_floor: float = 0.8
    shift_ceiling: float = 0.1
    pattern_ceiling: int = 100
    patience: int = 16
    frequency_span: int = 8

    def __post_init__(self) -> None:
        if not 0.0 <= self.accuracy_floor <= 1.0:
            raise SettingError(name="accuracy_floor", found=self.accuracy_floor, needed="between 0 and 1")
        if not self.shift_ceiling >= 0.0:
            raise SettingError(name="shift_ceiling", found=self.shift_ceiling, needed="0 or more")
        if self.pattern_ceiling < 0:
            raise SettingError(name="pattern_ceiling", found=self.pattern_ceiling, needed="0 or more")
        if self.patience < 1:
            raise SettingError(name="patience", found=self.patience, needed="1 or more")
        # A loop's knowledge goes back 64 turns.
        if not 1 <= self.frequency_span <= 64:
            raise SettingError(name="frequency_span", found=self.frequency_span, needed="between 1 and 64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One thing that is wrong with a managed system.

    Attributes:
        name: stable word, e.g. ``"failing"``.
        severity: 0 to 1.
        impact: share of requests, users or tasks that suffer, 0 to 1.
        detail: the numbers behind it.
    """

    name: str
    severity: float
    impact: float
    detail: str = ""

    def __post_init__(self) -> None:
        for name in ("severity", "impact"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingError(name=name, found=getattr(self, name), needed="between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What can be seen of a managed system in one turn.

    Attributes:
        features: further figures for the policy, in the order that it was learned with.
        complaints: what is wrong; none when all is well.
        reward: what the system was worth since the last reading, less what was spent on it.
        done: True when an episode ends here.
    """

    features: tuple[float, ...]
    complaints: tuple[Complaint, ...] = ()
    reward: float = 0.0
    done: bool = False

    @property
    def gravest(self) -> Complaint | None:
        """The complaint with the highest severity, the first of equals; None when all is well."""
        return max(self.complaints, key=lambda complaint: complaint.severity, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What an agent's loop monitors in one turn.

    Attributes:
        agent: its id.
        release: version of the release it acts by; 0 before the first.
        figures: how its tasks go; None when it does not watch tasks.
        reading: its managed system; None when it has none.
    """

    agent: str
    release: int
    figures: TaskFigures | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One experience, as the gradients workload learns from: the fields of the specification."""

    state: NDArray[np.float32]
    action: int
    reward: float
    next_state: NDArray[np.float32]
    done: bool


class AdaptationPort(Protocol):
    """Carries adaptations out. The user's code; it may raise, refuse with a `SwarmError`, or take its time."""

    def adapt(self, adaptation: Adaptation, *, symptom: str) -> Said:
        """Carry it out; may return a sentence on what was done."""
        ...


class RetrainingPort(Protocol):
    """Asks for a federated round, as a host asks its coordinator."""

    def retrain(self, *, agent: str, reason: str) -> Said: ...


def reasons_to_retrain(settings: AgentSettings, figures: TaskFigures) -> tuple[str, ...]:
    """Why an agent with these figures should be retrained; empty when it should not.

    A figure that is NaN, for want of tasks, is no reason.
    """
    reasons: list[str] = []
    if figures.accuracy < settings.accuracy_floor:
        reasons.append(f"accuracy {figures.accuracy:.3f} < {settings.accuracy_floor:g}")
    if figures.shift > settings.shift_ceiling:
        reasons.append(f"shift {figures.shift:.3f} > {settings.shift_ceiling:g} nats")
    if figures.new_patterns > settings.pattern_ceiling:
        reasons.append(f"{figures.new_patterns} new patterns > {settings.pattern_ceiling}")
    return tuple(reasons)


def frequency(settings: AgentSettings, knowledge: Knowledge[Observation], reading: Reading) -> float:
    """Share of the last ``frequency_span`` turns, this one included, in which the system complained."""
    span = settings.frequency_span
    past = [seen.reading for seen in knowledge.history][-(span - 1) :] if span > 1 else []
    complained = sum(bool(seen and seen.complaints) for seen in past) + bool(reading.complaints)
    return complained / span


def state_of(settings: AgentSettings, knowledge: Knowledge[Observation], reading: Reading) -> NDArray[np.float32]:
    """What the policy is asked with: severity, frequency, impact, then the features. ``(3 + k,) float32``."""
    gravest = reading.gravest
    severity, impact = (gravest.severity, gravest.impact) if gravest else (0.0, 0.0)
    return np.array([severity, frequency(settings, knowledge, reading), impact, *reading.features], np.float32)


def analyze(
    settings: AgentSettings, knowledge: Knowledge[Observation], observation: Observation
) -> tuple[Symptom, ...]:
    """Symptoms of the agent's own model, then of its managed system, gravest first. Pure."""
    found: list[Symptom] = []
    figures, reading = observation.figures, observation.reading
    reasons = reasons_to_retrain(settings, figures) if figures else ()
    if reasons:
        found.append(
            Symptom(name=RETRAIN, severity=len(reasons) / 3, detail="; ".join(reasons), subjects=(observation.agent,))
        )
    if reading:
        share = frequency(settings, knowledge, reading)
        for complaint in sorted(reading.complaints, key=lambda complaint: -complaint.severity):
            detail = f"severity {complaint.severity:.2f}, frequency {share:.2f}, impact {complaint.impact:.2f}"
            detail = f"{detail}; {complaint.detail}" if complaint.detail else detail
            found.append(
                Symptom(name=complaint.name, severity=complaint.severity, detail=detail, subjects=(observation.agent,))
            )
    return tuple(found)


def plan(
    settings: AgentSettings,
    policy: Policy | None,
    knowledge: Knowledge[Observation],
    observation: Observation,
    symptoms: Sequence[Symptom],
) -> tuple[Action, ...]:
    """Actions for symptoms: a retraining, unless one is under way, and one adaptation. Pure if the policy is.

    Without a policy, before the first release, the system is left alone.

    Raises:
        AdaptationError: when the policy chooses something that is not an `Adaptation`.
    """
    planned: list[Action] = []
    for symptom in symptoms:
        if symptom.name == RETRAIN and not _retraining(settings, knowledge, observation):
            parameters = {"agent": observation.agent, "reason": symptom.detail}
            planned.append(Action(name=RETRAIN, symptom=RETRAIN, parameters=parameters))
    reading = observation.reading
    gravest = reading.gravest if reading else None
    if reading and gravest and policy:
        state = state_of(settings, knowledge, reading)
        chosen = int(policy(state[None, :])[0])
        if not 0 <= chosen < len(Adaptation):
            raise AdaptationError(chosen=chosen, known=len(Adaptation))
        planned.append(
            Action(
                name=Adaptation(chosen).word,
                symptom=gravest.name,
                parameters={"adaptation": Adaptation(chosen), "state": state},
            )
        )
    return tuple(planned)


def _retraining(settings: AgentSettings, knowledge: Knowledge[Observation], observation: Observation) -> bool:
    """True while a retraining of the present release was granted and may still be under way."""
    facts = knowledge.facts
    waited = knowledge.cycles - facts.get("retraining_asked_at", -np.inf)
    return facts.get("retraining_of") == observation.release and waited < settings.patience


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTurn:
    """One turn of an agent's loop, and the experience that this turn completed, if any."""

    cycle: Cycle
    lived: Lived | None


class AgentLoop:
    """One agent's MAPE-K loop. Cheap enough to have one for each agent of a host.

    Args:
        agent: its id.
        telemetry: of the actor that the agent lives in.
        settings: thresholds.
        adaptations: carries adaptations out; without it they are refused.
        retraining: asks for a round; without it that is refused.
    """

    def __init__(
        self,
        agent: str,
        *,
        telemetry: Telemetry,
        settings: AgentSettings | None = None,
        adaptations: AdaptationPort | None = None,
        retraining: RetrainingPort | None = None,
    ) -> None:
        self.agent = agent
        self.release = 0
        self.settings = settings or AgentSettings()
        self._adaptations = adaptations
        self._retraining = retraining
        self._policy: Policy | None = None
        self._observation = Observation(agent=agent, release=0)
        self._acted: tuple[NDArray[np.float32], int] | None = None
        self._loop: Loop[Observation] = Loop(
            kind=semconv.ActorKind.AGENT, analyze=partial(analyze, self.settings), plan=self._plan, telemetry=telemetry
        )

    @property
    def knowledge(self) -> Knowledge[Observation]:
        return self._loop.knowledge

    def adopt(self, release: int, policy: Policy) -> None:
        """Act by this release from the next turn on. Reset the agent's `Watch` row with it."""
        self.release = release
        self._policy = policy

    async def turn(
        self, *, figures: TaskFigures | None = None, reading: Reading | None = None, parent: str | None = None
    ) -> AgentTurn:
        """Monitor, analyze, plan and execute once.

        An experience is complete when the reading after an adaptation is in: its reward is that
        reading's, its next state what the policy would be asked with now.

        Raises:
            AdaptationError: when the policy chooses something that is not an `Adaptation`.
        """
        self._observation = Observation(agent=self.agent, release=self.release, figures=figures, reading=reading)
        lived = self._complete(reading)
        cycle = await self._loop.turn(self._observation, self._execute, parent=parent)
        for outcome in cycle.outcomes:
            if outcome.result != semconv.Outcome.SUCCESS:
                continue
            if outcome.action.name == RETRAIN:
                facts = self.knowledge.facts
                facts["retraining_of"] = self.release
                facts["retraining_asked_at"] = self.knowledge.cycles - 1  # the turn that just ended
            else:
                parameters = outcome.action.parameters
                self._acted = (parameters["state"], int(parameters["adaptation"]))
        return AgentTurn(cycle=cycle, lived=lived)

    def _complete(self, reading: Reading | None) -> Lived | None:
        if self._acted is None or reading is None:
            return None
        state, action = self._acted
        self._acted = None
        after = state_of(self.settings, self.knowledge, reading)
        return Lived(state=state, action=action, reward=reading.reward, next_state=after, done=reading.done)

    def _plan(self, knowledge: Knowledge[Observation], symptoms: Sequence[Symptom]) -> tuple[Action, ...]:
        # Loop analyzes and plans without an await in between, so this is the observation of this turn.
        return plan(self.settings, self._policy, knowledge, self._observation, symptoms)

    def _execute(self, action: Action) -> Said:
        parameters: dict[str, Any] = dict(action.parameters)
        if action.name == RETRAIN:
            if self._retraining is None:
                raise PortError(action=action.name, port="RetrainingPort")
            return self._retraining.retrain(agent=parameters["agent"], reason=parameters["reason"])
        if self._adaptations is None:
            raise PortError(action=action.name, port="AdaptationPort")
        return self._adaptations.adapt(parameters["adaptation"], symptom=action.symptom)
