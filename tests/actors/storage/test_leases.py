"""Leases: one holder at a time, on both databases, and what is written under one that was lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from actors.storage import LeaseError, Storage

NOW = 1_760_000_000.0


def test_a_lease_is_its_holders_until_it_runs_out(storage: Storage) -> None:
    assert storage.leases.get("clerk") is None
    mine = storage.leases.take("clerk", "a", now=NOW, lasts_s=20)
    assert (mine.holder, mine.since, mine.expires) == ("a", NOW, NOW + 20)
    assert storage.leases.take("clerk", "b", now=NOW + 19.9, lasts_s=20) == mine
    renewed = storage.leases.take("clerk", "a", now=NOW + 15, lasts_s=20)
    assert (renewed.holder, renewed.since, renewed.expires) == ("a", NOW, NOW + 35)
    assert storage.leases.take("clerk", "b", now=NOW + 34, lasts_s=20) == renewed
    theirs = storage.leases.take("clerk", "b", now=NOW + 35, lasts_s=20)
    assert (theirs.holder, theirs.since) == ("b", NOW + 35)
    assert storage.leases.take("clerk", "a", now=NOW + 36, lasts_s=20) == theirs
    assert storage.leases.take("another", "a", now=NOW, lasts_s=20).holder == "a"
    assert storage.leases.get("clerk") == theirs


def test_one_that_ran_out_is_renewed_where_nobody_took_it(storage: Storage) -> None:
    storage.leases.take("clerk", "a", now=NOW, lasts_s=20)
    assert storage.leases.take("clerk", "a", now=NOW + 100, lasts_s=20).since == NOW


def test_whoever_ends_it_lets_the_next_one_in_at_once(storage: Storage) -> None:
    storage.leases.end("clerk", "a")
    storage.leases.take("clerk", "a", now=NOW, lasts_s=20)
    storage.leases.end("clerk", "b")
    assert storage.leases.take("clerk", "b", now=NOW + 1, lasts_s=20).holder == "a"
    storage.leases.end("clerk", "a")
    assert storage.leases.take("clerk", "b", now=NOW + 1, lasts_s=20).holder == "b"


def test_of_many_that_come_at_once_one_gets_it(storage: Storage) -> None:
    def come(number: int) -> str:
        return storage.leases.take("clerk", f"holder {number}", now=NOW, lasts_s=20).holder

    for start in (0, 8):  # when there is none as yet, and when one has run out
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(come, range(start, start + 8)))
        assert len(set(found)) == 1
        assert found[int(found[0].removeprefix("holder ")) - start] == found[0]
        storage.leases.end("clerk", found[0])


def test_nothing_is_written_under_a_lease_that_is_lost(storage: Storage) -> None:
    mine = storage.leases.take("clerk", "a", now=NOW, lasts_s=20)
    storage.facts.put_many({"clerk": 1}, under=mine)
    theirs = storage.leases.take("clerk", "b", now=NOW + 20, lasts_s=20)
    with pytest.raises(LeaseError, match="held by b") as caught:
        storage.facts.put_many({"clerk": 2, "window": 3}, under=mine)
    assert caught.value.code == "storage.lease"
    assert storage.facts.get("clerk") == 1
    assert storage.facts.get("window") is None
    storage.facts.put_many({"clerk": 4}, under=theirs)
    assert storage.facts.get("clerk") == 4
