"""Learning from agents' lives, in this process: the arithmetic of the swarm's rounds without its actors.

The rounds are those that `actors.Swarm` runs (learn, screen, aggregate, fold), less signatures,
deadlines and telemetry. So a policy learned here is what the swarm would release.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from actors.agent import Policy
from federation.aggregation import aggregated, screened
from federation.terms import Tuning, fault_bound
from federation.verdict import Verdicts
from federation.workload import Row, Rows, Workload

Lie = Callable[[Rows, NDArray[np.bool_], np.random.Generator], Rows]
"""All rows of a round, which of them liars send, luck -> what is sent instead. A new array."""


def federate(
    workload: Workload,
    agents: Sequence[str],
    *,
    rounds: int,
    seed: int,
    screening: bool = True,
    liars: Sequence[str] = (),
    lie: Lie | None = None,
) -> Row:
    """The release after so many rounds of these agents, with the workload's own rule, and its screen if asked.

    f is the swarm's default, floor((n - 1) / 3) of the agents. With a single agent this is learning alone.
    """
    learner = workload.learner(tuple(agents), seed=seed)
    names = learner.agents
    lying = np.isin(names, list(liars))
    value = workload.genesis(seed)
    for number in range(1, rounds + 1):
        rng = np.random.default_rng([seed, number])
        seeds = rng.integers(0, 2**63, len(names), dtype=np.uint64)
        learned = learner.learn(value, round_number=number, seeds=seeds, tuning=Tuning())
        rows = lie(learned.rows, lying, rng) if lie and lying.any() else learned.rows
        rows, weights = rows[~learned.idle], learned.weights[~learned.idle]
        if not len(rows):
            continue
        f = min(fault_bound(len(names)), fault_bound(len(rows)))
        if screening:
            verdicts = screened(rows, screen=workload.screen, budget=f).verdicts
        else:
            verdicts = Verdicts.accepting(len(rows), rule="none")
        outcome = aggregated(rows, weights, rule=workload.rule, screening=verdicts, f=f, rng=rng)
        value = workload.fold(value, np.asarray(outcome.value, np.float32))
    return value


def policy_of(workload: Workload, value: Row) -> Policy:
    """The release as a policy."""
    return lambda states: workload.predict(value, states)
