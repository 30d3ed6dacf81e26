"""The memories of all agents of a host: one ring a row, in shared columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from workloads.gradients.experience import Experiences
from workloads.gradients.states import StateTable

NOWHERE = -1
"""The place of a next state that there is none of."""

Places = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Numbers of agents and slots in their memories, broadcast against each other."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class ReplayBuffers:
    """Ring buffers of k agents: each holds its newest ``capacity`` experiences.

    The columns are ``(k, room, ...)`` arrays that grow by doubling up to the capacity, so that memory
    follows what is held. States are places in a table that keeps each distinct one once. Next states
    take memory only once an experience is not done.

    Args:
        agents: how many, k.
        features: of a state.
        capacity: the most experiences that an agent keeps.
    """

    def __init__(self, agents: int, features: int, *, capacity: int) -> None:
        if capacity < 1:
            raise SettingError(name="capacity", found=capacity, needed="1 or more")
        self.capacity = capacity
        self.features = features
        self.counts = np.zeros(agents, np.int64)
        self._next = np.zeros(agents, np.int64)
        self._table = StateTable(features)
        self._states = np.zeros((agents, 0), np.int32)
        self.actions = np.zeros((agents, 0), np.int32)
        self.rewards = np.zeros((agents, 0), np.float32)
        self.done = np.zeros((agents, 0), np.bool_)
        self._next_states: NDArray[np.int32] | None = None

    def extend(self, agent: int, experiences: Experiences) -> int:
        """Add to the memory of agent number ``agent``, over its oldest where it is full. Returns what it holds.

        Where an experience comes to lie depends on how many came before it, not on how many came with it.
        """
        total = len(experiences)
        kept = experiences if total <= self.capacity else experiences.take(slice(total - self.capacity, None))
        m = len(kept)
        self._grow(min(int(self.counts[agent]) + m, self.capacity))
        if kept.next_states is not None and self._next_states is None:
            self._next_states = np.full_like(self._states, NOWHERE)
        slots = (self._next[agent] + np.arange(total - m, total)) % self.capacity
        self._forget(agent, slots[slots < self.counts[agent]])
        self._states[agent, slots] = self._table.keep(kept.states)
        self.actions[agent, slots] = kept.actions
        self.rewards[agent, slots] = kept.rewards
        self.done[agent, slots] = kept.done
        if self._next_states is not None:
            self._next_states[agent, slots] = NOWHERE
            if kept.next_states is not None:
                self._next_states[agent, slots] = self._table.keep(kept.next_states)
        self._next[agent] = (self._next[agent] + total) % self.capacity
        self.counts[agent] = min(int(self.counts[agent]) + m, self.capacity)
        return int(self.counts[agent])

    def held(self, agent: int) -> Experiences:
        """What an agent holds, oldest first. A copy."""
        count = int(self.counts[agent])
        start = int(self._next[agent]) if count == self.capacity else 0
        rows = (start + np.arange(count)) % self.capacity
        done = self.done[agent, rows]
        following = None
        if self._next_states is not None and not done.all():
            following = _seen(self._table.rows, self._next_states[agent, rows])[:, :-1]
        return Experiences(
            states=self._table.rows[self._states[agent, rows], :-1],
            actions=self.actions[agent, rows],
            rewards=self.rewards[agent, rows],
            next_states=following,
            done=done,
        )

    @property
    def follows(self) -> bool:
        """Whether any experience has a next state."""
        return self._next_states is not None

    def states(self, at: Places) -> NDArray[np.float32]:
        """``(..., features + 1)``: the states at (agents, slots), with a constant 1 for the bias."""
        return self._table.rows[self._states[at]]

    def next_states(self, at: Places) -> NDArray[np.float32]:
        """``(..., features + 1)``: what followed the states at (agents, slots); zeros where nothing did."""
        if self._next_states is None:
            return np.zeros((*np.broadcast_shapes(at[0].shape, at[1].shape), self.features + 1), np.float32)
        return _seen(self._table.rows, self._next_states[at])

    def _forget(self, agent: int, slots: NDArray[np.intp]) -> None:
        if not len(slots):
            return
        self._table.release(self._states[agent, slots])
        if self._next_states is not None:
            following = self._next_states[agent, slots]
            self._table.release(following[following != NOWHERE])

    def histogram(self, actions: int) -> NDArray[np.float64]:
        """``(k, actions)``: how often each agent took each action; rows sum to 1, or to 0 when idle."""
        k = len(self.counts)
        counts = np.zeros((k, actions))
        for agent in range(k):
            held = int(self.counts[agent])
            if held:
                counts[agent] = np.bincount(self.actions[agent, :held], minlength=actions) / held
        return counts

    def _grow(self, needed: int) -> None:
        room = self.actions.shape[1]
        if needed <= room:
            return
        # The first fill is taken at its size; what grows later doubles.
        larger = needed if room == 0 else min(max(needed, 2 * room), self.capacity)
        self._states = _wider(self._states, larger)
        self.actions = _wider(self.actions, larger)
        self.rewards = _wider(self.rewards, larger)
        self.done = _wider(self.done, larger)
        if self._next_states is not None:
            self._next_states = _wider(self._next_states, larger, NOWHERE)


def _wider(column: NDArray, room: int, empty: int = 0) -> NDArray:
    wider = np.full((column.shape[0], room), empty, column.dtype)
    wider[:, : column.shape[1]] = column
    return wider


def _seen(rows: NDArray[np.float32], places: NDArray[np.int32]) -> NDArray[np.float32]:
    found = rows[places]
    found[places == NOWHERE] = 0
    return found


def draws(seeds: NDArray[np.uint64], counts: NDArray[np.int64], *, steps: int, batch: int) -> NDArray[np.intp]:
    """``(k, steps, batch)`` positions in each agent's memory, from its own seed and count alone.

    Draws are stratified: place b of a batch falls into the b-th of ``batch`` equal parts of the memory, and
    over the steps its offset goes through equal parts of that part in turn. So every batch covers the
    memory evenly, which leaves less noise between honest agents than independent draws would. The
    random numbers are SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) of (seed, step, place): a numpy
    Generator an agent would cost more than the learning. Agents with an empty memory get zeros.
    """
    places = np.arange(steps * batch, dtype=np.uint64).reshape(steps, batch)
    turn = _uniform(_mixed(seeds[:, None] ^ _GOLDEN, np.arange(batch, dtype=np.uint64)))
    inner = _uniform(_mixed(seeds[:, None, None], places))
    step = np.arange(steps)[None, :, None]
    offset = ((step + np.floor(turn * steps)[:, None, :]) % steps + inner) / steps
    share = (np.arange(batch)[None, None, :] + offset) / batch
    held = counts[:, None, None]
    return np.minimum((share * held).astype(np.intp), np.maximum(held - 1, 0))


def _mixed(seeds: NDArray[np.uint64], counter: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = seeds + (counter + np.uint64(1)) * _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * _MIX[0]
        state = (state ^ (state >> np.uint64(27))) * _MIX[1]
    return state ^ (state >> np.uint64(31))


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
