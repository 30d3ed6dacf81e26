from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ExperienceError, SettingError
from workloads.gradients import Experience, Experiences
from workloads.gradients.replay import ReplayBuffers, draws


def numbered(first: int, count: int, *, done: bool = True) -> Experiences:
    values = np.arange(first, first + count, dtype=np.float32)
    return Experiences(
        states=np.stack([values, -values], axis=1),
        actions=(values.astype(np.int32) % 3).astype(np.int32),
        rewards=values,
        next_states=None if done else np.stack([values + 1, values], axis=1),
        done=np.full(count, done),
    )


@given(
    sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=12), capacity=st.integers(1, 8)
)
@settings(max_examples=60, deadline=None)
def test_each_agent_keeps_its_newest_in_order(sizes: list[tuple[int, int]], capacity: int) -> None:
    memory = ReplayBuffers(3, 2, capacity=capacity)
    lived: list[list[float]] = [[], [], []]
    for turn, (agent, count) in enumerate(sizes):
        first = 100 * turn
        held = memory.extend(agent, numbered(first, count))
        lived[agent].extend(range(first, first + count))
        assert held == min(len(lived[agent]), capacity)
    for agent in range(3):
        kept = memory.held(agent)
        assert kept.rewards.tolist() == lived[agent][-capacity:]
        assert kept.states[:, 0].tolist() == lived[agent][-capacity:]
        assert kept.actions.tolist() == [int(value) % 3 for value in lived[agent][-capacity:]]


def test_places_do_not_depend_on_how_experiences_came_together() -> None:
    one, many = ReplayBuffers(1, 2, capacity=4), ReplayBuffers(1, 2, capacity=4)
    one.extend(0, numbered(0, 11))
    for number in range(11):
        many.extend(0, numbered(number, 1))
    everywhere = np.zeros((1, 1), np.intp), np.arange(4)[None]
    assert np.array_equal(one.states(everywhere), many.states(everywhere))
    one.extend(0, numbered(11, 1))
    many.extend(0, numbered(11, 1))
    assert np.array_equal(one.rewards, many.rewards)


def test_next_states_take_memory_only_when_there_are_some() -> None:
    memory = ReplayBuffers(2, 2, capacity=10)
    memory.extend(0, numbered(0, 4))
    assert not memory.follows
    memory.extend(1, numbered(10, 3, done=False))
    memory.extend(0, numbered(20, 1))
    assert memory.follows
    assert memory.held(0).next_states is None
    assert memory.held(1).next_states is not None
    assert np.array_equal(memory.held(1).next_states, numbered(10, 3, done=False).next_states)  # type: ignore[arg-type]


def test_held_experiences_do_not_alias_the_memory() -> None:
    memory = ReplayBuffers(1, 2, capacity=4)
    memory.extend(0, numbered(0, 4))
    memory.held(0).states[:] = 99
    assert memory.held(0).states.max() == 3


def test_histogram_counts_actions_and_is_zero_when_idle() -> None:
    memory = ReplayBuffers(2, 2, capacity=4)
    memory.extend(0, numbered(0, 4))
    assert memory.histogram(3).tolist() == [[0.5, 0.25, 0.25], [0, 0, 0]]


@given(
    seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6),
    counts=st.lists(st.integers(1, 500), min_size=6, max_size=6),
    steps=st.integers(1, 12),
)
@settings(max_examples=40, deadline=None)
def test_draws_depend_on_nobody_else(seeds: list[int], counts: list[int], steps: int) -> None:
    given_seeds, held = np.array(seeds, np.uint64), np.array(counts[: len(seeds)], np.int64)
    together = draws(given_seeds, held, steps=steps, batch=8)
    assert together.shape == (len(seeds), steps, 8)
    assert (together >= 0).all()
    assert (together < held[:, None, None]).all()
    for row in range(len(seeds)):
        alone = draws(given_seeds[row : row + 1], held[row : row + 1], steps=steps, batch=8)
        assert np.array_equal(alone[0], together[row])


def test_a_round_of_draws_covers_the_memory_evenly() -> None:
    found = draws(np.array([5], np.uint64), np.array([320], np.int64), steps=10, batch=32)
    counts = np.bincount(found.ravel(), minlength=320)
    assert counts.tolist() == [1] * 320
    other = draws(np.array([6], np.uint64), np.array([3200], np.int64), steps=10, batch=32)
    assert len(np.unique(other)) == 320


def test_an_empty_memory_is_drawn_from_safely() -> None:
    assert (draws(np.array([1], np.uint64), np.array([0], np.int64), steps=2, batch=4) == 0).all()


def test_records_that_do_not_fit_are_refused() -> None:
    good = Experience(state=(1.0, 2.0), action=1, reward=0.5)
    assert len(Experiences.of([good], features=2, actions=2)) == 1
    for bad in (
        Experience(state=(1.0,), action=1, reward=0.5),
        Experience(state=(1.0, 2.0), action=2, reward=0.5),
        Experience(state=(1.0, 2.0), action=-1, reward=0.5),
        Experience(state=(1.0, float("nan")), action=1, reward=0.5),
        Experience(state=(1.0, 2.0), action=1, reward=float("inf")),
        Experience(state=(1.0, 2.0), action=1, reward=0.5, done=False),
    ):
        with pytest.raises(ExperienceError):
            Experiences.of([good, bad], features=2, actions=2)
    with pytest.raises(SettingError):
        ReplayBuffers(1, 2, capacity=0)
