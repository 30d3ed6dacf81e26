"""What a choice of tools is worth on runs that nobody learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.trajectories import Layout, Trajectory

SMOOTHING = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one manner of choosing, on held-out tasks.

    Attributes:
        accuracy: share of the logged steps whose tool it would have chosen too.
        solved_accuracy: the same over the steps of runs that solved their task.
        reward: expected reward, estimated from the steps that it agrees with; NaN where there are none.
    """

    accuracy: float
    solved_accuracy: float
    reward: float


class Exam:
    """The steps of held-out runs.

    The expected reward is the self-normalised estimate of Swaminathan and Joachims (NeurIPS 2015), a step at a time:
    the rewards of the runs in which the logged agent did what the policy would have done, each over the probability
    that the logged agent did it. That is estimated from the training runs, by the tool before, smoothed. It tells how
    good the company is in which a policy finds itself, not what would happen if it ran by itself.

    Args:
        layout: of states and actions.
        training: runs that are learned from.
        held_out: runs that are not.
    """

    def __init__(self, layout: Layout, training: Sequence[Trajectory], held_out: Sequence[Trajectory]) -> None:
        runs = [run for run in held_out if run.steps]
        self.states = np.concatenate([layout.states(run)[:-1] for run in runs])
        self.taken = np.array([layout.action(step.tool) for run in runs for step in run.steps], np.intp)
        self.rewards = np.array([float(run.reward or 0.0) for run in runs for _ in run.steps])
        habits = np.full((layout.actions + 1, layout.actions), SMOOTHING)
        for run in training:
            np.add.at(habits, (_before(layout, run), _taken(layout, run)), 1)
        before = np.concatenate([_before(layout, run) for run in runs])
        self.majority = np.full(len(self.taken), habits.sum(axis=0).argmax())
        self.habit = habits.argmax(axis=1)[before]
        self.propensities = (habits / habits.sum(axis=1, keepdims=True))[before, self.taken]

    def figures(self, chosen: NDArray[np.intp]) -> Figures:
        """Of ``(steps,)`` chosen actions."""
        agrees = chosen == self.taken
        weights = agrees / self.propensities
        solved = self.rewards > 0
        return Figures(
            accuracy=float(agrees.mean()),
            solved_accuracy=float(agrees[solved].mean()) if solved.any() else float("nan"),
            reward=float(weights @ self.rewards / weights.sum()) if agrees.any() else float("nan"),
        )

    @property
    def logged_reward(self) -> float:
        """The mean reward over the logged steps."""
        return float(self.rewards.mean())


def _taken(layout: Layout, run: Trajectory) -> NDArray[np.intp]:
    return np.array([layout.action(step.tool) for step in run.steps], np.intp)


def _before(layout: Layout, run: Trajectory) -> NDArray[np.intp]:
    """The tool before each step; one more than there are, before the first."""
    taken = _taken(layout, run)
    return np.concatenate([[layout.actions], taken[:-1]]).astype(np.intp)[: len(taken)]
