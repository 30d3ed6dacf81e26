"""Who manages systems best that nobody has seen before: rules, isolated agents, a federation, oracles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.agent import Policy
from examples.workflows.episode import Chooser, Moment, run
from examples.workflows.fleet import Actions
from examples.workflows.policies import at_random, clairvoyant, fixed_rule
from examples.workflows.profiles import MET, UNMET, draw
from federation.errors import SettingError

Floats = NDArray[np.float64]

CHANCE, RULE, CLAIRVOYANT = "random", "fixed rule", "clairvoyant"
ISOLATED, POOLED = "isolated agents", "pooled data (oracle)"
FEDERATED, ATTACKED = "federated", "federated, a third lies"
SCREENED_MEAN, ATTACKED_SCREENED_MEAN = "screened mean", "screened mean, a third lies"
FEDERATED_MEAN, ATTACKED_MEAN = "plain mean", "plain mean, a third lies"
OWN, MET_NAME, UNMET_NAME = "own kind", "kinds met by some agent", "kinds met by none"
# Student's t at 97.5 % for 1 to 20 degrees of freedom; beyond, the normal's is within 7 %.
T_975 = np.array([12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228])
T_975 = np.append(T_975, [2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086])
GROUPS = (OWN, MET_NAME, UNMET_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared.

    Attributes:
        agents_per_kind: agents that learn, on a system each, of each of the four kinds that are met.
        explore_turns: turns that they try adaptations at random.
        rounds: federated rounds; isolated agents and the pooled oracle learn for as many.
        held_out: systems per kind, of the four kinds met and the three not met, to be judged on.
        turns: turns that each of those is managed.
        seeds: repetitions, each with other systems, weather and luck.
        clairvoyance: whether to run the clairvoyant, which takes as long as all others together.
    """

    agents_per_kind: int = 6
    explore_turns: int = 300
    rounds: int = 60
    held_out: int = 8
    turns: int = 60
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    clairvoyance: bool = True

    def __post_init__(self) -> None:
        for name in ("agents_per_kind", "rounds", "held_out", "turns"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not self.seeds:
            raise SettingError(name="seeds", found=self.seeds, needed="one seed or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """The policies that came of one set of lives.

    Attributes:
        agents: who lived them.
        experiences: how many experiences they had.
        isolated: a policy for each agent, learned from its own lives alone.
        shared: manager -> policy.
    """

    agents: tuple[str, ...]
    experiences: int
    isolated: tuple[Policy, ...]
    shared: dict[str, Policy]


Learn = Callable[[Plan, int], Learnt]
"""What is compared, and a seed -> policies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean over seeds and half the width of its 95 % confidence interval; NaN for a single seed."""

    mean: float
    half_width: float

    @classmethod
    def over(cls, values: Sequence[float]) -> Figure:
        """From one value per seed, by Student's t."""
        n = len(values)
        if n < 2:
            return cls(mean=float(np.mean(values)), half_width=float("nan"))
        error = float(np.std(values, ddof=1) / np.sqrt(n))
        return cls(mean=float(np.mean(values)), half_width=float(T_975[n - 2] if n <= 21 else 1.96) * error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Reward per turn of every manager on held-out systems.

    Attributes:
        rewards: manager -> group of systems -> one value per seed. Isolated agents are the mean over agents.
        experiences: how many experiences all agents together had, per seed.
    """

    rewards: dict[str, dict[str, list[float]]]
    experiences: list[int]

    def figure(self, manager: str, group: str) -> Figure:
        """Mean reward and its interval."""
        return Figure.over(self.rewards[manager][group])

    def difference(self, manager: str, other: str, group: str) -> Figure:
        """Mean of the paired differences of reward: same systems, same weather."""
        pairs = zip(self.rewards[manager][group], self.rewards[other][group], strict=True)
        return Figure.over([mine - theirs for mine, theirs in pairs])


def by_policies(policies: Sequence[Policy]) -> Chooser:
    """A chooser for copies of the same systems side by side, the i-th copy run by the i-th policy."""

    def choose(moment: Moment) -> Actions:
        parts = np.split(moment.signals.states, len(policies))
        return np.concatenate([policy(part) for policy, part in zip(policies, parts, strict=True)])

    return choose


def compare(plan: Plan, learn: Learn, *, tell: Callable[[str], None] = lambda _: None) -> Comparison:
    """Learn and judge once per seed."""
    rewards: dict[str, dict[str, list[float]]] = {}
    experiences: list[int] = []
    for seed in plan.seeds:
        learnt = learn(plan, seed)
        experiences.append(learnt.experiences)
        tell(f"seed {seed}: learned from {learnt.experiences} experiences of {len(learnt.agents)} agents")
        for manager, groups in _judge(plan, learnt, seed).items():
            for group, reward in groups.items():
                rewards.setdefault(manager, {}).setdefault(group, []).append(reward)
        tell(f"seed {seed}: judged on {plan.held_out} held-out systems of each kind")
    return Comparison(rewards=rewards, experiences=experiences)


def _judge(plan: Plan, learnt: Learnt, seed: int) -> dict[str, dict[str, float]]:
    kinds = (*MET, *UNMET)
    systems = draw(kinds, plan.held_out, np.random.default_rng([seed, 20]))
    met = len(MET)

    def rewards(choose: Chooser, policies: int = 1) -> Floats:
        """``(policies, kinds)``: mean reward per turn."""
        episode = run(systems, choose, seed=seed + 1000, turns=plan.turns, policies=policies)
        return episode.rewards.mean(0).reshape(policies, len(kinds), plan.held_out).mean(2)

    def groups(table: Floats) -> dict[str, float]:
        every = float(table[:, :met].mean())
        return {OWN: every, MET_NAME: every, UNMET_NAME: float(table[:, met:].mean())}

    managers: dict[str, Chooser] = {CHANCE: at_random(np.random.default_rng([seed, 30])), RULE: fixed_rule}
    if plan.clairvoyance:
        managers[CLAIRVOYANT] = clairvoyant
    managers |= {manager: by_policies([policy]) for manager, policy in learnt.shared.items()}
    judged = {manager: groups(rewards(choose)) for manager, choose in managers.items()}
    alone = rewards(by_policies(learnt.isolated), len(learnt.isolated))
    names = [kind.name for kind in MET]
    home = [names.index(agent.rsplit("-", 1)[0]) for agent in learnt.agents]
    judged[ISOLATED] = {**groups(alone), OWN: float(alone[np.arange(len(home)), home].mean())}
    return judged
