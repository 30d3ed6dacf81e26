"""The queue of deltas and the tally of calls, as values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.client.pending import LONGEST_WAIT_S, MOST, RETRIES_S, STALE_S, Pending, Queue
from gateway.client.tally import MOST_DAYS, Tally


def item(nonce: str = "a", made_at: float = 0.0, due_at: float = 0.0) -> Pending:
    return Pending(nonce=nonce, document="{}", made_at=made_at, due_at=due_at, marks={"round": 1})


def test_retries_come_after_1_min_5_min_30_min_2_h_and_12_h() -> None:
    assert [wait / 60 for wait in RETRIES_S] == [1, 5, 30, 120, 720]
    one, waits = item(), []
    for _ in range(7):
        one = one.failed(1000.0)
        waits.append(one.due_at - 1000.0)
    assert waits == [*RETRIES_S, RETRIES_S[-1], RETRIES_S[-1]]
    assert one.nonce == "a"


@pytest.mark.parametrize(("asked", "wait"), [(None, 60), (-5, 60), (3600, 3600), (1e12, LONGEST_WAIT_S)])
def test_the_server_may_put_it_off_within_a_day(asked: float | None, wait: float) -> None:
    assert item().failed(0.0, asked).due_at == wait


def test_stale_ones_go() -> None:
    queue = Queue(items=(item("a", 0.0), item("b", 10.0)))
    kept, gone = queue.fresh(STALE_S)
    assert ([one.nonce for one in kept.items], gone) == (["b"], 1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 100)), max_size=20), st.floats(0, 100))
def test_a_queue_is_short_ordered_and_survives_its_file(made: list[tuple[str, float]], now: float) -> None:
    queue = Queue()
    for nonce, due in made:
        before = queue.items
        queue, dropped = queue.with_(item(nonce, due_at=due))
        assert len(queue.items) <= MOST
        assert dropped == tuple(one for one in before if one.nonce != nonce)[: len(dropped)]
        assert queue.items[-1].nonce == nonce
    assert len({one.nonce for one in queue.items}) == len(queue.items)
    assert Queue.of(queue.plain()) == queue
    due = queue.due(now)
    assert all(one.due_at <= now for one in due)
    places = [queue.items.index(one) for one in due]
    assert places == sorted(places, reverse=True)
    for one in queue.items:
        rest, gone = queue.after(one.nonce)
        assert gone + 1 + len(rest.items) == len(queue.items)
        assert one not in rest.items


@pytest.mark.parametrize("found", [None, 1, "x", {}, [1], [{}], [{"nonce": 1}], [item().__class__]])
def test_what_is_no_queue_is_an_empty_one(found: object) -> None:
    assert Queue.of(found) == Queue()


def test_an_accepted_one_that_was_dropped_meanwhile_takes_nothing_along() -> None:
    queue = Queue(items=(item("b"), item("c")))
    assert queue.after("a") == (queue, 0)


def test_a_tally_adds_up_and_is_told_once() -> None:
    tally = Tally().added("1.0.0", "2026-11-20", calls=10, errors=1).added("1.0.1", "2026-11-21", calls=5, errors=9)
    tally = tally.added("1.0.0", "2026-11-20", calls=10, errors=2)
    assert dict(tally.rates()) == {"1.0.0": (20, 3), "1.0.1": (5, 5)}
    told = tally.untold()
    later = tally.added("1.0.1", "2026-11-21", calls=1, errors=0).with_told(told)
    assert [(one.version, one.calls) for one in later.untold()] == [("1.0.1", 6)]
    assert Tally.of(later.plain()) == later


def test_a_tally_is_short() -> None:
    tally = Tally()
    for day in range(1, 29):
        for version in range(5):
            tally = tally.added(f"1.0.{version}", f"2026-11-{day:02d}", calls=1, errors=0)
    assert len({one.day for one in tally.counts}) <= MOST_DAYS
    assert len(tally.counts) <= 64
    assert tally.counts[-1].day == "2026-11-28"
