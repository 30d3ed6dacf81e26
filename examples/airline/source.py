"""The recorded runs as a data source of the gradients workload, by way of OTLP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.airline.runs import runs_in
from examples.airline.spans import EVALUATION, bodies_of
from federation.errors import SettingError
from gateway.otlp import Encoding, Signal, decoded
from workloads.gradients.experience import Experiences
from workloads.gradients.source import HeldOut
from workloads.trajectories import Admission, Assembler, Conversion, Layout, Scoring, Trajectory

POOL = "pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Trajectories to learn from, by the agents that have their tasks, and those held out."""

    training: tuple[Trajectory, ...]
    held_out: tuple[Trajectory, ...]
    conversion: Conversion


@lru_cache(maxsize=2)
def trajectories_of(path: str) -> tuple[Trajectory, ...]:
    """What the ingest path makes of the runs: OTLP in protobuf, through the door, assembled. Once per process."""
    runs = runs_in(Path(path))
    admission = Admission()
    assembler = Assembler(admission=admission, scoring=Scoring(name=EVALUATION))
    found: list[Trajectory] = []
    for traces, logs in bodies_of(runs, {run.task: "airline" for run in runs}):
        spans = decoded(traces, Signal.TRACES, Encoding.PROTOBUF, admission).spans
        events = decoded(logs, Signal.LOGS, Encoding.PROTOBUF, admission).events
        found += assembler.add(spans, events, now_ns=0)
    return tuple(found + assembler.finish())


@lru_cache(maxsize=8)
def split_of(path: str, agents: tuple[str, ...], seed: int, held_out_tasks: int) -> Split:
    """The runs split by task: no task is on both sides, and each task to learn from belongs to one agent."""
    trajectories = trajectories_of(path)
    tasks = sorted({str(trajectory.task) for trajectory in trajectories})
    if not 1 <= held_out_tasks <= len(tasks) - len(agents):
        raise SettingError(
            name="held_out_tasks",
            found=held_out_tasks,
            needed=f"1 to {len(tasks) - len(agents)}, a task for each agent",
        )
    shuffled = [tasks[row] for row in np.random.default_rng([seed, 50]).permutation(len(tasks))]
    owners = {task: agents[row % len(agents)] for row, task in enumerate(shuffled[held_out_tasks:])}
    training = tuple(
        replace(trajectory, agent=owners[str(trajectory.task)])
        for trajectory in trajectories
        if trajectory.task in owners
    )
    held_out = tuple(trajectory for trajectory in trajectories if trajectory.task not in owners)
    # Only the tools of training tasks are known; one that is met first in a held-out task is "other".
    return Split(training=training, held_out=held_out, conversion=Conversion(layout=Layout.learned(training, last=1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AirlineExperiences:
    """What each agent has lived through on its own tasks.

    Attributes:
        path: of the file of runs.
        agents: ids; tasks are dealt to them in turn.
        seed: of the split and the dealing.
        held_out_tasks: tasks that nobody learns from.
    """

    path: str
    agents: tuple[str, ...]
    seed: int = 0
    held_out_tasks: int = 10

    @property
    def split(self) -> Split:
        """Trajectories on both sides, and how they are converted."""
        return split_of(self.path, self.agents, self.seed, self.held_out_tasks)

    @property
    def features(self) -> int:
        return self.split.conversion.layout.length

    @property
    def actions(self) -> int:
        return self.split.conversion.layout.actions

    @property
    def rewards(self) -> tuple[float, float]:
        return self.split.conversion.rewards

    @property
    def episodic(self) -> bool:
        return self.split.conversion.episodic

    def scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Zeros and ones: features are within 0 and 1 already."""
        return np.zeros(self.features, np.float32), np.ones(self.features, np.float32)

    def shares(self, agents: Sequence[str]) -> list[Experiences]:
        """What each of these agents lived through; everything for `POOL`; empty for an unknown id."""
        return [self._share(agent) for agent in agents]

    def held_out(self) -> HeldOut:
        """The steps of the held-out runs, each with its run's advantage."""
        converted = self.split.conversion.convert(self.split.held_out)
        logged = self._columns([one for found in converted.experiences.values() for one in found])
        return HeldOut(
            states=logged.states, logged=logged, propensities=np.full(len(logged), 1.0 / self.actions, np.float64)
        )

    def probes(self) -> NDArray[np.float32]:
        """At most 256 states of training runs."""
        states = self.shares((POOL,))[0].states
        return states[np.random.default_rng([self.seed, 51]).permutation(len(states))[:256]]

    def _share(self, agent: str) -> Experiences:
        found = self.split.conversion.convert(self.split.training).experiences
        if agent == POOL:
            return self._columns([one for name in sorted(found) for one in found[name]])
        return self._columns(found.get(agent, ()))

    def _columns(self, experiences: Sequence[object]) -> Experiences:
        return Experiences.of(experiences, features=self.features, actions=self.actions)
