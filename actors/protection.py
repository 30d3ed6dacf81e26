"""The coordinator's hand on the privacy ledger: asked before a round is opened, and before its noise is drawn.

The order is the promise: the charge is granted, the ledger that has paid for it is on disk, then the noise is drawn.
The noise comes from the coordinator's secret, the run, the round and the aggregate's digest. So a coordinator that was
killed anywhere in between, and finds the same aggregate, finds the grant and draws the same noise again, for nothing.
When it finds another aggregate the round is refused (`PrivacyReplayError`), and the next one is paid for under its own
name.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.cast import Score
from actors.config import SwarmConfig
from actors.journal import Journal
from actors.messages import Aggregation
from actors.privacy import PrivacyConfig, Protected
from federation.errors import SwarmError
from federation.identity import Secret
from federation.privacy import (
    AdaptiveClipping,
    Charge,
    GaussianMechanism,
    Grant,
    PrivacyBudgetError,
    PrivacyLedger,
    contents_of,
    noise_generator,
    utility,
)
from federation.protection import Protectable
from federation.terms import Terms
from federation.verdict import Decision
from federation.workload import Row
from telemetry import Telemetry, semconv


class Unprotected:
    """What a coordinator without privacy has instead of a `Protector`: nothing is asked, and no noise is drawn.

    Args:
        config: of the swarm.
    """

    radius = 0.0

    def __init__(self, config: SwarmConfig) -> None:
        self._workload = config.workload

    def require(self, terms: Terms) -> None:
        """Return: there is no budget."""

    async def make_value(self, terms: Terms, score: Score, base: Row, traceparent: str) -> Row:
        """The next release's value."""
        del terms, traceparent
        assert score.aggregation is not None
        return self._workload.fold(base, score.aggregation.value)

    def released(self, done: Protected | None) -> None:
        """Return: nothing changes."""

    def summary(self) -> dict[str, Any]:
        """Nothing for `status`."""
        return {}


class Protector:
    """Keeps the rounds of one coordinator private.

    Args:
        config: of the swarm, with ``privacy``.
        secret: that noise is drawn from.
        journal: where the ledger is kept.
        telemetry: of the coordinator's process.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        config: SwarmConfig,
        secret: Secret,
        journal: Journal,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        assert isinstance(config.privacy, PrivacyConfig)
        assert isinstance(config.workload, Protectable)
        self._run, self._workload, self._privacy = config.run, config.workload, config.privacy
        self._secret, self._journal, self._telemetry, self._clock = secret, journal, telemetry, clock
        self._multiplier = config.privacy.noise_multiplier
        self._labels = {semconv.ATTR_WORKLOAD: config.workload.kind}
        # What is spent stays spent when the operator changes the budget.
        kept = journal.recall("privacy")
        self._ledger = (
            replace(PrivacyLedger.from_dict(kept), budget=config.privacy.budget)
            if kept
            else PrivacyLedger(budget=config.privacy.budget, started_at=clock())
        )
        self._clipping = _clipping(config, journal.recall("clipping")) if config.privacy.adaptive else None
        self._tell_spent()
        for outcome in (semconv.Outcome.SUCCESS, semconv.Outcome.REFUSED):
            self._telemetry.count(semconv.METRIC_PRIVACY_REQUESTS, 0, {**self._labels, semconv.ATTR_OUTCOME: outcome})

    @property
    def radius(self) -> float:
        """What the next round's updates are clipped to."""
        return self._privacy.radius if self._clipping is None else self._clipping.radius

    def require(self, terms: Terms) -> None:
        """Return if the budget pays for this round, or has paid.

        Raises:
            PrivacyBudgetError: when it does not. Nothing has been learned yet, and nothing is spent.
        """
        name = self._name(terms)
        if any(grant.charge.name == name for grant in self._ledger.grants):
            return
        refusal = self._ledger.paused(self._charge(name), now=self._clock())
        if refusal is not None:
            self._refused(terms, refusal)
            raise refusal

    async def make_value(self, terms: Terms, score: Score, base: Row, traceparent: str) -> Row:
        """The next release's value, with noise. What it took is in the score.

        Raises:
            PrivacyBudgetError, PrivacyReplayError: when there may be none.
        """
        found = score.aggregation
        assert found is not None
        attributes = {semconv.ATTR_ROUND: terms.round, **self._labels}
        with self._telemetry.phase(
            semconv.Phase.PROTECT, attributes=attributes, parent=traceparent or None, measures=self._labels
        ) as span:
            try:
                value, done = await asyncio.to_thread(self._protect, terms, found, base)
                score.protected = done
            except SwarmError as error:
                if isinstance(error, PrivacyBudgetError):
                    self._refused(terms, error)
                span.set(semconv.ATTR_OUTCOME, semconv.Outcome.REFUSED.value)
                raise
            span.set(semconv.ATTR_OUTCOME, semconv.Outcome.SUCCESS.value)
            span.set(semconv.ATTR_PRIVACY_EPSILON, done.epsilon)
            span.set(semconv.ATTR_PRIVACY_EPSILON_SPENT, done.epsilon_spent)
            span.set(semconv.ATTR_PRIVACY_NOISE_MULTIPLIER, done.noise_multiplier)
            span.set(semconv.ATTR_PRIVACY_RADIUS, done.radius)
        self._granted(terms, done)
        return value

    def released(self, done: Protected | None) -> None:
        """The release is in the journal, and with it what `Protected.facts` said."""
        if done is not None:
            self._clipping = done.clipping

    def summary(self) -> dict[str, Any]:
        """The budget in short, for `status`, under ``"privacy"``."""
        now = self._clock()
        ledger = self._ledger.at(now)
        left = ledger.affordable(noise_multiplier=self._multiplier, now=now)
        found = {
            "epsilon_round": self._privacy.epsilon_round,
            "epsilon_spent": ledger.epsilon_spent,
            "epsilon_budget": ledger.budget.epsilon_period,
            "epsilon_lifetime": ledger.lifetime.epsilon(ledger.budget.delta),
            "delta": ledger.budget.delta,
            "noise_multiplier": self._multiplier,
            "radius": self.radius,
            "releases": ledger.releases,
            "rounds_left": left,
            "paused": left == 0,
            "renews_at": ledger.renews_at,
        }
        return {"privacy": found}

    def _name(self, terms: Terms) -> str:
        return f"{terms.kind}/{terms.round}"

    def _charge(self, name: str, contents: str = "") -> Charge:
        return Charge(name=name, noise_multiplier=self._multiplier, contents=contents)

    def _protect(self, terms: Terms, found: Aggregation, base: Row) -> tuple[Row, Protected]:
        begun = time.perf_counter()
        protection = self._workload.protection(radius=terms.clip_radius)
        clipping = None if self._clipping is None else replace(self._clipping, radius=terms.clip_radius)
        multiplier = self._multiplier if clipping is None else clipping.sum_multiplier(self._multiplier)
        mechanism = GaussianMechanism(sensitivity=protection.sensitivity, noise_multiplier=multiplier)
        name, exact = self._name(terms), protection.taken(found.value)
        grant = self._granted_for(self._charge(name, contents_of(exact, name)))
        ledger_s = time.perf_counter() - begun
        purpose = (self._run, name, grant.charge.contents)
        noised = mechanism.release(exact, grant=grant, rng=noise_generator(self._secret, *purpose))
        noisy = protection.put(found.value, noised.value)
        value, bare = (
            self._workload.fold(base, self._workload.settled(row, protection=protection, sigma=sigma))
            for row, sigma in ((noisy, mechanism.sigma), (found.value, 0.0))
        )
        cost = utility(found.value[protection.values], noisy[protection.values], sigma=mechanism.sigma)
        counted = found.decisions[found.decisions != Decision.REJECTED]
        if clipping is not None:
            clipping = clipping.observe(
                counted == Decision.ACCEPTED, noise_generator(self._secret, *purpose, "bits", _bits(counted))
            )
        return value, Protected(
            epsilon=grant.epsilon,
            epsilon_spent=grant.epsilon_spent,
            epsilon_lifetime=grant.epsilon_lifetime,
            epsilon_budget=grant.epsilon_budget,
            delta=grant.delta,
            renews_at=grant.renews_at,
            noise_multiplier=multiplier,
            sensitivity=mechanism.sensitivity,
            sigma=mechanism.sigma,
            radius=terms.clip_radius,
            clipped=float(np.mean(counted == Decision.CLIPPED)) if len(counted) else 0.0,
            noise_norm=cost.noise_norm,
            aggregate_norm=cost.aggregate_norm,
            noise_ratio=cost.ratio,
            mean_error=_root_mean_square(value[protection.values], bare[protection.values]),
            seconds=time.perf_counter() - begun,
            ledger_s=ledger_s,
            clipping=clipping,
        )

    def _granted_for(self, charge: Charge) -> Grant:
        """Leave to draw the noise, when the ledger that paid for it is on disk."""
        paid, grant = self._ledger.grant(charge, now=self._clock())
        if paid is not self._ledger:
            self._journal.remember_surely({"privacy": paid.to_dict()})
            self._ledger = paid
        return grant

    def _granted(self, terms: Terms, done: Protected) -> None:
        telemetry, labels = self._telemetry, self._labels
        self._tell_spent()
        telemetry.gauge(semconv.METRIC_PRIVACY_EPSILON_ROUND, done.epsilon, labels)
        if math.isfinite(done.noise_ratio):
            telemetry.gauge(semconv.METRIC_PRIVACY_UTILITY_LOSS, done.noise_ratio, labels)
        telemetry.count(
            semconv.METRIC_PRIVACY_REQUESTS, 1, {**labels, semconv.ATTR_OUTCOME: semconv.Outcome.SUCCESS.value}
        )
        telemetry.event(
            semconv.EVENT_PRIVACY_GRANTED,
            {
                **labels,
                semconv.ATTR_ROUND: terms.round,
                semconv.ATTR_PRIVACY_EPSILON: done.epsilon,
                semconv.ATTR_PRIVACY_EPSILON_SPENT: done.epsilon_spent,
                semconv.ATTR_PRIVACY_EPSILON_BUDGET: done.epsilon_budget,
                semconv.ATTR_PRIVACY_DELTA: done.delta,
            },
        )

    def _refused(self, terms: Terms, error: PrivacyBudgetError) -> None:
        self._telemetry.count(
            semconv.METRIC_PRIVACY_REQUESTS, 1, {**self._labels, semconv.ATTR_OUTCOME: semconv.Outcome.REFUSED.value}
        )
        self._telemetry.event(
            semconv.EVENT_PRIVACY_REFUSED,
            {
                **self._labels,
                semconv.ATTR_ROUND: terms.round,
                semconv.ATTR_PRIVACY_EPSILON: error.asked,
                semconv.ATTR_PRIVACY_EPSILON_SPENT: error.spent,
                semconv.ATTR_PRIVACY_EPSILON_BUDGET: error.budget,
            },
        )

    def _tell_spent(self) -> None:
        ledger = self._ledger.at(self._clock())
        self._telemetry.gauge(semconv.METRIC_PRIVACY_EPSILON_SPENT, ledger.epsilon_spent, self._labels)
        self._telemetry.gauge(semconv.METRIC_PRIVACY_EPSILON_BUDGET, ledger.budget.epsilon_period, self._labels)


def protector_of(
    config: SwarmConfig, secret: Secret, journal: Journal, telemetry: Telemetry, clock: Callable[[], float]
) -> Protector | Unprotected:
    """The protector that the configuration asks for."""
    return Unprotected(config) if config.privacy is None else Protector(config, secret, journal, telemetry, clock)


def _clipping(config: SwarmConfig, kept: Any) -> AdaptiveClipping:
    """Clipping as the configuration wants it, from the radius that it had come to."""
    assert config.privacy is not None
    radius = AdaptiveClipping.from_dict(kept).radius if kept else None
    return config.privacy.clipping(agents=len(config.agents), radius=radius)


def _bits(counted: NDArray[np.int8]) -> str:
    return f"{int((counted == Decision.ACCEPTED).sum())}/{len(counted)}"


def _root_mean_square(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean((one.astype(np.float64) - two.astype(np.float64)) ** 2)))
