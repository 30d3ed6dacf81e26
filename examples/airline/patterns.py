"""How near pattern weights come to what all runs together say: alone, federated, poisoned, with noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from examples.airline.installations import Fleet, Shares, fleet_of, inverted, promoted, resampled
from federation.aggregation import aggregated, screened
from federation.errors import QuorumError, SettingError
from federation.identity import Secret
from federation.privacy import GaussianMechanism, analytic_sigma, noise_generator
from federation.rules import Mean, Median
from federation.screening import Unscreened
from federation.terms import Tuning
from federation.workload import Row
from workloads.patterns import BatchLearning, Pattern, PatternsWorkload, PatternType, RoundSettings, weights_of
from workloads.patterns.learning import wilson
from workloads.simulation import Simulation

ISOLATED, FEDERATED, MEDIAN, UNGUARDED = "installations alone", "federated", "median by key", "unguarded mean"
LIES = ("inverted", "promoted")
PRAISED = "book_reservation"
EPSILONS = (1.0, 4.0, 8.0)
DELTA = 1e-5
LEARNING = BatchLearning(margin=0.0)
"""Tools that always work have no run that stands out from the others, and would be no patterns at 0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternsPlan:
    """What is compared.

    Attributes:
        path: of the file of runs.
        installations: how many the tasks are dealt to.
        liars: how many of them are poisoned.
        seeds: repetitions, each with another dealing and other liars.
        epsilons: of each of the four rounds, for the private contenders.
        fleets: sizes of the private fleets; the first is made of the recording itself, the others of draws from it.
        radius: that private updates are clipped to.
    """

    path: str
    installations: int = 10
    liars: int = 3
    seeds: tuple[int, ...] = tuple(range(10))
    epsilons: tuple[float, ...] = EPSILONS
    fleets: tuple[int, ...] = (10, 100, 1000)
    radius: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.liars <= (self.installations - 1) // 3:
            needed = f"0 to {(self.installations - 1) // 3}: under a third"
            raise SettingError(name="liars", found=self.liars, needed=needed)
        if not self.seeds:
            raise SettingError(name="seeds", found=self.seeds, needed="one seed or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How far weights are from what all runs together say; over the keys that are known.

    Attributes:
        known: share of the pooled patterns that are known at all.
        success: mean absolute error of the tools' success rates.
        confidence: mean absolute error of the confidences.
        doubt: mean of (pooled confidence - confidence): above 0 where less is claimed than all runs would bear out.
        counted: mean absolute error of the tools' confidences when a reader makes them of a release's success rates
            and sample counts; NaN where there are no counts.
        flagged: of the liars, how many the last round rejected; NaN without liars or a screen.
    """

    known: float
    success: float
    confidence: float
    doubt: float
    counted: float = math.nan
    flagged: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """contender -> one a seed."""

    figures: dict[str, list[Nearness]] = field(default_factory=dict[str, list[Nearness]])

    def mean(self, contender: str, name: str) -> tuple[float, float]:
        """Mean and standard deviation over the seeds."""
        values = np.array([getattr(one, name) for one in self.figures[contender]])
        values = values[~np.isnan(values)]
        if not len(values):
            return math.nan, math.nan
        return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan


def compare_patterns(plan: PatternsPlan, *, tell: Callable[[str], None] = lambda _: None) -> Found:
    """Learn and judge once per seed."""
    found = Found()
    for seed in plan.seeds:
        fleet = fleet_of(plan.path, installations=plan.installations, seed=seed)
        for contender, nearness in _judged(plan, fleet, seed).items():
            found.figures.setdefault(contender, []).append(nearness)
        tell(f"seed {seed}: {len(fleet.shares)} installations, {len(fleet.pooled)} experiences")
    return found


def compare_private(plan: PatternsPlan, *, tell: Callable[[str], None] = lambda _: None) -> Found:
    """Fleets with and without noise, once per seed; contenders are named by `private_name`."""
    found = Found()
    for seed in plan.seeds:
        for size in plan.fleets:
            recorded = size <= plan.installations
            fleet = (fleet_of if recorded else resampled)(plan.path, installations=size, seed=seed)
            truth = LEARNING.learn(fleet.pooled)
            found.figures.setdefault(private_name(size), []).append(_released(fleet, truth))
            for epsilon in plan.epsilons:
                nearness = private(fleet, truth, epsilon=epsilon, seed=seed, radius=plan.radius)
                found.figures.setdefault(private_name(size, epsilon), []).append(nearness)
            tell(f"seed {seed}: {size} installations, private")
    return found


def private_name(size: int, epsilon: float | None = None) -> str:
    """The name of a fleet with noise of so much epsilon a round, or without noise."""
    return f"{size:,} installations" + (", no noise" if epsilon is None else f", epsilon {epsilon:g}")


def _judged(plan: PatternsPlan, fleet: Fleet, seed: int) -> dict[str, Nearness]:
    truth = LEARNING.learn(fleet.pooled)
    names = sorted(fleet.shares)
    chosen = np.random.default_rng([seed, 61]).permutation(len(names))[: plan.liars]
    liars = frozenset(names[row] for row in chosen)
    lies: dict[str, Shares] = {
        "inverted": inverted(fleet.shares, liars),
        "promoted": promoted(fleet.shares, liars, tool=PRAISED),
    }
    judged = {
        ISOLATED: _alone(fleet, truth),
        FEDERATED: _released(fleet, truth),
        UNGUARDED: _released(fleet, truth, guarded=False),
    }
    if plan.liars:
        for lie, shares in lies.items():
            judged[f"{FEDERATED}, {lie}"] = _released(fleet, truth, shares=shares, liars=liars)
            judged[f"{MEDIAN}, {lie}"] = _released(fleet, truth, shares=shares, liars=liars, median=True)
            judged[f"{UNGUARDED}, {lie}"] = _released(fleet, truth, shares=shares, guarded=False)
    return judged


def workload_of(fleet: Fleet, number: int, *, shares: Shares | None = None, median: bool = False) -> PatternsWorkload:
    """The workload as it is after so many tries."""
    return PatternsWorkload(
        data=fleet.until(number, shares),
        space=fleet.space,
        learning=LEARNING,
        rounds=RoundSettings(min_participants=min(10, len(fleet.shares))),
        inner=Median() if median else Mean(),
    )


def _released(
    fleet: Fleet,
    truth: Mapping[str, Pattern],
    *,
    shares: Shares | None = None,
    liars: frozenset[str] = frozenset(),
    guarded: bool = True,
    median: bool = False,
) -> Nearness:
    """Of the last of four releases, one after each try."""
    value: Row | None = None
    flagged = math.nan
    for number in range(1, len(next(iter(fleet.tries.values()))) + 1):
        workload = workload_of(fleet, number, shares=shares, median=median)
        simulation = Simulation(workload, tuple(fleet.shares), screen=None if guarded else Unscreened())
        if value is not None:
            simulation.value, simulation.round = value, number - 1
        try:
            step = simulation.step()
        except QuorumError:
            continue  # too few know anything yet: the round is skipped
        value = step.value
        if liars and guarded:
            flagged = sum(name in liars for name in np.array(simulation.agents)[step.flagged]) / len(liars)
    assert value is not None
    return _of_value(value, fleet, truth, flagged)


def _of_value(value: Row, fleet: Fleet, truth: Mapping[str, Pattern], flagged: float = math.nan) -> Nearness:
    known = {key: weight for key, weight in weights_of(value, fleet.space).items() if key in truth}
    tools = {key: weight for key, weight in known.items() if weight.tool_success_rate is not None}
    counted = [
        abs(
            truth[key].confidence - wilson((weight.tool_success_rate or 0) * weight.total_samples, weight.total_samples)
        )
        for key, weight in tools.items()
        if weight.total_samples
    ]
    nearness = _nearness(
        truth,
        {key: weight.confidence for key, weight in known.items()},
        {key: weight.tool_success_rate or 0.0 for key, weight in tools.items()},
    )
    return replace(nearness, counted=float(np.mean(counted)) if counted else math.nan, flagged=flagged)


def _alone(fleet: Fleet, truth: Mapping[str, Pattern]) -> Nearness:
    """The mean over the installations, each with what it has seen itself."""
    found: list[Nearness] = []
    for share in fleet.shares.values():
        patterns = LEARNING.learn(share)
        rates = {key: one.success_rate for key, one in patterns.items() if one.type is PatternType.TOOL}
        found.append(_nearness(truth, {key: one.confidence for key, one in patterns.items()}, rates))
    return Nearness(
        **{
            name: float(np.nanmean([getattr(one, name) for one in found]))
            for name in ("known", "success", "confidence", "doubt")
        }
    )


def _nearness(truth: Mapping[str, Pattern], confidences: Mapping[str, float], rates: Mapping[str, float]) -> Nearness:
    doubts = [truth[key].confidence - confidence for key, confidence in confidences.items()]
    errors = [abs(truth[key].success_rate - rate) for key, rate in rates.items()]
    return Nearness(
        known=len(confidences) / len(truth),
        success=float(np.mean(errors)) if errors else math.nan,
        confidence=float(np.mean(np.abs(doubts))) if doubts else math.nan,
        doubt=float(np.mean(doubts)) if doubts else math.nan,
    )


def private(fleet: Fleet, truth: Mapping[str, Pattern], *, epsilon: float, seed: int, radius: float = 1.0) -> Nearness:
    """Of the last of four private releases; noise as the rounds of a swarm draw it (docs/privacy.md)."""
    value: Row | None = None
    for number in range(1, len(next(iter(fleet.tries.values()))) + 1):
        workload = workload_of(fleet, number)
        base = workload.genesis(0) if value is None else value
        agents = tuple(sorted(fleet.shares))
        learner = workload.learner(agents, seed=0)
        learned = learner.learn(base, round_number=number, seeds=np.zeros(len(agents), np.uint64), tuning=Tuning())
        f = (len(agents) - 1) // 3
        if learned.idle.sum() > f:
            continue  # too few know anything yet: the round is skipped
        there = ~learned.idle
        protection = workload.protection(radius=radius)
        found = aggregated(
            learned.rows[there],
            learned.weights[there],
            rule=protection.rule,
            screening=screened(learned.rows[there], screen=workload.screen, budget=f).verdicts,
            f=f,
            rng=np.random.default_rng(0),
        )
        mechanism = GaussianMechanism(
            sensitivity=protection.sensitivity, noise_multiplier=analytic_sigma(epsilon, DELTA)
        )
        exact = protection.taken(found.value)
        rng = noise_generator(Secret(seed.to_bytes(32, "big")), "airline", str(len(agents)), str(number))
        noise = rng.normal(0, mechanism.sigma, exact.shape)
        noisy = protection.put(found.value, exact + noise)
        value = workload.fold(base, workload.settled(noisy, protection=protection, sigma=mechanism.sigma))
    assert value is not None
    return _of_value(value, fleet, truth)
