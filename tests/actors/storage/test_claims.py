"""What a door has taken stays the same whatever comes in, and only that is erased."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.storage import Client, ClientState, Storage, Submission

NOW = 1_760_000_000.0


def sent(number: int, nonce: int, **fields: Any) -> Submission:
    known: dict[str, Any] = {
        "client": f"{number:064x}",
        "nonce": f"{nonce:032x}",
        "window": 1,
        "received_at": NOW,
        "document": b"document %d" % nonce,
    }
    return Submission(**known | fields)


def add(storage: Storage, *submissions: Submission) -> None:
    storage.submissions.add_many(submissions, now=NOW, per_day=99)


def nonces(found: list[Submission]) -> list[int]:
    return [int(one.nonce, 16) for one in found]


def test_the_last_submission_of_each_client_is_taken_in_the_order_of_ids(storage: Storage) -> None:
    add(storage, sent(3, 1), sent(1, 2), sent(2, 3, window=0), sent(2, 4), sent(4, 5, region="eu"))
    assert storage.claims.round_of("global") is None
    assert storage.claims.take("global", 7, since=0.0) == 3
    assert (storage.claims.round_of("global"), storage.claims.round_of("eu")) == (7, None)
    assert storage.claims.clients("global", 7) == [f"{number:064x}" for number in (1, 2, 3)]
    assert nonces(storage.claims.documents("global", 7)) == [2, 4, 1]
    chunk = storage.claims.documents("global", 7, limit=2)
    assert nonces(storage.claims.documents("global", 7, after=chunk[-1].client)) == [1]
    assert storage.claims.documents("global", 8) == []


def test_what_is_old_or_based_on_what_was_withdrawn_or_too_much_waits(storage: Storage) -> None:
    add(storage, sent(1, 1, received_at=NOW - 100), sent(2, 2, base_version="1.0.1"), sent(3, 3, window=2))
    add(storage, *(sent(number, number, base_version=None if number % 2 else "1.0.0") for number in range(4, 9)))
    taken = storage.claims.take("global", 1, since=NOW - 99, window=1, without=["1.0.1", "1.0.2"], limit=3)
    assert taken == 3
    assert nonces(storage.claims.documents("global", 1)) == [4, 5, 6]
    assert storage.submissions.count_pending() == 8


def test_clients_that_are_kept_out_are_not_taken(storage: Storage, client: Callable[..., Client]) -> None:
    for number, state in enumerate(ClientState):
        storage.clients.put(client(number, state=state))
        add(storage, sent(number, number + 1))
    assert storage.claims.take("global", 1, since=0.0) == 1


def test_of_a_client_that_has_moved_only_the_last_region_has_it(storage: Storage) -> None:
    add(storage, sent(1, 1, region="eu"), sent(1, 2, window=2))
    assert [storage.claims.take(region, 1, since=0.0) for region in ("eu", "global")] == [0, 1]


def test_what_counted_is_erased_and_what_came_since_stays(storage: Storage) -> None:
    add(storage, sent(1, 1, window=0), sent(1, 2), sent(2, 3), sent(3, 4))
    storage.claims.take("global", 1, since=0.0)
    add(storage, sent(1, 5, window=2), sent(2, 6))  # the next window; the same one, in the place of what was taken
    assert nonces(storage.claims.documents("global", 1)) == [2, 4]
    storage.claims.give_back("global", [f"{3:064x}", "nobody"])
    assert storage.claims.consume("global", 1) == 2
    assert storage.claims.consume("global", 1) == 0
    assert storage.claims.round_of("global") is None
    assert nonces(storage.submissions.pending("global", 9)) == [5, 6, 4]


@pytest.mark.parametrize("regions", [("global",), ("global", "eu")])
def test_what_was_taken_for_another_round_is_taken_anew(storage: Storage, regions: tuple[str, ...]) -> None:
    for number, region in enumerate(regions):
        add(storage, sent(number, number + 1, region=region))
        storage.claims.take(region, 1, since=0.0)
    add(storage, sent(9, 9))
    assert storage.claims.take("global", 2, since=0.0) == 2
    assert storage.claims.documents("global", 1) == []
    if "eu" in regions:
        assert storage.claims.round_of("eu") == 1
    storage.claims.give_back("global")
    assert storage.claims.round_of("global") is None
    assert storage.submissions.count_pending("global") == 2
