"""What the drill's swarm works with: experiences in a file, systems to adapt, validators that do not always agree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workloads.gradients import GradientsWorkload

FEATURES = 6
ACTIONS = 4


@dataclass(frozen=True, kw_only=True)
class TornWorkload(GradientsWorkload):
    """The gradients workload, of which every second release looks far away to every validator but the first."""

    def divergence(self, old: NDArray[np.float32], new: NDArray[np.float32], *, probe: int) -> float:
        """The policies' divergence; a thousand times more, now and then, for a second opinion."""
        found = super().divergence(old, new, probe=probe)
        torn = int(np.abs(new).sum(dtype=np.float64) * 1e6) % 2
        return found * 1e3 if probe and torn else found

    def evaluate(self, value: NDArray[np.float32]) -> Mapping[str, float]:
        """What the gradients workload measures, and how often the policy does what is right."""
        states = np.random.default_rng(7).random((200, FEATURES), np.float32)
        right = self.predict(value, states) == states[:, :ACTIONS].argmax(axis=1)
        return {**super().evaluate(value), "accuracy": float(right.mean())}


@dataclass(frozen=True, slots=True)
class Systems:
    """Managed systems that take every adaptation but scaling out."""

    def adapt(self, agent: str, adaptation: str, symptom: str) -> str:
        """Say what was done.

        Raises:
            RuntimeError: when there is nothing to scale out to.
        """
        if adaptation == "scale_out":
            raise RuntimeError(f"{agent} has no room to scale out")
        return f"{adaptation} for {symptom}"


def write_experiences(path: Path, agents: Sequence[str], *, each: int, seed: int) -> None:
    """Write experiences of a task in which the largest of the first four features is the right action."""
    rng = np.random.default_rng(seed)
    with path.open("w") as file:
        for agent in agents:
            states = rng.random((each, FEATURES)).round(4)
            actions = rng.integers(0, ACTIONS, each)
            for state, action in zip(states, actions.tolist(), strict=True):
                reward = float(action == int(state[:ACTIONS].argmax()))
                line = {"agent": agent, "state": state.tolist(), "action": action, "reward": reward, "done": True}
                file.write(json.dumps(line) + "\n")
