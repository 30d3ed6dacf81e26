"""Runs a fleet turn by turn under somebody's choices, and keeps what happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.workflows.fleet import NO_ACTION, TURN, Actions, Fleet
from examples.workflows.profiles import Systems
from examples.workflows.signals import FEATURES, Monitor, Signals
from examples.workflows.weather import Sky, Weather

Floats = NDArray[np.float64]

HORIZON = 8  # turns over which what follows an adaptation is counted
DISCOUNT = 0.9
WARM_UP = 8  # turns without adaptations first, so that systems start in different conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a chooser is given between two turns. Only clairvoyants look further than the signals.

    Attributes:
        signals: of n systems.
        fleet: the systems themselves.
        monitor: what watches them.
        ahead: the weather of the turns to come, `HORIZON` of them.
        places: ``(n,)``, each system's column of the weather.
    """

    signals: Signals
    fleet: Fleet
    monitor: Monitor
    ahead: tuple[Weather, ...]
    places: NDArray[np.intp]


Chooser = Callable[[Moment], Actions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """``t`` turns of n systems.

    Attributes:
        states: ``(t + 1, n, k) float32``: seen before each turn, and after the last.
        actions: ``(t, n)``: `Adaptation`, or `NO_ACTION` where the system had no symptom.
        rewards, values: ``(t, n)``: share of good requests with and without the adaptation's cost.
    """

    states: NDArray[np.float32]
    actions: Actions
    rewards: Floats
    values: Floats


def run(
    systems: Systems,
    choose: Chooser,
    *,
    seed: int,
    turns: int,
    policies: int = 1,
) -> Episode:
    """Live through ``turns`` turns; systems act only when they have a symptom.

    Args:
        systems: m systems.
        choose: the adaptation for each of n = m x policies systems; asked for all of them.
        seed: of weather and service. The same seed gives the same weather to every chooser.
        turns: how long.
        policies: how many copies of all systems to run side by side, copy after copy, in one weather.
    """
    m = len(systems)
    places = np.tile(np.arange(m), policies)
    sky = Sky(systems, np.random.default_rng([seed, 0]))
    fleet = Fleet(systems.pick(places), np.random.default_rng([seed, 1]))
    monitor = Monitor(fleet.systems)
    n = len(fleet)
    idle = np.full(n, NO_ACTION, np.intp)
    for _ in range(WARM_UP - 1):
        monitor.look(fleet, fleet.turn(sky.next(TURN), idle, places=places))
    signals = monitor.look(fleet, fleet.turn(sky.next(TURN), idle, places=places))
    states = np.empty((turns + 1, n, len(FEATURES)), np.float32)
    actions = np.empty((turns, n), np.intp)
    rewards, values = np.empty((turns, n)), np.empty((turns, n))
    states[0] = signals.states
    ahead = deque((sky.next(TURN) for _ in range(HORIZON - 1)), maxlen=HORIZON)
    for t in range(turns):
        ahead.append(sky.next(TURN))  # pushes out the turn that is over
        chosen = choose(Moment(signals=signals, fleet=fleet, monitor=monitor, ahead=tuple(ahead), places=places))
        actions[t] = np.where(signals.symptomatic, chosen, NO_ACTION)
        report = fleet.turn(ahead[0], actions[t], places=places)
        signals = monitor.look(fleet, report)
        states[t + 1], rewards[t], values[t] = signals.states, report.reward, report.value
    return Episode(states=states, actions=actions, rewards=rewards, values=values)
