"""The learned managers of the comparison: the same learner and data, alone, federated, attacked, pooled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from examples.workflows.comparison import (
    ATTACKED,
    ATTACKED_MEAN,
    ATTACKED_SCREENED_MEAN,
    FEDERATED,
    FEDERATED_MEAN,
    POOLED,
    SCREENED_MEAN,
    Learnt,
    Plan,
)
from examples.workflows.learning import federate, policy_of
from examples.workflows.source import WorkflowExperiences
from federation.rules import Mean
from federation.terms import fault_bound
from federation.workload import Rows
from workloads.gradients import GradientsWorkload

LIE = -3.0


def workload_of(source: WorkflowExperiences) -> GradientsWorkload:
    """The workload that a swarm would be started with for this data."""
    return GradientsWorkload(data=source)


def sign_flip(rows: Rows, lying: NDArray[np.bool_], rng: np.random.Generator) -> Rows:
    """Liars send three times the opposite of what they learned: a loud attack, which a screen by distance sees."""
    del rng
    return np.where(lying[:, None], np.float32(LIE) * rows, rows)


def liars_of(agents: tuple[str, ...]) -> tuple[str, ...]:
    """As many agents as the fault bound allows, spread evenly over the list, and so over the kinds."""
    count = fault_bound(len(agents))
    return tuple(agents[place] for place in np.linspace(0, len(agents) - 1, count).round().astype(int))


def learn(plan: Plan, seed: int) -> Learnt:
    """All learned managers, from the lives of one seed."""
    source = WorkflowExperiences(per_kind=plan.agents_per_kind, turns=plan.explore_turns, seed=seed)
    agents = source.lives.agents
    robust = workload_of(source)
    # The oracle and the isolated have no liar among them, so they learn by the mean of themselves.
    plain = replace(robust, rule=Mean())
    pooled = replace(plain, data=replace(source, pooled=True))
    liars = liars_of(agents)
    shared = {
        FEDERATED: (robust, agents, (), True),
        ATTACKED: (robust, agents, liars, True),
        SCREENED_MEAN: (plain, agents, (), True),
        ATTACKED_SCREENED_MEAN: (plain, agents, liars, True),
        FEDERATED_MEAN: (plain, agents, (), False),
        ATTACKED_MEAN: (plain, agents, liars, False),
        POOLED: (pooled, pooled.data.agents, (), False),
    }
    return Learnt(
        agents=agents,
        experiences=len(source.lives),
        isolated=tuple(
            policy_of(plain, federate(plain, (agent,), rounds=plan.rounds, seed=seed, screening=False))
            for agent in agents
        ),
        shared={
            name: policy_of(
                workload,
                federate(
                    workload,
                    who,
                    rounds=plan.rounds,
                    seed=seed,
                    screening=screening,
                    liars=lying,
                    lie=sign_flip,
                ),
            )
            for name, (workload, who, lying, screening) in shared.items()
        },
    )
