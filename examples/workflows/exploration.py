"""What agents live through while they try adaptations out on their own systems: the data to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.workflows.episode import DISCOUNT, HORIZON, Episode, run
from examples.workflows.fleet import NO_ACTION
from examples.workflows.policies import at_random
from examples.workflows.profiles import Systems
from federation.errors import SettingError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Experiences of k agents, one agent a system; m rows, agent by agent and in order of time.

    Attributes:
        agents: ``(k,)`` ids.
        owner: ``(m,)``: position in ``agents``.
        states, next_states: ``(m, 18) float32``; the next state is that of the following turn.
        actions: ``(m,)``: `Adaptation`, drawn with equal chances.
        rewards: ``(m,)``: discounted mean of the rewards of the `HORIZON` turns that followed. One turn is
            too short: servers start, drift is taken out and leases end over several.
        done: ``(m,)``: True where the following turn had no symptom.
    """

    agents: tuple[str, ...]
    owner: NDArray[np.intp]
    states: NDArray[np.float32]
    actions: NDArray[np.intp]
    rewards: Floats
    next_states: NDArray[np.float32]
    done: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.owner)

    def of(self, agent: str) -> Lives:
        """The experiences of one agent."""
        place = self.agents.index(agent)
        return self._where(self.owner == place, (agent,), np.zeros((self.owner == place).sum(), np.intp))

    def pooled(self, name: str) -> Lives:
        """All experiences, as those of a single agent of this name."""
        return self._where(np.ones(len(self), np.bool_), (name,), np.zeros(len(self), np.intp))

    def _where(self, mask: NDArray[np.bool_], agents: tuple[str, ...], owner: NDArray[np.intp]) -> Lives:
        return Lives(
            agents=agents,
            owner=owner,
            states=self.states[mask],
            actions=self.actions[mask],
            rewards=self.rewards[mask],
            next_states=self.next_states[mask],
            done=self.done[mask],
        )


def explore(systems: Systems, *, seed: int, turns: int) -> Lives:
    """What one agent on each system lives through in so many turns when it adapts at random.

    Raises:
        SettingError: when that is less than one horizon.
    """
    if turns < HORIZON:
        raise SettingError(name="turns", found=turns, needed=f"{HORIZON} or more")
    episode = run(systems, at_random(np.random.default_rng([seed, 2])), seed=seed, turns=turns)
    whole = turns - HORIZON + 1  # the last turns have no full horizon after them
    acted = episode.actions[:whole] != NO_ACTION
    owner, time = np.nonzero(acted.T)
    return Lives(
        agents=tuple(f"{kind}-{place:03d}" for place, kind in enumerate(systems.kinds)),
        owner=owner,
        states=episode.states[time, owner],
        actions=episode.actions[time, owner],
        rewards=returns(episode)[time, owner],
        next_states=episode.states[time + 1, owner],
        done=episode.actions[time + 1, owner] == NO_ACTION,
    )


def returns(episode: Episode) -> Floats:
    """``(t - HORIZON + 1, n)``: discounted means of the rewards of `HORIZON` turns, from each turn on."""
    weights = DISCOUNT ** np.arange(HORIZON)
    windows = np.lib.stride_tricks.sliding_window_view(episode.rewards, HORIZON, axis=0)
    return windows @ weights / weights.sum()
