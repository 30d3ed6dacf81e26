"""A queueing simulation of many workflow systems at once, in steps of one second.

Requests arrive, wait in one queue per system, are served by its servers and may fail. A system
suffers from bursts of load, servers that crash, work per request that drifts upwards, releases that
fail or slow down requests, and outages upstream. The four adaptations of `actors.agent.Adaptation`
act on different ones of these causes:

- increase resources: servers run 1.4 times as fast at once, for three turns; dear
- optimise the workflow: takes work out of requests over about 20 seconds, most where it had drifted
  up; cheap, and later drift undoes it
- scale out: a quarter more servers, after 12 seconds of start-up, for eight turns; dear
- roll back: back to the release before; restarts all servers, so 8 seconds at half speed. It mends a
  bad release. With a good one it only costs, and gives up the work that the release had saved

Every policy can be run against the same weather. The only further randomness is in service
and in which requests fail.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.agent import Adaptation
from examples.workflows.profiles import Systems
from examples.workflows.weather import Weather

Floats = NDArray[np.float64]
Actions = NDArray[np.intp]

TURN = 30  # ticks between two turns of an agent's loop
NO_ACTION = -1
COSTS = np.array([0.06, 0.03, 0.08, 0.03])  # by Adaptation, in units of one turn without a bad request

SPEED_UP, LEVELS, RESOURCE_LEASE = 0.4, 2, 3 * TURN
GROWTH, SLOTS, START_UP, SCALE_LEASE = 0.25, 4, 12, 8 * TURN
RESTART, RESTART_SPEED = 8, 0.5
RELIEF, RELIEF_SHARE, RELIEF_PACE, OVER_RELIEF, RELIEF_LOSS = 0.08, 0.6, 0.05, 0.25, 1.0 / 400.0
RELEASE_GAIN, OLD_RELEASE = 0.04, 100_000.0
REPAIR = 1.0 / 300.0
TIMEOUT_SLOS, TIMEOUT_SHARE = 4.0, 0.3
LATE_SPREAD = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnReport:
    """What one turn did to n systems; each ``(n,) float64``. Counts of requests, unless said otherwise.

    Attributes:
        arrived, served, dropped: requests; what arrived and was neither is in the queue.
        failed: served requests that ended in an error.
        good: served without error and within the latency objective; an expectation, so not whole.
        queued: requests waiting at the end.
        latency_s: mean over the turn; latency_end_s: mean over its last third.
        utilisation: mean load of the servers that are up, at most 1.
        service_s: mean work in a request as measured, seconds at the present speed.
        healthy: share of servers that are up at the end.
        capacity: requests per tick that could be served at the end.
        value: share of requests that were good; 1 when none arrived.
        cost: cost of the adaptation made at the start of the turn.
    """

    arrived: Floats
    served: Floats
    dropped: Floats
    failed: Floats
    good: Floats
    queued: Floats
    latency_s: Floats
    latency_end_s: Floats
    utilisation: Floats
    service_s: Floats
    healthy: Floats
    capacity: Floats
    value: Floats
    cost: Floats

    @property
    def reward(self) -> Floats:
        """Share of good requests, less what the adaptation cost."""
        return self.value - self.cost


class Fleet:
    """n systems, run one turn at a time.

    Args:
        systems: their parameters.
        rng: randomness of service and failed requests; the fleet owns it from here on.
    """

    def __init__(self, systems: Systems, rng: np.random.Generator) -> None:
        n = len(systems)
        self.systems = systems
        self._rng = rng
        self.tick = 0
        self.queue = np.zeros(n)
        self.down = np.zeros(n)
        self.drift = np.zeros(n)  # log of work added per request
        self.relief = np.zeros(n)  # log of work taken out
        self.relief_due = np.zeros(n)
        self.gain = np.zeros(n)  # log of work that the present release saves
        self.bad_error = np.zeros(n)
        self.bad_slow = np.zeros(n)
        self.age = np.full(n, OLD_RELEASE)  # ticks since the last release
        self.restart = np.zeros(n)
        self.resource_until = np.zeros((n, LEVELS))
        self.server_from = np.zeros((n, SLOTS))
        self.server_until = np.zeros((n, SLOTS))
        self.batch = np.maximum(np.round(GROWTH * systems.servers), 1.0)

    def __len__(self) -> int:
        return len(self.systems)

    def copy(self) -> Fleet:
        """The same fleet with the same luck ahead of it; running one leaves the other as it is."""
        return copy.deepcopy(self)

    def pick(self, index: NDArray[np.intp]) -> Fleet:
        """A new fleet of the systems at these positions, repeats allowed, in the state that they are in."""
        picked = copy.deepcopy(self)
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray):
                setattr(picked, name, column[index])
        picked.systems = self.systems.pick(index)
        return picked

    @property
    def levels(self) -> Floats:
        """``(n,)``: resource levels held."""
        return (self.resource_until > self.tick).sum(1).astype(np.float64)

    @property
    def extra(self) -> Floats:
        """``(n,)``: added servers that have started."""
        started = (self.server_from <= self.tick) & (self.server_until > self.tick)
        return started.sum(1) * self.batch

    @property
    def starting(self) -> Floats:
        """``(n,)``: added servers that are still starting."""
        return ((self.server_from > self.tick) & (self.server_until > self.tick)).sum(1) * self.batch

    @property
    def work_s(self) -> Floats:
        """``(n,)``: seconds of work in a request at the present demand and speed."""
        demand = np.exp(self.drift - self.relief - self.gain) * (1.0 + self.bad_slow)
        speed = (1.0 + SPEED_UP * self.levels) * np.where(self.restart > 0, RESTART_SPEED, 1.0)
        return self.systems.service_s * demand / speed

    @property
    def up(self) -> Floats:
        """``(n,)``: servers that work; never fewer than one, the last of a system is restarted at once."""
        return np.maximum(self.systems.servers + self.extra - self.down, 1.0)

    def adapt(self, actions: Actions) -> Floats:
        """Carry out one adaptation per system, `NO_ACTION` for none; returns what each cost."""
        now = self.tick
        rows = np.flatnonzero(actions == Adaptation.INCREASE_RESOURCES)
        # With all levels in use, the one that would end first is renewed.
        self.resource_until[rows, self.resource_until[rows].argmin(1)] = now + RESOURCE_LEASE
        rows = np.flatnonzero(actions == Adaptation.OPTIMIZE_WORKFLOW)
        net = self.drift[rows] - self.relief[rows] - self.relief_due[rows]
        due = RELIEF + RELIEF_SHARE * np.maximum(net, 0.0)
        self.relief_due[rows] += np.clip(np.minimum(due, net + OVER_RELIEF), 0.0, None)
        rows = np.flatnonzero(actions == Adaptation.SCALE_OUT)
        slot = self.server_until[rows].argmin(1)
        full = self.server_until[rows, slot] > now
        self.server_from[rows, slot] = np.where(full, self.server_from[rows, slot], now + START_UP)
        self.server_until[rows, slot] = now + SCALE_LEASE
        rows = np.flatnonzero(actions == Adaptation.ROLL_BACK)
        for column in (self.bad_error, self.bad_slow, self.gain):
            column[rows] = 0.0
        self.age[rows] = OLD_RELEASE
        self.restart[rows] = RESTART
        return np.where(actions == NO_ACTION, 0.0, COSTS[actions])

    def turn(self, weather: Weather, actions: Actions, *, places: NDArray[np.intp] | None = None) -> TurnReport:
        """Adapt, then live through a stretch of weather.

        Args:
            weather: for m systems.
            actions: ``(n,)`` of `Adaptation` or `NO_ACTION`.
            places: ``(n,)``, the column of the weather that each system stands in; all in order by default.
        """
        n = len(self)
        places = np.arange(n) if places is None else places
        cost = self.adapt(actions)
        sums = {name: np.zeros(n) for name in ("arrived", "served", "dropped", "failed", "good")}
        means = {name: np.zeros(n) for name in ("latency_s", "latency_end_s", "utilisation", "service_s")}
        last = len(weather) - len(weather) // 3
        capacity = np.ones(n)
        for t in range(len(weather)):
            self._befall(weather, t, places)
            work, capacity = self._capacity()
            arrived = weather.arrivals[t, places]
            waiting = self.queue + arrived
            served = np.minimum(waiting, self._rng.poisson(capacity))
            left = waiting - served
            self.queue = np.minimum(left, self.systems.room)
            wait = self.queue / capacity
            latency = work + wait
            slo = self.systems.slo_s
            late = np.clip(wait / (TIMEOUT_SLOS * slo) - 1.0, 0.0, 1.0) * TIMEOUT_SHARE
            sound = (
                (1.0 - self.systems.error) * (1.0 - self.bad_error) * (1.0 - weather.outage[t, places]) * (1.0 - late)
            )
            failed = self._rng.binomial(served.astype(np.int64), np.clip(1.0 - sound, 0.0, 1.0))
            in_time = 1.0 / (1.0 + (latency / slo) ** (1.0 / LATE_SPREAD))
            for name, count in zip(
                sums, (arrived, served, left - self.queue, failed, (served - failed) * in_time), strict=True
            ):
                sums[name] += count
            means["latency_s"] += latency
            means["latency_end_s"] += latency if t >= last else 0.0
            means["utilisation"] += np.minimum(arrived / capacity, 1.0)
            means["service_s"] += work
            self.tick += 1
        ticks = max(len(weather), 1)
        total = self.systems.servers + self.extra
        return TurnReport(
            **sums,
            latency_s=means["latency_s"] / ticks,
            latency_end_s=means["latency_end_s"] / max(len(weather) // 3, 1),
            utilisation=means["utilisation"] / ticks,
            # Measured per request in production, so only known to a few percent.
            service_s=means["service_s"] / ticks * np.exp(self._rng.normal(0.0, 0.03, n)),
            queued=self.queue.copy(),
            healthy=np.clip(self.up / total, 0.0, 1.0),
            capacity=capacity,
            value=np.clip(sums["good"] / np.maximum(sums["arrived"], 1.0), 0.0, 1.0),
            cost=cost,
        )

    def _capacity(self) -> tuple[Floats, Floats]:
        work = self.work_s
        return work, self.up / work

    def _befall(self, weather: Weather, t: int, places: NDArray[np.intp]) -> None:
        """What a tick brings to the servers, the work per request and the release."""
        systems = self.systems
        self.restart = np.maximum(self.restart - 1.0, 0.0)
        self.drift += systems.drift
        moved = RELIEF_PACE * self.relief_due
        self.relief_due -= moved
        self.relief += moved - RELIEF_LOSS * np.maximum(self.relief - self.drift, 0.0)
        luck = weather.luck[t, places]
        crash = luck[:, 0] < 1.0 - (1.0 - systems.crashes) ** self.up
        mend = luck[:, 1] < 1.0 - (1.0 - REPAIR) ** self.down
        self.down = np.clip(self.down + crash - mend, 0.0, systems.servers + self.extra - 1.0)
        new = weather.released[t, places]
        self.bad_error = np.where(new, weather.bad_error[t, places], self.bad_error)
        self.bad_slow = np.where(new, weather.bad_slow[t, places], self.bad_slow)
        good = (weather.bad_error[t, places] == 0.0) & (weather.bad_slow[t, places] == 0.0)
        self.gain = np.where(new, np.where(good, RELEASE_GAIN, 0.0), self.gain)
        self.age = np.where(new, 0.0, self.age + 1.0)
