"""One running system that an agent's loop manages: what it reads, and the port it acts through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.agent import LEADING, Adaptation, Complaint, Reading
from examples.workflows.fleet import NO_ACTION, TURN, Fleet
from examples.workflows.profiles import Systems
from examples.workflows.signals import COMPLAINTS, Monitor, Signals
from examples.workflows.weather import Sky

HERE = np.zeros(1, np.intp)


class ManagedSystem:
    """A fleet of one, live. An `actors.agent.AdaptationPort`.

    Args:
        systems: one system or several; the first is run.
        rng: its weather and its luck.
    """

    def __init__(self, systems: Systems, rng: np.random.Generator) -> None:
        system = systems.pick(HERE)
        weather, service = rng.spawn(2)
        self.fleet = Fleet(system, service)
        self._sky = Sky(system, weather)
        self._monitor = Monitor(system)
        self._next = NO_ACTION
        self.signals: Signals | None = None

    def adapt(self, adaptation: Adaptation, *, symptom: str) -> str:
        """Carry the adaptation out at the start of the next turn; a second one before that replaces it."""
        self._next = int(adaptation)
        return f"{adaptation.word} for {symptom}"

    def release(self, *, bad_error: float = 0.0, bad_slow: float = 0.0) -> None:
        """Put a release live now: a good one, or one that fails this share of requests or adds this share of work."""
        self.fleet.bad_error[:] = bad_error
        self.fleet.bad_slow[:] = bad_slow
        self.fleet.age[:] = 0.0

    def advance(self) -> Reading:
        """Live through one turn, and say what could be seen of it."""
        actions: NDArray[np.intp] = np.array([self._next], np.intp)
        self._next = NO_ACTION
        report = self.fleet.turn(self._sky.next(TURN), actions)
        self.signals = self._monitor.look(self.fleet, report)
        impact = float(self.signals.impact[0])
        complaints = tuple(
            Complaint(name=name, severity=float(severity), impact=impact)
            for name, severity in zip(COMPLAINTS, self.signals.severities[0], strict=True)
            if severity > 0.0
        )
        return Reading(
            features=tuple(float(value) for value in self.signals.states[0, LEADING:]),
            complaints=complaints,
            reward=float(report.reward[0]),
            done=not complaints,
        )
