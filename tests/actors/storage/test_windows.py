"""Windows that are folded: documents and state change together, nobody is in twice, conduct adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.storage import Client, ClientState, Storage, StoredWindow, Submission
from federation.trust import TrustPolicy

NOW = 1_760_000_000.0
POLICY = TrustPolicy(quarantine_after=2, probation_rounds=2)
MakeSubmission = Callable[..., Submission]
MakeClient = Callable[..., Client]


def begun(storage: Storage, **fields: object) -> StoredWindow:
    given: dict[str, object] = {"region": "global", "base": b"base", "state": b"0", "facts": {"clients": 0}}
    number = storage.windows.next_number("global")
    return storage.windows.begin(StoredWindow(**{**given, "number": number, **fields}))  # pyright: ignore[reportArgumentType]


def sent(storage: Storage, *submissions: Submission) -> None:
    assert all(one.outcome == "accepted" for one in storage.submissions.add_many(submissions, now=NOW, per_day=99))


def taken(storage: Storage, window: StoredWindow) -> list[Submission]:
    return storage.windows.waiting(window, since=0.0)


def folded(storage: Storage, window: StoredWindow, *, flagged: tuple[str, ...] = ()) -> StoredWindow:
    """The window after all that waits for it was folded."""
    chunk = taken(storage, window)
    facts = {"clients": len(chunk)}
    after = storage.windows.fold(replace(window, state=b"1", facts=facts), chunk, flagged=flagged, unread=())
    assert after is not None
    return after


def test_a_window_is_begun_once_and_numbers_go_on(storage: Storage) -> None:
    assert storage.windows.get("global") is None
    first = begun(storage, through=3)
    assert begun(storage, state=b"other") == first == storage.windows.get("global")
    assert (first.number, first.through, first.round, first.revision) == (1, 3, None, 0)
    storage.windows.close("global", counted=True, now=NOW)
    assert begun(storage).number == 2
    assert storage.windows.next_number("eu") == 1


def test_windows_that_are_discarded_leave_nothing_and_nobody_is_judged_by_them(
    storage: Storage, submission: MakeSubmission, client: MakeClient
) -> None:
    for number in (1, 2, 3):
        storage.clients.put(client(number))
    sent(storage, submission(1, "a"), submission(2, "b"), submission(3, "c", region="eu"))
    flagged = (client(1).id,)
    window = folded(storage, begun(storage), flagged=flagged)
    folded(storage, begun(storage, region="eu"))
    assert storage.windows.discard(NOW) == 2
    assert (storage.windows.count(), storage.windows.get("global"), storage.windows.get("eu")) == (0, None, None)
    assert storage.windows.take(window, 1) is None  # by a door that has not looked since
    assert begun(storage).number == 2
    assert storage.windows.discard(NOW) == 1
    sent(storage, submission(1, "d"))
    folded(storage, begun(storage), flagged=flagged)
    assert storage.windows.close("global", counted=True, now=NOW, policy=POLICY) == (0, 0)  # the first that counts
    assert storage.windows.discard(NOW) == 0


def test_documents_go_with_the_state_that_holds_them(storage: Storage, submission: MakeSubmission) -> None:
    sent(storage, submission(1, "a"), submission(2, "b"), submission(3, "c", region="eu"))
    window = begun(storage)
    after = folded(storage, window)
    assert after == storage.windows.get("global")
    assert (after.revision, after.state) == (1, b"1")
    assert storage.submissions.count_pending("global") == 0
    assert storage.submissions.count_pending("eu") == 1
    assert storage.windows.count() == storage.windows.count("global") == 2
    sent(storage, submission(1, "d"), submission(4, "e"))
    assert [one.nonce[-1] for one in taken(storage, after)] == [submission(4, "e").nonce[-1]]  # 1 is in it already
    storage.windows.close("global", counted=True, now=NOW)
    assert len(taken(storage, begun(storage))) == 2


def test_whoever_moves_to_another_region_is_in_one_window_only(storage: Storage, submission: MakeSubmission) -> None:
    sent(storage, submission(1, "a", region="eu"), submission(2, "b"))
    folded(storage, begun(storage, region="eu"))
    here = begun(storage)
    sent(storage, submission(1, "c"))
    assert [one.client for one in taken(storage, here)] == [submission(2, "b").client]
    storage.windows.close("eu", counted=True, now=NOW)
    assert len(taken(storage, here)) == 2


def test_whoever_goes_on_from_what_has_changed_writes_nothing(storage: Storage, submission: MakeSubmission) -> None:
    sent(storage, submission(1, "a"), submission(2, "b"))
    window = begun(storage)
    chunk = taken(storage, window)
    ours = replace(window, state=b"ours")
    sent(storage, submission(1, "later"))  # takes the place of the one that was read
    assert storage.windows.fold(ours, chunk, flagged=(), unread=()) is None
    assert storage.windows.get("global") == window
    assert storage.submissions.count_pending("global") == 2
    after = folded(storage, window)
    assert storage.windows.fold(ours, [], flagged=(), unread=()) is None
    assert storage.windows.take(window, 5) is None
    fixed = storage.windows.take(after, 5)
    assert fixed is not None
    assert (fixed.round, fixed.revision) == (5, 2)
    assert storage.windows.get("global") == fixed


def test_what_is_stale_withdrawn_or_of_a_later_window_waits(storage: Storage, submission: MakeSubmission) -> None:
    sent(
        storage,
        submission(1, "a", window=1),
        submission(2, "b", window=2),
        submission(3, "c", window=1, base_version="1.0.9"),
        submission(4, "d", window=1, received_at=NOW - 100),
    )
    window = begun(storage, through=1)
    found = storage.windows.waiting(window, since=NOW - 50, without=["1.0.9"])
    assert [one.client for one in found] == [f"{1:064x}"]
    assert len(storage.windows.waiting(replace(window, through=None), since=0.0, limit=3)) == 3


def test_what_cannot_be_read_goes_and_its_client_may_send_again(storage: Storage, submission: MakeSubmission) -> None:
    sent(storage, submission(1, "a"), submission(2, "b"))
    window = begun(storage)
    chunk = taken(storage, window)
    after = storage.windows.fold(window, chunk, flagged=(), unread={chunk[0].client})
    assert after is not None
    assert storage.windows.count() == 1
    sent(storage, submission(1, "c"), submission(2, "d"))
    assert [one.client for one in taken(storage, after)] == [chunk[0].client]


def test_flagged_windows_in_a_row_are_quarantine_for_longer_each_time(
    storage: Storage, client: MakeClient, submission: MakeSubmission
) -> None:
    for number in (1, 2):
        storage.clients.put(client(number))
    liar, honest = client(1).id, client(2).id
    seen: list[str] = []

    def play(nonce: int, *, lying: bool, counted: bool = True) -> tuple[int, int]:
        sent(storage, submission(1, f"a{nonce}"), submission(2, f"b{nonce}"))
        folded(storage, begun(storage), flagged=(liar,) if lying else ())
        moved = storage.windows.close("global", counted=counted, now=NOW, policy=POLICY)
        found = storage.clients.get(liar)
        assert found is not None
        seen.append(found.state.value)
        storage.submissions.consume(99)
        return moved

    pattern = [True, False, True]  # a clean window ends a streak
    assert [play(number, lying=lying) for number, lying in enumerate(pattern)] == [(0, 0)] * 3
    assert play(3, lying=True, counted=False) == (0, 0)  # and one that does not count is none
    assert play(4, lying=True) == (1, 0)
    assert storage.windows.kept_out() == {liar}
    assert [play(number, lying=False) for number in (5, 6)] == [(0, 0), (0, 1)]
    assert play(7, lying=True) == (1, 0)  # once is enough now
    assert [play(number, lying=False) for number in (8, 9, 10, 11)] == [(0, 0)] * 3 + [(0, 1)]  # twice as long
    assert seen == ["active"] * 4 + ["quarantined"] * 2 + ["active"] + ["quarantined"] * 4 + ["active"]
    told = [(entry.action, entry.name) for entry in storage.audit.list()]
    assert told == [("reinstate", liar), ("quarantine", liar)] * 2
    known = storage.clients.get(honest)
    assert known is not None
    assert known.state is ClientState.ACTIVE
    storage.windows.keep_out(honest, "global")
    assert storage.windows.kept_out() == {honest}
    storage.windows.pardon(honest)
    assert storage.windows.kept_out() == frozenset()


@pytest.mark.parametrize("counted", [True, False])
def test_how_many_clients_were_behind_a_round(storage: Storage, submission: MakeSubmission, counted: bool) -> None:
    sent(storage, submission(1, "a"), submission(2, "b"))
    window = folded(storage, begun(storage))
    assert storage.windows.participants(7) is None
    storage.windows.take(window, 7)
    assert storage.windows.participants(7) == 2
    storage.windows.close("global", counted=counted, now=NOW)
    assert storage.windows.participants(7) == (2 if counted else None)
    assert storage.windows.participants(0) is None
    assert storage.windows.close("global", counted=True, now=NOW) == (0, 0)
