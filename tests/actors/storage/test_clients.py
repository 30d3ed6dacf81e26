"""Clients come, are known by their tokens, are shut out, leave, and are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.storage import DAY_S, Appeal, Client, ClientKeyError, ClientState, Storage, Submission, day_of
from federation.errors import SettingError

NOW = 1_760_000_000.0
MakeClient = Callable[..., Client]


def test_a_client_is_found_by_id_and_by_token(storage: Storage, client: MakeClient) -> None:
    one, two = client(1), client(2, analytics=True, region="europe")
    assert storage.clients.put(one) == one
    storage.clients.put(two)
    assert storage.clients.get(two.id) == two
    assert storage.clients.by_token(one.token_hash) == one
    assert storage.clients.by_tokens([one.token_hash, two.token_hash, b"?"]) == {
        one.token_hash: one,
        two.token_hash: two,
    }
    assert storage.clients.get("0" * 64) is None
    assert storage.clients.by_token(b"") is None
    assert storage.clients.by_tokens([]) == {}


def test_two_clients_without_a_token_are_not_each_other(storage: Storage, client: MakeClient) -> None:
    for number in (1, 2):
        assert storage.clients.put(client(number, token_hash=b"")).token_hash == b""
    assert storage.clients.by_token(b"") is None


def test_renewal_keeps_the_key_and_the_first_registration(storage: Storage, client: MakeClient) -> None:
    storage.clients.put(client(1))
    renewed = storage.clients.put(client(1, registered_at=NOW + 99, token_hash=b"new", platform="darwin"))
    assert (renewed.registered_at, renewed.token_hash, renewed.platform) == (NOW, b"new", "darwin")
    assert storage.clients.by_token(client(1).token_hash) is None
    with pytest.raises(ClientKeyError) as caught:
        storage.clients.put(client(1, public_key=b"\xff" * 32, token_hash=b"thief"))
    assert caught.value.code == "storage.client_key"
    assert storage.clients.get(client(1).id) == renewed


def test_clients_are_listed_by_id_in_pages(storage: Storage, client: MakeClient) -> None:
    for number in (11, 3, 7, 200):
        storage.clients.put(client(number))
    storage.clients.set_state(client(7).id, "quarantined", NOW)
    assert [found.id for found in storage.clients.list(limit=2)] == [client(3).id, client(7).id]
    assert [found.id for found in storage.clients.list(after=client(7).id)] == [client(11).id, client(200).id]
    assert [found.id for found in storage.clients.list(state="quarantined")] == [client(7).id]
    assert (storage.clients.count(), storage.clients.count("active"), storage.clients.count("quarantined")) == (4, 3, 1)


def test_ids_are_ordered_as_python_orders_them(storage: Storage, client: MakeClient) -> None:
    ids = ["a", "B", "_", "b-1", "b1", "A", "é", "0"]
    for number, name in enumerate(ids):
        storage.clients.put(client(number, id=name))
    assert [found.id for found in storage.clients.list()] == sorted(ids)


def test_quarantine_is_not_left_by_registering_again(storage: Storage, client: MakeClient) -> None:
    storage.clients.put(client(1))
    assert storage.clients.set_state(client(1).id, ClientState.QUARANTINED, NOW)
    assert storage.clients.put(client(1)).state == "quarantined"
    assert storage.clients.deregister(client(1).id, NOW)
    assert storage.clients.put(client(1)).state == "quarantined"
    storage.appeals.add(Appeal(client=client(1).id, at=NOW, statement="It was the release."))
    assert storage.clients.set_state(client(1).id, "active", NOW)
    assert storage.appeals.list() == []
    assert storage.clients.put(client(1)).state == "active"


def test_states_of_clients_that_are_not_there(storage: Storage, client: MakeClient) -> None:
    assert not storage.clients.set_state("nobody", "quarantined", NOW)
    assert not storage.clients.rotate("nobody", b"x", NOW)
    assert not storage.clients.deregister("nobody", NOW)
    storage.clients.put(client(1))
    storage.clients.deregister(client(1).id, NOW)
    assert not storage.clients.set_state(client(1).id, "active", NOW)
    assert not storage.clients.rotate(client(1).id, b"x", NOW)
    with pytest.raises(ValueError, match="banned"):
        storage.clients.set_state(client(1).id, "banned", NOW)


def test_a_token_is_replaced(storage: Storage, client: MakeClient) -> None:
    storage.clients.put(client(1))
    assert storage.clients.rotate(client(1).id, b"fresh", NOW + 5)
    found = storage.clients.by_token(b"fresh")
    assert found is not None
    assert found.token_expires == NOW + 5
    assert storage.clients.by_token(client(1).token_hash) is None


def test_a_day_is_noted_once(storage: Storage, client: MakeClient) -> None:
    storage.clients.put(client(1))
    storage.clients.put(client(2, seen_at=NOW + 5 * DAY_S))
    storage.clients.seen([client(1).id, client(2).id, "nobody", client(1).id], NOW + DAY_S)
    storage.clients.seen([], NOW)
    days = [day_of(found.seen_at) - day_of(NOW) for found in storage.clients.list()]
    assert days == [1, 5]


def test_who_leaves_is_out_at_once_and_forgotten_at_the_next_purge(
    storage: Storage, client: MakeClient, submission: Callable[..., Submission]
) -> None:
    for number in (1, 2):
        storage.clients.put(client(number))
        storage.submissions.add_many([submission(number, "n")], now=NOW)
        storage.reports.add(client(number).id, "1.0.0", day_of(NOW), 10, 1)
        storage.audit.add("submit", client=client(number).id, code="ok", now=NOW)
        storage.appeals.add(Appeal(client=client(number).id, at=NOW))
    assert storage.clients.deregister(client(1).id, NOW)
    assert storage.clients.by_token(client(1).token_hash) is None
    assert [found.client for found in storage.submissions.pending("global", 1)] == [client(2).id]
    gone = storage.clients.get(client(1).id)
    assert gone is not None
    assert (gone.state, gone.purge_at, gone.token_hash) == ("deregistered", NOW, b"")
    assert storage.clients.purge(NOW - 1) == 0
    storage.clients.deregister(client(1).id, NOW + 1e6)  # does not put its end off
    assert storage.clients.purge(NOW) == 1
    assert [found.id for found in storage.clients.list()] == [client(2).id]
    assert list(storage.reports.figures("1.0.0")) == [client(2).id]
    assert [appeal.client for appeal in storage.appeals.list()] == [client(2).id]
    assert {entry.name for entry in storage.audit.list()} == {"", client(2).id}
    assert storage.submissions.add_many([submission(1, "n")], now=NOW)[0].outcome == "accepted"


def test_a_purge_of_many_goes_in_steps(storage: Storage, client: MakeClient) -> None:
    for number in range(5):
        storage.clients.put(client(number))
        storage.clients.deregister(client(number).id, NOW)
    assert storage.clients.purge(NOW, limit=2) == 5
    assert storage.clients.count() == 0


def test_so_many_register_from_a_place_in_a_day(storage: Storage) -> None:
    allowed = [storage.clients.enrol_from(b"place", 7, 2) for _ in range(4)]
    assert allowed == [True, True, False, False]
    assert storage.clients.enrol_from(b"elsewhere", 7, 2)
    assert storage.clients.enrol_from(b"place", 8, 2)
    assert not storage.clients.enrol_from(b"nowhere", 8, 0)
    storage.submissions.drop_stale(10 * DAY_S)
    assert storage.clients.enrol_from(b"place", 7, 2)


@pytest.mark.parametrize(
    "wrong", [{"id": ""}, {"id": "x" * 65}, {"platform": "a\x00b"}, {"public_key": b"short"}, {"region": "r" * 65}]
)
def test_clients_that_no_database_takes_are_refused(client: MakeClient, wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        client(1, **wrong)


def test_no_secret_is_shown(client: MakeClient) -> None:
    shown = repr(replace(client(1), token_hash=b"geheim", public_key=b"g" * 32))
    assert "geheim" not in shown
    assert "ggg" not in shown


def test_who_comes_back_before_the_purge_stays(storage: Storage, client: MakeClient) -> None:
    storage.clients.put(client(1))
    storage.clients.deregister(client(1).id, NOW)
    assert storage.clients.put(client(1, token_hash=b"new")).state == "active"
    assert storage.clients.purge(NOW + DAY_S) == 0
