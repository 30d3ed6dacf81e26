"""The existing learner takes what conversion makes, and learns from it which tools are rewarded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.rules import Mean
from workloads.gradients import Experience, Experiences, GradientsWorkload, HeldOut, LearningSettings
from workloads.simulation import Simulation
from workloads.trajectories import Conversion, Layout, Trajectory

Run = Callable[..., Trajectory]
LAYOUT = Layout(tools=("a", "b", "c", "d"), last=1)


@dataclass(frozen=True, kw_only=True)
class Log:
    """What one agent has logged."""

    found: tuple[Experience, ...]
    rewards: tuple[float, float]
    agents: tuple[str, ...] = ("me",)
    features: int = LAYOUT.length
    actions: int = LAYOUT.actions
    episodic: bool = False

    def scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.zeros(self.features, np.float32), np.ones(self.features, np.float32)

    def shares(self, agents: Sequence[str]) -> list[Experiences]:
        return [Experiences.of(self.found, features=self.features, actions=self.actions) for _ in agents]

    def held_out(self) -> HeldOut:
        return HeldOut(states=np.zeros((0, self.features), np.float32))

    def probes(self) -> NDArray[np.float32]:
        return self.shares(("me",))[0].states


def chosen(runs: Sequence[Trajectory], *, pessimism: float) -> list[str]:
    """The tools that the policy chooses in the states before each step of the first run."""
    conversion = Conversion(layout=LAYOUT)
    log = Log(found=conversion.convert(runs).experiences["me"], rewards=conversion.rewards)
    workload = GradientsWorkload(data=log, learning=LearningSettings(pessimism=pessimism))
    simulation = Simulation(workload, ("me",), f=0, rule=Mean())
    for _ in simulation.steps(30):
        pass
    states = LAYOUT.states(runs[0])[: len(runs[0].steps)]
    return [LAYOUT.tool(int(action)) for action in workload.predict(simulation.value, states)]


def test_what_succeeded_is_preferred_to_what_failed_more_often(run: Run) -> None:
    """Two tries of three go a, c and fail; one goes a, b and succeeds."""
    runs = [run("a b", key="0", task="t", reward=1.0)]
    runs += [run("a c", key=str(number), task="t", reward=0.0, start=number) for number in (1, 2)]
    assert chosen(runs, pessimism=1.0) == ["a", "b"]


def test_without_pessimism_it_flees_into_what_was_never_tried(run: Run) -> None:
    """The reason for pessimism: after b only b was ever tried, in a try that failed, and all else seems average."""
    runs = [run("b b", key="0", task="t", reward=0.0), run("a", key="1", task="t", reward=1.0, start=1)]
    first, second = chosen(runs, pessimism=0.0)
    assert first == "a"
    assert second != "b"
    assert chosen(runs, pessimism=1.0) == ["a", "b"]
