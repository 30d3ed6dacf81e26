"""Whether a release makes more errors than the one before it, from reports of which some are lies.

The architecture's section 5.3 takes a release back when its error rate is more than 1.05 times the rate before it. On
the sums of all reports, one client with invented figures could bring that about, or hide it. So:

- a client counts with its own rates under both releases, so that it does not matter whose clients got the new one;
- it needs some calls under each, and calls above a cap add no weight;
- with ``d = rate after - 1.05 * rate before``, the clients with the largest and the smallest ``d`` are left out, as
  many on each side as may lie: what remains is between what honest clients say, whatever the others say;
- the release is worse when the weighted mean of the remaining ``d`` is above zero by more than what chance explains, or
  when every single one of them is above zero.

Let at most ``liars`` of the ``n`` clients that count lie, by default one in ten and always at least one. Then they
cannot bring a rollback about when no honest client has more errors than the bound allows, and they cannot prevent it
when every honest client has. Where honest clients differ among themselves, liars move the mean as far as leaving out
that many honest clients would. What is worse for fewer clients than may lie cannot be told from lies, and is not seen.

Chance is judged as in K. K. Yuen, "The two-sample trimmed t for unequal population variances", Biometrika 61 (1974),
for one sample of differences: the standard error is the winsorised deviation over ``(1 - 2 liars / n) * sqrt(n)``.
Departures: clients are weighted, and a fixed number of standard errors stands for the t distribution. Clients that all
say the same leave nothing to chance, so there the bound is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError

Figures = Mapping[str, tuple[int, int]]
"""client -> (calls, errors)."""

_ROUNDING: Final = 1e-12
"""A difference that is smaller than this comes from rounding: exactly 5 % worse is not above 5 %."""


class Finding(StrEnum):
    """What reports say of a release."""

    UNKNOWN = "unknown"
    """Too few clients count."""
    FINE = "fine"
    """The rate is not above the bound."""
    UNSURE = "unsure"
    """The rate is above the bound, and that may be chance."""
    WORSE = "worse"
    """The rate is above the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBound:
    """How much worse a release may be, and what it takes to say so.

    Attributes:
        worse: by how much the rate may rise, relative to the rate before. 5 % is the document's figure.
        liars: share of the clients that may lie.
        least_clients: clients that have to count before anything is said.
        least_calls: calls that a client needs under each release to count. Twenty make a rate that is coarse, but no
            accident of one call.
        most_calls: calls above which a client gains no more weight, so that none weighs more than 25 times another.
        sure: standard errors that the mean has to be above the bound. Three, because a release is looked at many times.
    """

    worse: float = 0.05
    liars: float = 0.10
    least_clients: int = 10
    least_calls: int = 20
    most_calls: int = 500
    sure: float = 3.0

    def __post_init__(self) -> None:
        if not 0 <= self.worse < math.inf:
            raise SettingError(name="worse", found=self.worse, needed="at least 0 and finite")
        if not 0 <= self.liars < 0.5:
            raise SettingError(name="liars", found=self.liars, needed="from 0 to below 0.5")
        if self.least_clients < 3:
            raise SettingError(name="least_clients", found=self.least_clients, needed="at least 3")
        if not 1 <= self.least_calls <= self.most_calls:
            raise SettingError(name="least_calls", found=self.least_calls, needed=f"from 1 to {self.most_calls}")
        if not 0 <= self.sure < math.inf:
            raise SettingError(name="sure", found=self.sure, needed="at least 0 and finite")

    def tolerated(self, n: int) -> int:
        """How many of ``n`` clients may lie, with at least one honest client left among those that are counted."""
        return min(max(1, math.floor(self.liars * n + _ROUNDING)), max((n - 1) // 2, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What reports say, and from what.

    Attributes:
        finding: in a word.
        rate_before, rate_after: error rates without the outermost clients; None when nobody reports.
        clients_before, clients_after: clients whose reports count under the one release and under the other.
        clients: clients that count under both.
        left_out: of these, how many were left out at each end.
        excess: the mean of ``rate after - bound * rate before``; NaN when too few count.
        chance: its standard error; NaN when too few count.
    """

    finding: Finding
    rate_before: float | None
    rate_after: float | None
    clients_before: int
    clients_after: int
    clients: int
    left_out: int
    excess: float
    chance: float


def compare(before: Figures, after: Figures, bound: ErrorBound) -> Comparison:
    """What the clients' reports say of a release.

    Reports that cannot be, such as more errors than calls, are left out. The order of the mappings does not matter.

    Args:
        before: of the release that everybody had.
        after: of the new one; only of clients that were served it.
        bound: how much worse it may be.
    """
    old, new = _counting(before, bound), _counting(after, bound)
    both = sorted(old.keys() & new.keys())
    if len(both) < bound.least_clients:
        return Comparison(
            finding=Finding.UNKNOWN,
            rate_before=_rate(old.values(), bound),
            rate_after=_rate(new.values(), bound),
            clients_before=len(old),
            clients_after=len(new),
            clients=len(both),
            left_out=0,
            excess=math.nan,
            chance=math.nan,
        )
    calls_before, errors_before = np.array([old[client] for client in both], dtype=np.float64).T
    calls_after, errors_after = np.array([new[client] for client in both], dtype=np.float64).T
    rates_before, rates_after = errors_before / calls_before, errors_after / calls_after
    differences = rates_after - (1 + bound.worse) * rates_before
    weights = np.minimum(np.minimum(calls_before, calls_after), bound.most_calls)
    out = bound.tolerated(len(both))
    kept = np.argsort(differences, kind="stable")[out : len(both) - out]
    excess = float(np.average(differences[kept], weights=weights[kept]))
    chance = _standard_error(differences, weights, out)
    return Comparison(
        finding=_finding(differences[kept], excess, chance, bound),
        rate_before=float(np.average(rates_before[kept], weights=weights[kept])),
        rate_after=float(np.average(rates_after[kept], weights=weights[kept])),
        clients_before=len(old),
        clients_after=len(new),
        clients=len(both),
        left_out=out,
        excess=excess,
        chance=chance,
    )


def _finding(kept: NDArray[np.float64], excess: float, chance: float, bound: ErrorBound) -> Finding:
    if excess <= _ROUNDING:
        return Finding.FINE
    # All of one mind leave no room for a spread that liars would like to have: with 8 of them, a chance of 1 in 256.
    if excess > bound.sure * chance or bool(np.all(kept > _ROUNDING)):
        return Finding.WORSE
    return Finding.UNSURE


def _counting(figures: Figures, bound: ErrorBound) -> dict[str, tuple[int, int]]:
    """Of those that can be and that say enough."""
    return {
        client: (calls, errors)
        for client, (calls, errors) in figures.items()
        if calls >= bound.least_calls and 0 <= errors <= calls
    }


def _rate(figures: Iterable[tuple[int, int]], bound: ErrorBound) -> float | None:
    """The error rate of one release by itself; None when nobody counts."""
    ordered = sorted((errors / calls, min(calls, bound.most_calls)) for calls, errors in figures)
    out = bound.tolerated(len(ordered))
    kept = ordered[out : len(ordered) - out]
    return sum(rate * weight for rate, weight in kept) / sum(weight for _, weight in kept) if kept else None


def _standard_error(differences: NDArray[np.float64], weights: NDArray[np.float64], out: int) -> float:
    """Of the weighted mean without ``out`` clients at each end."""
    n = len(differences)
    ordered = np.sort(differences)
    winsorised = np.clip(differences, ordered[out], ordered[n - 1 - out])
    middle = np.average(winsorised, weights=weights)
    spread = float(np.sqrt(np.sum((weights * (winsorised - middle)) ** 2)) / np.sum(weights))
    return spread * math.sqrt(n / (n - 1)) / (1 - 2 * out / n)
