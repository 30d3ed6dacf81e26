"""What happens to systems from outside: load, releases, crashes, upstream outages.

None of it depends on what an agent does, so the same weather can be met by several policies and
their rewards compared in pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.workflows.profiles import Systems

Floats = NDArray[np.float64]

BURST_END = 1.0 / 60.0  # a burst lasts a minute on average
OUTAGE_END = 1.0 / 40.0
LOAD_PULL = 0.002  # how strongly the random walk of the load is drawn back to its mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """A stretch of ``t`` ticks over ``m`` systems; every array is ``(t, m)``.

    Attributes:
        arrivals: requests that arrive, whole numbers.
        released: True where a new release goes live.
        bad_error: extra share of requests that this release fails; 0 for a good one.
        bad_slow: extra work per request in this release, as a share; 0 for a good one.
        outage: share of requests that fail because something upstream is down.
        luck: ``(t, m, 2)`` uniforms that decide whether a server crashes, or is repaired.
    """

    arrivals: Floats
    released: NDArray[np.bool_]
    bad_error: Floats
    bad_slow: Floats
    outage: Floats
    luck: Floats

    def __len__(self) -> int:
        return len(self.arrivals)


class Sky:
    """Makes weather for m systems, stretch after stretch. The same generator gives the same weather."""

    def __init__(self, systems: Systems, rng: np.random.Generator) -> None:
        n = len(systems)
        self._systems = systems
        self._rng = rng
        self._tick = 0
        self._wander = np.zeros(n)
        self._burst = np.zeros(n)
        self._outage = np.zeros(n)

    def next(self, ticks: int) -> Weather:
        """The next ``ticks`` ticks."""
        systems, rng, n = self._systems, self._rng, len(self._systems)
        dice = rng.random((ticks, n, 11))
        steps = rng.standard_normal((ticks, n))
        load, outage = np.empty((ticks, n)), np.empty((ticks, n))
        for t in range(ticks):
            u = dice[t]
            self._wander += systems.wander * steps[t] - LOAD_PULL * self._wander
            starts = (self._burst == 0.0) & (u[:, 0] < systems.bursts)
            ends = u[:, 1] < BURST_END
            self._burst = np.where(starts, 0.5 + u[:, 2], np.where(ends, 0.0, self._burst))
            starts = (self._outage == 0.0) & (u[:, 3] < systems.outages)
            ends = u[:, 4] < OUTAGE_END
            self._outage = np.where(starts, 0.1 + 0.4 * u[:, 5], np.where(ends, 0.0, self._outage))
            turn = 2.0 * np.pi * (self._tick + t) / systems.period + systems.phase
            load[t] = np.exp(self._wander + systems.swing * np.sin(turn)) * (1.0 + self._burst)
            outage[t] = self._outage
        self._tick += ticks
        bad = dice[:, :, 7] < systems.bad_releases
        # A third of bad releases fail requests, a third are slow, a third do both.
        sort = dice[:, :, 8]
        return Weather(
            arrivals=rng.poisson(systems.arrivals * load).astype(np.float64),
            released=dice[:, :, 6] < systems.releases,
            bad_error=np.where(bad & (sort < 2 / 3), 0.1 + 0.4 * dice[:, :, 9], 0.0),
            bad_slow=np.where(bad & (sort > 1 / 3), 0.4 + 0.8 * dice[:, :, 10], 0.0),
            outage=outage,
            luck=rng.random((ticks, n, 2)),
        )
