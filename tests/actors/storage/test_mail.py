"""Rosters, answers, letters and sums, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from actors.storage import Client, ClientState, Join, Storage, StoredAnswer, StoredBucket, StoredLetter, tables

MakeClient = Callable[..., Client]
NOW = 1_760_000_000.0


def joined(storage: Storage, client: MakeClient, count: int, *, window: int = 1) -> list[str]:
    storage.facts.put("window", {"number": window})
    made = [client(number) for number in range(1, count + 1)]
    for one in made:
        storage.clients.put(one)
        assert storage.mail.join(join(one.id, window)) == "accepted"
    return [one.id for one in made]


def join(name: str, window: int = 1, nonce: str = "a") -> Join:
    return Join(client=name, region="global", window=window, base_version="1.0.0", nonce=nonce, received_at=NOW)


def bucket(names: list[str], window: int = 1, **fields: Any) -> StoredBucket:
    known: dict[str, Any] = {
        "id": f"{window}.global.0000",
        "window": window,
        "region": "global",
        "base_version": "1.0.0",
        "members": len(names),
        "terms": b"terms",
        "identities": dict.fromkeys(names, "key"),
    }
    return StoredBucket(**known | fields)


def begun(storage: Storage, names: list[str], window: int = 1) -> StoredBucket:
    made = bucket(names, window)
    letters = [StoredLetter(client=name, number=1, kind="terms", body="{}") for name in names]
    facts = {"joined": len(names)}
    assert storage.mail.begin(window, secret=bytes(32), facts=facts, buckets=[made], letters=letters)
    return made


def test_a_roster_is_of_the_window_that_is_open(storage: Storage, client: MakeClient) -> None:
    names = joined(storage, client, 3)
    assert storage.mail.join(join(names[0])) == "duplicate"
    assert storage.mail.join(join(names[0], nonce="b")) == "accepted"  # once all the same
    assert storage.mail.join(join(names[0], window=2)) == "late"
    assert storage.mail.count_joined() == storage.mail.count_joined("global") == 3
    assert storage.mail.count_joined("eu") == 0
    storage.clients.set_state(names[1], ClientState.QUARANTINED, NOW)
    found = storage.mail.joined(1)
    assert [(one.client, one.base_version, one.public_key) for one in found] == [
        (names[0], "1.0.0", client(1).public_key),
        (names[2], "1.0.0", client(3).public_key),
    ]
    storage.facts.put("window", {"number": 2})
    assert storage.mail.join(join(names[0])) == "late"
    storage.clients.deregister(names[2], NOW)
    assert [one.client for one in storage.mail.roster(1)] == names[:2]


def test_a_window_is_drawn_once(storage: Storage, client: MakeClient) -> None:
    names = joined(storage, client, 2)
    made = begun(storage, names)
    assert not storage.mail.begin(1, secret=b"x" * 32, facts={}, buckets=[], letters=[])
    assert storage.mail.draw(1) == (bytes(32), {"joined": 2})
    assert storage.mail.draw(2) is None
    assert storage.mail.buckets(1) == [made]
    assert storage.mail.count_joined() == 0  # no longer waiting
    terms = StoredLetter(client=names[0], number=1, kind="terms", body="{}")
    stranger = "f" * 64
    asked = [(1, names[0], 0), (1, names[0], 1), (1, stranger, 0), (2, names[0], 0)]
    assert storage.mail.letters(asked) == [(True, [terms]), (True, []), (False, []), (False, [])]


def test_answers_wait_and_are_taken_in_in_an_order_that_stays(storage: Storage, client: MakeClient) -> None:
    names = joined(storage, client, 3)
    made = begun(storage, names)
    mail = storage.mail
    assert mail.answer(names[0], 1, "keys", b"a") == "accepted"
    assert mail.answer(names[0], 1, "keys", b"a") == "duplicate"
    assert mail.answer(names[0], 1, "keys", b"b") == "late"
    assert mail.answer("f" * 64, 1, "keys", b"a") == "late"
    assert mail.answer(names[1], 1, "keys", b"c") == "accepted"
    first, second = mail.waiting([made.id])
    closed = StoredAnswer(bucket=made.id, client="", kind="closed.keys", body=b"")
    letters = [StoredLetter(client=names[1], number=2, kind="ring", body="{}")]
    mail.advance(made, taken=[(0, second), (1, closed)], refused=[first], letters=letters)
    assert mail.taken_in(made.id) == [second, closed]
    assert mail.waiting([made.id]) == []
    assert mail.answer(names[0], 1, "keys", b"b") == "accepted"  # the refused one is forgotten
    assert [one.kind for _, found in mail.letters([(1, names[1], 0)]) for one in found] == ["terms", "ring"]


def test_the_end_of_a_session_leaves_its_sum_and_the_letters_that_say_so(storage: Storage, client: MakeClient) -> None:
    names = joined(storage, client, 2)
    made = begun(storage, names)
    storage.mail.answer(names[0], 1, "row", b"a masked row")
    ends = [StoredLetter(client=name, number=5, kind="end", body="{}") for name in names]
    done = bucket(names, state="done", total=np.array([1.0, -2.5]))
    storage.mail.advance(done, letters=ends)
    assert storage.mail.waiting([made.id]) == storage.mail.taken_in(made.id) == []
    assert storage.mail.answer(names[0], 1, "row", b"again") == "late"
    assert storage.mail.letters([(1, name, 0) for name in names]) == [(True, [one]) for one in ends]
    (found,) = storage.mail.buckets(1)
    assert (found.state, found.terms, found.identities) == ("done", None, {})
    assert found.total is not None
    assert found.total.tolist() == [1.0, -2.5]


def test_sums_are_taken_for_a_round_and_erased_when_they_have_counted(storage: Storage, client: MakeClient) -> None:
    names = joined(storage, client, 2)
    begun(storage, names)
    storage.mail.advance(bucket(names, state="done", total=np.ones(2)))
    assert storage.mail.take("eu", 1, 7) == []
    (taken,) = storage.mail.take("global", 1, 7)
    assert (taken.round, taken.members) == (7, 2)
    storage.mail.settle("global", 7, counted=False)
    assert storage.mail.taken("global") == []
    assert len(storage.mail.take("global", 1, 8)) == 1
    assert storage.mail.summed(8) == {"buckets": 1, "members": 2, "failed": 0, "window": 1}
    storage.mail.settle("global", 8, counted=True)
    assert storage.mail.taken("global") == []
    (found,) = storage.mail.buckets(1)
    assert (found.state, found.total) == ("counted", None)
    assert storage.mail.summed(8) == {"buckets": 1, "members": 2, "failed": 0, "window": 1}
    assert storage.mail.summed(9) is None


def test_the_next_draw_erases_what_is_left_of_windows_before(storage: Storage, client: MakeClient) -> None:
    names = joined(storage, client, 2)
    begun(storage, names)
    storage.mail.answer(names[0], 1, "keys", b"a")
    joined(storage, client, 2, window=2)
    begun(storage, names, window=2)
    assert storage.mail.roster(1) == []
    assert storage.mail.letters([(1, names[0], 0)]) == [(False, [])]
    (lost,) = storage.mail.buckets(1)
    assert (lost.state, lost.code, lost.terms) == ("failed", "secure.abandoned", None)
    assert storage.mail.waiting([lost.id]) == []


def test_a_storage_that_was_made_before_there_were_sums_gets_the_tables(storage_url: str, client: MakeClient) -> None:
    with Storage.open(storage_url) as storage, storage._database.write() as connection:
        for name in ("joins", "draws", "buckets", "answers", "letters"):
            connection.execute(text(f"DROP TABLE federation_{name}"))
        connection.execute(tables.meta.delete().where(tables.meta.c.name == "tables"))
    with Storage.open(storage_url) as storage:
        names = joined(storage, client, 1)
        assert [one.client for one in storage.mail.joined(1)] == names


@pytest.mark.parametrize("count", [0, 700])
def test_many_members_are_asked_about_at_once(storage: Storage, client: MakeClient, count: int) -> None:
    names = [f"{number:064x}" for number in range(count)]
    begun(storage, names)
    found = storage.mail.letters([(1, name, 0) for name in names])
    assert [len(letters) for _, letters in found] == [1] * count
