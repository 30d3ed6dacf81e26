"""What an agent can see of its system: symptoms and the state that its policy is asked with.

Only what monitoring would show goes in: rates, latencies, health checks, the time of the last
deployment, and how these compare with what is usual for this system. The causes in `Fleet` stay hidden.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.workflows.fleet import TURN, Fleet, TurnReport
from examples.workflows.profiles import Systems

Floats = NDArray[np.float64]

FREQUENCY_SPAN = 8
COMPLAINTS = ("failing", "slow", "dropping", "backlog")
FEATURES = (
    "severity",
    "frequency",
    "impact",
    "failing",
    "slow",
    "dropping",
    "backlog",
    "utilisation",
    "load",
    "load_trend",
    "service_time",
    "service_trend",
    "latency_trend",
    "error_trend",
    "fresh_release",
    "servers_missing",
    "resources_held",
    "servers_added",
)
USUAL_PACE = 0.05  # how fast "usual" follows, in turns without a complaint
ERROR_LIMIT, DROP_LIMIT, BACKLOG_LIMIT_S = 0.04, 0.01, 2.0
RELEASE_MEMORY = 3.0 * TURN


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is seen of n systems after a turn.

    Attributes:
        states: ``(n, 18) float32``, columns as in `FEATURES`, each about within -1 to 1.
        severities: ``(n, 4)``: severity of each of `COMPLAINTS`, 0 where there is none.
        impact: ``(n,)``: share of requests that were not good; 0 without a complaint.
    """

    states: NDArray[np.float32]
    severities: Floats
    impact: Floats

    @property
    def symptomatic(self) -> NDArray[np.bool_]:
        """``(n,)``: True where there is something to complain about."""
        return self.severities.max(1) > 0.0


class Monitor:
    """Watches n systems: turns reports into signals, and remembers what is usual for each system."""

    def __init__(self, systems: Systems) -> None:
        n = len(systems)
        self._systems = systems
        self._usual_load = systems.arrivals.copy()
        self._usual_service = systems.service_s.copy()
        self._last = np.zeros((n, 4))  # load, service time, latency, error share of the turn before
        self._complained = np.zeros((n, FREQUENCY_SPAN), np.bool_)
        self._turns = 0

    def pick(self, index: NDArray[np.intp]) -> Monitor:
        """A monitor of the systems at these positions that remembers the same of them."""
        picked = copy.copy(self)
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray):
                setattr(picked, name, column[index])
            elif isinstance(column, Systems):
                setattr(picked, name, column.pick(index))
        return picked

    def look(self, fleet: Fleet, report: TurnReport) -> Signals:
        """The signals after a turn of ``fleet`` that gave ``report``."""
        systems = self._systems
        errors = report.failed / np.maximum(report.served, 1.0)
        drops = report.dropped / np.maximum(report.arrived, 1.0)
        backlog_s = report.queued / report.capacity
        load = report.arrived / (TURN * self._usual_load)
        service = report.service_s / self._usual_service
        # A complaint of severity s is s decades, or octaves, over its limit; the least is 0.05.
        severities = np.stack(
            [
                _excess(errors / ERROR_LIMIT, 10.0),
                _excess(report.latency_end_s / systems.slo_s, 10.0),
                _excess(drops / DROP_LIMIT, 30.0),
                _excess(backlog_s / (BACKLOG_LIMIT_S + systems.slo_s), 10.0),
            ],
            axis=1,
        )
        now = np.stack([load, service, report.latency_end_s / systems.slo_s, errors], axis=1)
        before = self._last if self._turns else now
        self._complained[:, self._turns % FREQUENCY_SPAN] = severities.max(1) > 0.0
        impact = np.where(severities.max(1) > 0.0, np.clip(1.0 - report.value, 0.0, 1.0), 0.0)
        columns = [
            severities.max(1),
            self._complained.mean(1),
            impact,
            *severities.T,
            report.utilisation,
            _octaves(load, 1.0),
            _octaves(now[:, 0] / np.maximum(before[:, 0], 1e-3), 1.0),
            _octaves(service, 1.0),
            _octaves(now[:, 1] / np.maximum(before[:, 1], 1e-3), 1.0),
            _octaves((now[:, 2] + 0.1) / (before[:, 2] + 0.1), 3.0),
            np.clip(5.0 * (now[:, 3] - before[:, 3]), -1.0, 1.0),
            np.exp(-fleet.age / RELEASE_MEMORY),
            1.0 - report.healthy,
            fleet.levels / 2.0,
            np.clip((fleet.extra + fleet.starting) / systems.servers, 0.0, 1.0),
        ]
        well = (severities.max(1) == 0.0) * USUAL_PACE
        self._usual_load *= 1.0 + well * (load - 1.0)
        # Held resources make requests faster for a while; that is not how fast they usually are.
        self._usual_service *= 1.0 + well * (fleet.levels == 0) * (service - 1.0)
        self._last = now
        self._turns += 1
        return Signals(states=np.stack(columns, axis=1).astype(np.float32), severities=severities, impact=impact)


def _excess(ratio: Floats, full: float) -> Floats:
    """0 up to a ratio of 1, then from 0.05 to 1, which is reached at the ratio ``full``, by its logarithm."""
    scaled = 0.05 + 0.95 * np.log(np.maximum(ratio, 1.0)) / np.log(full)
    return np.where(ratio > 1.0, np.clip(scaled, 0.0, 1.0), 0.0)


def _octaves(ratio: Floats, full: float) -> Floats:
    """The logarithm to base 2, in units of ``full`` octaves, clipped to -1 and 1."""
    return np.clip(np.log2(np.maximum(ratio, 1e-3)) / full, -1.0, 1.0)
