"""What makes one system differ from another: the kinds of systems, and systems drawn from a kind.

A kind is a set of rates at which things go wrong. Every kind has a little of every problem; what
differs is which one dominates. So a system that has only ever watched its own kind has met the
other problems rarely or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How often each problem strikes a kind of system. Rates are per tick.

    Attributes:
        name: the word for it.
        bursts: rate at which a burst of load starts.
        releases: rate of releases.
        bad_releases: share of releases that are bad.
        crashes: rate at which a server goes down, per server.
        drift: growth of the service demand, per tick, in log units.
        wander: standard deviation per tick of the slow random walk of the load, in log units.
        outages: rate at which something upstream fails, which no adaptation can mend.
        headroom: mean utilisation when all is well.
    """

    name: str
    bursts: float = 0.0005
    releases: float = 0.004
    bad_releases: float = 0.05
    crashes: float = 0.0001
    drift: float = 0.00005
    wander: float = 0.003
    outages: float = 0.0004
    headroom: float = 0.55


BURSTY = Kind(name="bursty", bursts=0.005, wander=0.008, headroom=0.6)
RELEASING = Kind(name="releasing", releases=0.012, bad_releases=0.4)
FAILING = Kind(name="failing", crashes=0.002)
DRIFTING = Kind(name="drifting", drift=0.0012, headroom=0.6)
MIXED = Kind(name="mixed", bursts=0.002, releases=0.008, bad_releases=0.25, crashes=0.0007, drift=0.0004)
TIGHT = Kind(name="tight", crashes=0.0012, releases=0.006, bad_releases=0.3, wander=0.006, headroom=0.72)
FLAKY = Kind(name="flaky", outages=0.004, bursts=0.003, releases=0.01, bad_releases=0.15)

MET = (BURSTY, RELEASING, FAILING, DRIFTING)
UNMET = (MIXED, TIGHT, FLAKY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """Parameters of n systems as columns, each ``(n,) float64`` unless said otherwise.

    Attributes:
        kinds: the name of each system's kind.
        servers: servers when all is well, whole numbers.
        service_s: seconds of work in a request at demand 1 and speed 1; one tick is one second.
        arrivals: mean requests per tick at load 1.
        slo_s: the latency that a request must not exceed.
        room: requests that may wait; further ones are dropped.
        swing: amplitude of the daily phase of the load.
        period: its length in ticks.
        phase: where in it the system starts, in radians.
        error: share of requests that fail when all is well.
        bursts, releases, bad_releases, crashes, drift, wander, outages: as in `Kind`.
    """

    kinds: tuple[str, ...]
    servers: Floats
    service_s: Floats
    arrivals: Floats
    slo_s: Floats
    room: Floats
    swing: Floats
    period: Floats
    phase: Floats
    error: Floats
    bursts: Floats
    releases: Floats
    bad_releases: Floats
    crashes: Floats
    drift: Floats
    wander: Floats
    outages: Floats

    def __len__(self) -> int:
        return len(self.kinds)

    def pick(self, index: NDArray[np.intp]) -> Systems:
        """The systems at these positions; repeats are allowed."""
        columns = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "kinds"}
        return Systems(kinds=tuple(self.kinds[i] for i in index), **columns)


def draw(kinds: Sequence[Kind], per_kind: int, rng: np.random.Generator) -> Systems:
    """``per_kind`` systems of each kind, kind by kind, no two alike.

    Raises:
        SettingError: when there is no kind or no system to draw.
    """
    if not kinds or per_kind < 1:
        raise SettingError(name="per_kind", found=(len(kinds), per_kind), needed="one kind and one system or more")
    chosen = [kind for kind in kinds for _ in range(per_kind)]
    n = len(chosen)

    def jitter(values: Sequence[float]) -> Floats:
        # Rates of one kind differ by a factor of about 1.3 from system to system.
        return np.asarray(values) * np.exp(rng.normal(0.0, 0.25, n))

    servers = rng.integers(3, 9, n).astype(np.float64)
    service = rng.uniform(0.1, 0.4, n)
    headroom = np.clip([k.headroom for k in chosen] + rng.normal(0.0, 0.03, n), 0.3, 0.8)
    arrivals = headroom * servers / service
    return Systems(
        kinds=tuple(kind.name for kind in chosen),
        servers=servers,
        service_s=service,
        arrivals=arrivals,
        slo_s=service * rng.uniform(4.0, 6.0, n),
        room=np.ceil(arrivals * rng.uniform(8.0, 15.0, n)),
        swing=rng.uniform(0.05, 0.2, n),
        period=rng.uniform(800.0, 1600.0, n),
        phase=rng.uniform(0.0, 2.0 * np.pi, n),
        error=rng.uniform(0.002, 0.01, n),
        bursts=jitter([k.bursts for k in chosen]),
        releases=jitter([k.releases for k in chosen]),
        bad_releases=np.clip(jitter([k.bad_releases for k in chosen]), 0.0, 0.9),
        crashes=jitter([k.crashes for k in chosen]),
        drift=jitter([k.drift for k in chosen]),
        wander=jitter([k.wander for k in chosen]),
        outages=jitter([k.outages for k in chosen]),
    )
