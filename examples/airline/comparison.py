"""Who chooses tools best on tasks that nobody learned from: habit, isolated agents, a federation, a central model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from examples.airline.figures import Exam, Figures
from examples.airline.source import POOL, AirlineExperiences
from examples.workflows.comparison import Figure
from federation.errors import QuorumError, SettingError
from federation.rules import Mean
from federation.screening import Unscreened
from workloads.attacks import Adversary, attack_from
from workloads.gradients import GradientsWorkload, LearningSettings
from workloads.simulation import Simulation

MAJORITY, HABIT = "majority tool", "most frequent after the tool before"
ISOLATED, FEDERATED, CENTRAL = "isolated agents", "federated", "central model"
PLAIN_MEAN = "plain mean"
ATTACKS = ("sign_flip", "label_flip", "alie", "ipm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared.

    Attributes:
        path: of the file of runs.
        agents: how many the tasks are dealt to.
        liars: how many of them are poisoned.
        held_out_tasks: tasks that nobody learns from.
        rounds: federated rounds; the others take as many steps.
        seeds: repetitions, each with another split and other liars.
        attacks: names of the attacks.
        pessimism: with which all learn; see `workloads.gradients.training`.
    """

    path: str
    agents: int = 10
    liars: int = 3
    held_out_tasks: int = 10
    rounds: int = 60
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    attacks: tuple[str, ...] = ATTACKS
    pessimism: float = 1.0

    def __post_init__(self) -> None:
        for name in ("agents", "rounds"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not 0 <= self.liars <= (self.agents - 1) // 3:
            raise SettingError(name="liars", found=self.liars, needed=f"0 to {(self.agents - 1) // 3}: under a third")
        if not self.seeds:
            raise SettingError(name="seeds", found=self.seeds, needed="one seed or more")

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the agents."""
        return tuple(f"airline-{number:02d}" for number in range(self.agents))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Figures of every manner of choosing, one a seed.

    Attributes:
        figures: contender -> one a seed. Isolated agents are the mean over agents.
        logged: seed by seed, the mean reward over the logged steps that are held out.
        steps: seed by seed, how many those are.
    """

    figures: dict[str, list[Figures]] = field(default_factory=dict)
    logged: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def values(self, contender: str, name: str) -> np.ndarray:
        """One figure of a contender, one a seed."""
        return np.array([getattr(figures, name) for figures in self.figures[contender]])

    def mean(self, contender: str, name: str) -> tuple[float, float]:
        """Mean and standard deviation over the seeds; NaN deviation for one seed."""
        return _spread(self.values(contender, name))

    def gap(self, contender: str, other: str, name: str) -> tuple[float, float]:
        """Mean and standard deviation of the paired differences: same split, same steps."""
        return _spread(self.values(contender, name) - self.values(other, name))

    def apart(self, contender: str, other: str, name: str) -> bool:
        """Whether the 95 % interval of the mean paired difference, by Student's t, leaves out 0."""
        figure = Figure.over(list(self.values(contender, name) - self.values(other, name)))
        return bool(abs(figure.mean) > figure.half_width)


def attacked(attack: str) -> str:
    """The name of the federation under an attack."""
    return f"{FEDERATED}, {attack}"


def mean_attacked(attack: str) -> str:
    """The name of the plain mean under an attack."""
    return f"{PLAIN_MEAN}, {attack}"


def workload_of(plan: Plan, data: AirlineExperiences, *, batch: int = 32) -> GradientsWorkload:
    """The gradients workload on these data, with its own rule and screens."""
    return GradientsWorkload(data=data, learning=LearningSettings(batch=batch, capacity=8192, pessimism=plan.pessimism))


def compare(plan: Plan, *, tell: Callable[[str], None] = lambda _: None) -> Comparison:
    """Learn and judge once per seed."""
    comparison = Comparison()
    for seed in plan.seeds:
        data = AirlineExperiences(path=plan.path, agents=plan.names, seed=seed, held_out_tasks=plan.held_out_tasks)
        exam = Exam(data.split.conversion.layout, data.split.training, data.split.held_out)
        for contender, figures in _judged(plan, data, exam, seed).items():
            comparison.figures.setdefault(contender, []).append(figures)
        comparison.logged.append(exam.logged_reward)
        comparison.steps.append(len(exam.taken))
        tell(f"seed {seed}: judged on {len(exam.taken)} steps of {plan.held_out_tasks} held-out tasks")
    return comparison


def _judged(plan: Plan, data: AirlineExperiences, exam: Exam, seed: int) -> dict[str, Figures]:
    shared = workload_of(plan, data)
    # The central model sees as many samples a step as all agents together.
    central = workload_of(plan, data, batch=32 * plan.agents)

    def learned(workload: GradientsWorkload, agents: Sequence[str], **settings: object) -> Figures:
        simulation = Simulation(workload, agents, seed=seed, **settings)  # pyright: ignore[reportArgumentType]
        try:
            for _ in simulation.steps(plan.rounds):
                pass
        except QuorumError:
            # One that has learned all it can sends the same again, which the gate takes for a replay.
            if len(agents) > 1:
                raise
        return exam.figures(workload.predict(simulation.value, exam.states))

    alone = [learned(shared, (agent,), f=0, rule=Mean(), screen=Unscreened()) for agent in plan.names]
    found = {
        MAJORITY: exam.figures(exam.majority),
        HABIT: exam.figures(exam.habit),
        ISOLATED: Figures(
            accuracy=float(np.mean([each.accuracy for each in alone])),
            solved_accuracy=float(np.nanmean([each.solved_accuracy for each in alone])),
            reward=float(np.nanmean([each.reward for each in alone])),
        ),
        FEDERATED: learned(shared, plan.names),
        PLAIN_MEAN: learned(shared, plan.names, rule=Mean(), screen=Unscreened()),
        CENTRAL: learned(central, (POOL,), f=0, rule=Mean(), screen=Unscreened()),
    }
    drawn = np.random.default_rng([seed, 52]).choice(plan.agents, size=plan.liars, replace=False)
    liars = frozenset(plan.names[row] for row in drawn)
    for attack in plan.attacks if liars else ():
        lies = Adversary(agents=liars, attack=attack_from(attack), seed=seed)
        found[attacked(attack)] = learned(shared, plan.names, corruption=lies)
        found[mean_attacked(attack)] = learned(shared, plan.names, corruption=lies, rule=Mean(), screen=Unscreened())
    return found


def _spread(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")
