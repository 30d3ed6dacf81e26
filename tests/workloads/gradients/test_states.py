from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.gradients import Experiences, states
from workloads.gradients.replay import ReplayBuffers
from workloads.gradients.states import StateTable


def batch(values: list[int]) -> np.ndarray:
    return np.array([[value, -value] for value in values], np.float32).reshape(len(values), 2)


@given(
    batches=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=6), min_size=1, max_size=12),
    released=st.sets(st.integers(0, 11)),
)
@settings(max_examples=80, deadline=None)
def test_places_hold_what_was_kept_and_each_state_once(batches: list[list[int]], released: set[int]) -> None:
    table, kept = StateTable(2), {}
    for number, values in enumerate(batches):
        kept[number] = (values, table.keep(batch(values)))
        if number in released:
            table.release(kept.pop(number)[1])
    for values, places in kept.values():
        assert np.array_equal(table.rows[places, :-1], batch(values))
        assert (table.rows[places, -1] == 1).all()
    assert len(table) == len({value for values, _ in kept.values() for value in values})


def test_rows_make_room_again() -> None:
    table = StateTable(2)
    for turn in range(100):
        table.release(table.keep(batch(list(range(10 * turn, 10 * turn + 10)))))
    assert len(table) == 0
    assert len(table.rows) == 64


def test_states_with_one_hash_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    everything_alike: Callable[[bytes], int] = lambda _: 7  # noqa: E731
    monkeypatch.setattr(states, "hash", everything_alike, raising=False)
    table = StateTable(2)
    one, two = table.keep(batch([1, 2])), table.keep(batch([2, 1]))
    assert table.rows[one, 0].tolist() == [1, 2]
    assert table.rows[two, 0].tolist() == [2, 1]
    table.release(one)
    assert table.rows[two, 0].tolist() == [2, 1]
    table.release(two)
    assert len(table) == 0


@pytest.mark.parametrize("following", [False, True])
def test_memories_forget_the_states_that_they_overwrite(following: bool) -> None:
    memory = ReplayBuffers(2, 1, capacity=8)
    for turn in range(50):
        values = np.arange(5 * turn, 5 * turn + 5, dtype=np.float32)[:, None]
        memory.extend(
            turn % 2,
            Experiences(
                states=values,
                actions=np.zeros(5, np.int32),
                rewards=np.zeros(5, np.float32),
                next_states=values + 1000 if following else None,
                done=np.full(5, not following),
            ),
        )
    assert len(memory._table) == 16 * (1 + following)
