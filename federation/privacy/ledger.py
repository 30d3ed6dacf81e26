"""The ledger of privacy: asked before noise is drawn, and it can say no.

A frozen value. Whoever keeps it writes `to_dict` away *before* the noise of a grant is drawn, so that a process that is
killed in between has paid too much rather than too little. Fields are only ever added to what `to_dict` writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from federation.errors import SettingError, SwarmError
from federation.privacy.accountant import RdpAccountant
from federation.privacy.errors import PrivacyBudgetError, PrivacyLedgerError, PrivacyReplayError

YEAR_S = 365 * 86_400.0
FORMAT = 1
REMEMBERED = 64
"""Grants that the ledger still recognises. One that is older is paid for anew, which costs and leaks nothing."""

_SLACK = 1 + 1e-9  # bisection ends within 1e-12 of a budget that the noise was made for


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyBudget:
    """How much may be lost.

    Attributes:
        epsilon_round: most epsilon of one release by itself.
        epsilon_period: most epsilon of all releases of a period together.
        delta: the delta of both.
        period_s: seconds after which a period ends and the budget is whole again. It is renewed by decree: what was
            lost before stays lost, and `PrivacyLedger.lifetime` goes on counting.
    """

    epsilon_round: float = 1.0
    epsilon_period: float = 8.0
    delta: float = 1e-5
    period_s: float = YEAR_S

    def __post_init__(self) -> None:
        for name in ("epsilon_round", "epsilon_period", "period_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(name=name, found=getattr(self, name), needed="above 0 and finite")
        if not 0 < self.delta < 1:
            raise SettingError(name="delta", found=self.delta, needed="between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one release costs, before it is granted.

    Attributes:
        name: of the release, e.g. ``"patterns/17"``. Asked twice, it is granted once.
        noise_multiplier: standard deviation of the noise over the L2 sensitivity, of everything that is released.
        rate: chance with which each member takes part, if that is drawn by a coin of its own (Poisson); else 1.
            A sample that the members know of, or that an adversary chooses, counts as 1.
        contents: hex digest of what gets the noise and of the noise's seed. A release that is asked for again after a
            crash is free only with the same contents: then it has the same bytes and tells nothing new.
    """

    name: str
    noise_multiplier: float
    rate: float = 1.0
    contents: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise SettingError(name="name", found=self.name, needed="not empty")
        if not 0 < self.noise_multiplier < math.inf:
            raise SettingError(name="noise_multiplier", found=self.noise_multiplier, needed="above 0 and finite")
        if not 0 < self.rate <= 1:
            raise SettingError(name="rate", found=self.rate, needed="in (0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave to draw the noise of one release, once, and what the release says about its privacy.

    Attributes:
        charge: what was paid for.
        epsilon: of the release by itself.
        epsilon_spent: of the period, with the release in it.
        epsilon_lifetime: of everything ever released under this ledger.
        epsilon_budget: of the period.
        delta: of all of these.
        renews_at: when the period ends, in seconds since the epoch.
    """

    charge: Charge
    epsilon: float
    epsilon_spent: float
    epsilon_lifetime: float
    epsilon_budget: float
    delta: float
    renews_at: float

    def to_dict(self) -> dict[str, float]:
        """What a release carries: figures only, none of which depends on the data."""
        return {
            "epsilon": self.epsilon,
            "epsilon_spent": self.epsilon_spent,
            "epsilon_lifetime": self.epsilon_lifetime,
            "epsilon_budget": self.epsilon_budget,
            "delta": self.delta,
            "noise_multiplier": self.charge.noise_multiplier,
            "rate": self.charge.rate,
            "renews_at": self.renews_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyLedger:
    """What has been spent of a budget. A value: `grant` returns another.

    Attributes:
        budget: how much may be.
        started_at: when the period began, in seconds since the epoch.
        period: loss of this period.
        lifetime: loss since the ledger was opened, over all periods.
        releases: granted so far, over all periods.
        grants: the last `REMEMBERED` grants, oldest first.
    """

    budget: PrivacyBudget
    started_at: float
    period: RdpAccountant = field(default_factory=RdpAccountant)
    lifetime: RdpAccountant = field(default_factory=RdpAccountant)
    releases: int = 0
    grants: tuple[Grant, ...] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.started_at):
            raise SettingError(name="started_at", found=self.started_at, needed="finite")

    @property
    def renews_at(self) -> float:
        """When the period ends, in seconds since the epoch."""
        return self.started_at + self.budget.period_s

    @property
    def epsilon_spent(self) -> float:
        """Epsilon of this period so far."""
        return self.period.epsilon(self.budget.delta)

    def at(self, now: float) -> PrivacyLedger:
        """The ledger at a time: with a period anew if one has ended. A clock that goes back changes nothing.

        The new one begins where the old one ended, or after a pause of several at the last such boundary.
        """
        if not math.isfinite(now):
            raise SettingError(name="now", found=now, needed="finite")
        if now < self.renews_at:
            return self
        ended = math.floor((now - self.started_at) / self.budget.period_s)
        started = self.started_at + ended * self.budget.period_s
        return replace(self, started_at=started, period=RdpAccountant())

    def grant(self, charge: Charge, *, now: float) -> tuple[PrivacyLedger, Grant]:
        """The ledger with the charge paid, and leave to draw the noise. Keep the ledger first, then draw.

        The same charge again is the same grant, for nothing.

        Raises:
            PrivacyBudgetError: when the budget of a round or of the period does not pay for it.
            PrivacyReplayError: when the name was granted for something else.
        """
        for known in self.grants:
            if known.charge.name == charge.name:
                if known.charge != charge or not charge.contents:
                    raise PrivacyReplayError(charge=charge.name)
                return self, known
        current = self.at(now)
        budget = self.budget
        cost = RdpAccountant().compose(noise_multiplier=charge.noise_multiplier, rate=charge.rate)
        period, asked = _sum(current.period, cost), cost.epsilon(budget.delta)
        total = period.epsilon(budget.delta)
        for limit, found, most in (
            ("round", asked, budget.epsilon_round),
            ("period", total, budget.epsilon_period),
        ):
            if found > most * _SLACK:
                raise PrivacyBudgetError(
                    limit=limit,
                    spent=current.epsilon_spent,
                    asked=asked,
                    total=total,
                    budget=most,
                    delta=budget.delta,
                    renews_at=current.renews_at,
                )
        lifetime = _sum(current.lifetime, cost)
        granted = Grant(
            charge=charge,
            epsilon=asked,
            epsilon_spent=total,
            epsilon_lifetime=lifetime.epsilon(budget.delta),
            epsilon_budget=budget.epsilon_period,
            delta=budget.delta,
            renews_at=current.renews_at,
        )
        paid = replace(
            current,
            period=period,
            lifetime=lifetime,
            releases=self.releases + 1,
            grants=(*self.grants, granted)[-REMEMBERED:],
        )
        return paid, granted

    def paused(self, charge: Charge, *, now: float) -> PrivacyBudgetError | None:
        """Why such a release would be refused now, or None. Nothing is spent."""
        try:
            self.grant(charge, now=now)
        except PrivacyBudgetError as error:
            return error
        return None

    def affordable(self, *, noise_multiplier: float, rate: float = 1.0, now: float) -> int:
        """How many more such releases the period pays for; at most 2**20, and 0 when one is too much for a round."""
        budget, spent = self.budget, self.at(now).period
        one = RdpAccountant().compose(noise_multiplier=noise_multiplier, rate=rate)
        if one.epsilon(budget.delta) > budget.epsilon_round * _SLACK:
            return 0
        low, high = 0, (1 << 20) + 1
        while high - low > 1:
            middle = (low + high) // 2
            total = spent.compose(noise_multiplier=noise_multiplier, rate=rate, count=middle)
            low, high = (
                (middle, high) if total.epsilon(budget.delta) <= budget.epsilon_period * _SLACK else (low, middle)
            )
        return low

    def to_dict(self) -> dict[str, Any]:
        """The ledger as plain data that JSON takes; what cannot be counted any more (Inf) is None."""
        return {
            "format": FORMAT,
            "budget": asdict(self.budget),
            "started_at": self.started_at,
            "period": _written(self.period),
            "lifetime": _written(self.lifetime),
            "releases": self.releases,
            "grants": [asdict(grant) for grant in self.grants],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PrivacyLedger:
        """The ledger that `to_dict` wrote.

        Raises:
            PrivacyLedgerError: for anything else. There is no default for what has been spent.
        """
        try:
            found_format = data["format"]
            grants = cast("list[dict[str, Any]]", data["grants"])
            found = cls(
                budget=PrivacyBudget(
                    **{name: float(data["budget"][name]) for name in PrivacyBudget.__dataclass_fields__}
                ),
                started_at=float(data["started_at"]),
                period=_read(data["period"]),
                lifetime=_read(data["lifetime"]),
                releases=int(data["releases"]),
                grants=tuple(_granted(grant) for grant in grants),
            )
        except (KeyError, TypeError, ValueError, AttributeError, SwarmError) as error:
            raise PrivacyLedgerError(found=f"{type(error).__name__}: {error}") from error
        if found_format != FORMAT:
            raise PrivacyLedgerError(found=f"format {found_format!r}, not {FORMAT}")
        if found.releases < len(found.grants) or len(found.grants) > REMEMBERED:
            raise PrivacyLedgerError(found=f"{found.releases} releases, {len(found.grants)} grants")
        behind = any(part > whole for part, whole in zip(found.period.rdp, found.lifetime.rdp, strict=True))
        if behind or found.period.precision > found.lifetime.precision:
            raise PrivacyLedgerError(found="more spent in this period than in the lifetime")
        return found


def _sum(one: RdpAccountant, two: RdpAccountant) -> RdpAccountant:
    return RdpAccountant(
        rdp=tuple(a + b for a, b in zip(one.rdp, two.rdp, strict=True)),
        precision=one.precision + two.precision,
        sampled=one.sampled or two.sampled,
    )


def _granted(data: Mapping[str, Any]) -> Grant:
    figures: dict[str, float] = {name: float(value) for name, value in data.items() if name != "charge"}
    return Grant(charge=Charge(**data["charge"]), **figures)


def _written(accountant: RdpAccountant) -> dict[str, Any]:
    return {
        "rdp": [loss if math.isfinite(loss) else None for loss in accountant.rdp],
        "precision": accountant.precision,
        "sampled": accountant.sampled,
    }


def _read(data: Mapping[str, Any]) -> RdpAccountant:
    losses = cast("list[float | None]", data["rdp"])
    return RdpAccountant(
        rdp=tuple(math.inf if loss is None else float(loss) for loss in losses),
        precision=float(data["precision"]),
        sampled=bool(data["sampled"]),
    )
