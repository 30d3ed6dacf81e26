"""Trajectories become experiences that the gradients workload learns from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from workloads.gradients.experience import Experience
from workloads.trajectories.layout import Layout
from workloads.trajectories.trajectory import Ending, Trajectory


class Skip(StrEnum):
    """Why a trajectory is not learned from."""

    NOT_COMPLETE = "not_complete"
    NO_AGENT = "no_agent"
    NO_REWARD = "no_reward"
    NO_STEPS = "no_steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What came of trajectories.

    Attributes:
        experiences: agent -> its experiences, oldest first; agents sorted.
        trajectories: how many were learned from.
        steps: how many steps those had.
        skipped: reason -> trajectories.
        other_tools: steps whose tool the layout does not name.
        level_tasks: tasks whose tries all had the same reward, one try included: their advantages are 0.
    """

    experiences: Mapping[str, tuple[Experience, ...]]
    trajectories: int = 0
    steps: int = 0
    skipped: Mapping[Skip, int] = field(default_factory=dict)
    other_tools: int = 0
    level_tasks: int = 0


def advantages(rewards: Sequence[float], *, clip: float, epsilon: float = 1e-6) -> NDArray[np.float64]:
    """``(n,)``: how much better each try of one task was than its fellows, in standard deviations.

    (r - mean) / (std + epsilon) over the n tries, with the population's standard deviation, cut at -clip and clip:
    the group-relative advantage of GRPO (Shao et al., DeepSeekMath, 2024, section 4.1.2). Zero for all when all
    tries are alike: such a task says nothing about which way is better.
    """
    found = np.asarray(rewards, np.float64)
    if not len(found) or np.ptp(found) == 0:
        return np.zeros(len(found))
    return np.clip((found - found.mean()) / (found.std() + epsilon), -clip, clip)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How trajectories become experiences.

    A try of a task is worth its advantage over the agent's other tries of the task (`advantages`), and with
    ``every_step`` credit so is each of its steps: GRPO gives every token of an answer the answer's advantage likewise.
    The experience is then a bandit's, done at once. With ``last_step`` credit only the last step has the advantage,
    the others have 0 and a next state, and the learner's discounted values carry it back.

    Agents log what they do by habit, so learn with ``LearningSettings(pessimism=1.0)``: without it a policy prefers
    what was never tried to what went a little worse than average. See `workloads.gradients.training`.

    An agent's tries that name no task count as tries of one task. Agents are not compared with each other: what
    others achieved is not an agent's own data.

    Attributes:
        layout: of states and actions.
        clip: the largest advantage, and minus the smallest.
        epsilon: keeps advantages finite where tries are nearly alike.
        credit: which steps get the advantage.
    """

    layout: Layout
    clip: float = 2.0
    epsilon: float = 1e-6
    credit: Literal["every_step", "last_step"] = "every_step"

    def __post_init__(self) -> None:
        for name in ("clip", "epsilon"):
            if not 0 < getattr(self, name) < np.inf:
                raise SettingError(name=name, found=getattr(self, name), needed="above 0 and finite")
        if self.credit not in ("every_step", "last_step"):
            raise SettingError(name="credit", found=self.credit, needed="every_step or last_step")

    @property
    def rewards(self) -> tuple[float, float]:
        """The smallest and the largest reward there can be."""
        return -self.clip, self.clip

    @property
    def episodic(self) -> bool:
        """Whether experiences have next states."""
        return self.credit == "last_step"

    def convert(self, trajectories: Iterable[Trajectory]) -> Converted:
        """The experiences of trajectories, whatever order those are in.

        All tries of a task that are to be compared must be given at once.
        """
        skipped: Counter[Skip] = Counter()
        tries: dict[tuple[str, str], list[Trajectory]] = defaultdict(list)
        for trajectory in trajectories:
            reason = skipped_for(trajectory)
            if reason is not None:
                skipped[reason] += 1
            else:
                tries[str(trajectory.agent), trajectory.task or ""].append(trajectory)
        valued: list[tuple[Trajectory, float]] = []
        level = 0
        for task in sorted(tries):
            group = sorted(tries[task], key=_place)
            worth = advantages([float(one.reward or 0.0) for one in group], clip=self.clip, epsilon=self.epsilon)
            level += not worth.any()
            valued += zip(group, worth.tolist(), strict=True)
        made: dict[str, list[Experience]] = defaultdict(list)
        other = steps = learned = 0
        for trajectory, advantage in sorted(valued, key=lambda pair: _place(pair[0])):
            # A try without a step is part of the comparison: it may be what the task asked for.
            if not trajectory.steps:
                skipped[Skip.NO_STEPS] += 1
                continue
            taken = [self.layout.action(step.tool) for step in trajectory.steps]
            other += sum(action == len(self.layout.tools) for action in taken)
            learned, steps = learned + 1, steps + len(taken)
            made[str(trajectory.agent)] += self._experiences(trajectory, taken, advantage)
        return Converted(
            experiences={agent: tuple(made[agent]) for agent in sorted(made)},
            trajectories=learned,
            steps=steps,
            skipped=dict(skipped),
            other_tools=other,
            level_tasks=level,
        )

    def _experiences(self, trajectory: Trajectory, taken: Sequence[int], advantage: float) -> list[Experience]:
        rows = [tuple(row) for row in self.layout.states(trajectory).tolist()]
        whole = self.credit == "every_step"
        found: list[Experience] = []
        for place, action in enumerate(taken):
            last = place == len(taken) - 1
            done = whole or last
            found.append(
                Experience(
                    state=rows[place],
                    action=action,
                    reward=advantage if done else 0.0,
                    next_state=None if done else rows[place + 1],
                    done=done,
                )
            )
        return found


def skipped_for(trajectory: Trajectory) -> Skip | None:
    """Why a trajectory cannot be compared with others; None when it can."""
    if trajectory.ending is not Ending.COMPLETE:
        return Skip.NOT_COMPLETE
    if trajectory.agent is None:
        return Skip.NO_AGENT
    return Skip.NO_REWARD if trajectory.reward is None else None


def _place(trajectory: Trajectory) -> tuple[int, str, str]:
    return trajectory.start_ns, trajectory.key, trajectory.agent or ""
