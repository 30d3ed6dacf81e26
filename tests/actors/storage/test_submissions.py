"""Submissions come in once, four a day, into the window that is open; the last of each counts; then they are erased."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from actors.storage import DAY_S, NONCE_KEPT_S, WINDOW, Added, Client, Outcome, Storage, Submission
from federation.errors import SettingError

NOW = 1_760_000_000.0
MakeSubmission = Callable[..., Submission]


def _outcomes(added: Sequence[Added]) -> list[str]:
    return [one.outcome.value for one in added]


def _clients(found: Sequence[Submission]) -> list[int]:
    return [int(one.client, 16) for one in found]


def test_what_went_in_comes_out(storage: Storage, submission: MakeSubmission) -> None:
    sent = submission(1, "a", document=bytes(range(256)), signature=b"\x00\xff", base_version=None)
    added = storage.submissions.add_many([sent], now=NOW)
    assert added == [Added(outcome=Outcome.ACCEPTED, window=1, used=1, resets_at=(NOW // DAY_S + 1) * DAY_S)]
    assert storage.submissions.pending("global", 1) == [sent]
    assert storage.submissions.add_many([], now=NOW) == []


def test_the_same_again_is_answered_as_before_and_uses_nothing_up(storage: Storage, submission: MakeSubmission) -> None:
    first = storage.submissions.add_many([submission(1, "a"), submission(1, "a")], now=NOW)
    later = storage.submissions.add_many([submission(1, "a", window=9), submission(2, "a")], now=NOW + DAY_S)
    assert _outcomes([*first, *later]) == ["accepted", "duplicate", "duplicate", "accepted"]
    assert (first[1].used, later[0].window) == (1, 1)
    storage.submissions.consume(1)
    assert _outcomes(storage.submissions.add_many([submission(1, "a")], now=NOW)) == ["duplicate"]
    assert storage.submissions.count_pending() == 0


def test_another_document_under_a_used_nonce_is_a_conflict(storage: Storage, submission: MakeSubmission) -> None:
    sent, other = submission(1, "a"), submission(1, "a", document=b"other")
    assert _outcomes(storage.submissions.add_many([sent, other], now=NOW)) == ["accepted", "conflict"]
    assert _outcomes(storage.submissions.add_many([other], now=NOW)) == ["conflict"]
    assert storage.submissions.pending("global", 1) == [sent]


def test_four_a_day_are_accepted(storage: Storage, submission: MakeSubmission) -> None:
    added = storage.submissions.add_many([submission(1, str(number)) for number in range(6)], now=NOW)
    assert _outcomes(added) == ["accepted"] * 4 + ["rate_limited"] * 2
    assert [one.used for one in added] == [1, 2, 3, 4, 4, 4]
    assert _outcomes(storage.submissions.add_many([submission(1, "x")], now=NOW, per_day=5)) == ["accepted"]
    tomorrow = added[-1].resets_at
    assert _outcomes(storage.submissions.add_many([submission(1, "5")], now=tomorrow - 1)) == ["rate_limited"]
    assert _outcomes(storage.submissions.add_many([submission(1, "5")], now=tomorrow)) == ["accepted"]


def test_the_last_of_a_client_counts(storage: Storage, submission: MakeSubmission) -> None:
    sent = [submission(1, "a"), submission(2, "b"), submission(1, "c"), submission(2, "d", window=2)]
    storage.submissions.add_many(sent, now=NOW)
    assert [one.nonce for one in storage.submissions.pending("global", 1)] == ["c", "b"]
    assert [one.nonce for one in storage.submissions.pending("global", 2)] == ["c", "d"]
    assert storage.submissions.count_pending() == 2
    assert storage.submissions.count_pending("global", 0) == 0


def test_pending_is_read_in_chunks_by_client_and_region(storage: Storage, submission: MakeSubmission) -> None:
    numbers = [(number * 37) % 101 for number in range(50)]
    sent = [submission(number, "n", region="global" if number % 2 else "europe") for number in numbers]
    storage.submissions.add_many(sent, now=NOW)
    for region, rest in (("global", 1), ("europe", 0)):
        wanted = sorted(number for number in numbers if number % 2 == rest)
        found: list[Submission] = []
        while chunk := storage.submissions.pending(region, 1, found[-1].client if found else "", limit=7):
            assert len(chunk) <= 7
            found += chunk
        assert _clients(found) == wanted
        listed = storage.submissions.pending_clients(region, 1)
        assert [int(name, 16) for name in listed] == wanted
        assert storage.submissions.count_pending(region) == len(wanted)


def test_who_is_shut_out_is_not_pending(
    storage: Storage, submission: MakeSubmission, client: Callable[..., Client]
) -> None:
    for number in range(4):
        storage.clients.put(client(number))
    storage.submissions.add_many([submission(number, "n") for number in range(5)], now=NOW)
    storage.clients.set_state(client(1).id, "quarantined", NOW)
    storage.clients.deregister(client(2).id, NOW)
    assert _clients(storage.submissions.pending("global", 1)) == [0, 3, 4]
    assert storage.submissions.count_pending("global") == 3
    storage.clients.set_state(client(1).id, "active", NOW)
    assert _clients(storage.submissions.pending("global", 1)) == [0, 1, 3, 4]


def test_what_comes_after_a_window_was_closed_counts_in_the_next(storage: Storage, submission: MakeSubmission) -> None:
    storage.facts.put(WINDOW, "not a number: nothing is closed")
    assert storage.submissions.add_many([submission(1, "a")], now=NOW)[0].window == 1
    storage.facts.put(WINDOW, {"number": 2})
    late, early = storage.submissions.add_many([submission(2, "a"), submission(3, "a", window=5)], now=NOW)
    assert (late.window, early.window) == (2, 5)
    assert _clients(storage.submissions.pending("global", 1)) == [1]
    assert [one.window for one in storage.submissions.pending("global", 9)] == [1, 2, 5]


def test_consumed_documents_are_gone_and_later_ones_stay(storage: Storage, submission: MakeSubmission) -> None:
    sent = [submission(1, "a"), submission(2, "b", region="europe"), submission(3, "c", window=2)]
    storage.submissions.add_many(sent, now=NOW)
    assert storage.submissions.consume(1, region="europe") == 1
    assert storage.submissions.consume(1) == 1
    assert storage.submissions.consume(1) == 0
    assert _clients(storage.submissions.pending("global", 9)) == [3]


def test_stale_documents_and_old_nonces_go(storage: Storage, submission: MakeSubmission) -> None:
    old, new = submission(1, "a"), submission(2, "a", received_at=NOW + 10)
    storage.submissions.add_many([old, new], now=NOW)
    assert storage.submissions.drop_stale(NOW + NONCE_KEPT_S) == 0
    assert _outcomes(storage.submissions.add_many([old], now=NOW)) == ["duplicate"]
    assert storage.submissions.drop_stale(NOW + NONCE_KEPT_S + 5) == 1
    assert _clients(storage.submissions.pending("global", 1)) == [2]
    again = storage.submissions.add_many([old, new], now=NOW + NONCE_KEPT_S)
    assert _outcomes(again) == ["accepted", "duplicate"]


def test_what_is_stale_is_the_federations_to_say(storage: Storage, submission: MakeSubmission) -> None:
    sent = [submission(1, "a"), submission(2, "a", received_at=NOW + 10)]
    storage.submissions.add_many(sent, now=NOW)
    assert storage.submissions.drop_stale(NOW + 65, staleness_s=60) == 1
    assert _clients(storage.submissions.pending("global", 1)) == [2]
    assert _outcomes(storage.submissions.add_many(sent, now=NOW)) == ["duplicate", "duplicate"]
    assert storage.submissions.drop_stale(NOW + NONCE_KEPT_S + 60, staleness_s=2 * NONCE_KEPT_S) == 0
    assert _outcomes(storage.submissions.add_many(sent, now=NOW)) == ["duplicate", "duplicate"]


def test_whatever_threads_do_at_once_a_client_gets_four_and_each_nonce_once(
    storage: Storage, submission: MakeSubmission
) -> None:
    """Batches of the same clients in opposite orders, from threads that begin together."""
    clients, threads = range(12), 6
    together = threading.Barrier(threads)

    def send(thread: int) -> list[Added]:
        batches = [[submission(client, f"{thread % 3}-{turn}") for client in clients] for turn in range(3)]
        together.wait()
        return [
            added
            for batch in batches
            for added in storage.submissions.add_many(batch[::-1] if thread % 2 else batch, now=NOW)
        ]

    with ThreadPoolExecutor(threads) as pool:
        added = [one for found in pool.map(send, range(threads)) for one in found]
    accepted = sum(one.outcome is Outcome.ACCEPTED for one in added)
    assert accepted == 4 * len(clients)
    assert storage.submissions.count_pending() == len(clients)
    assert max(one.used for one in added) == 4


def test_a_window_that_closes_waits_for_what_is_being_added(storage: Storage, submission: MakeSubmission) -> None:
    """However they interleave, nothing is in the closed window that was not there when the new one was announced."""
    storage.facts.put(WINDOW, 1)
    together = threading.Barrier(2)
    seen: list[int] = []

    def add() -> None:
        together.wait()
        for number in range(12):
            storage.submissions.add_many([submission(number, "n")], now=NOW)

    def close() -> None:
        together.wait()
        storage.facts.put(WINDOW, 2)
        seen.append(storage.submissions.count_pending("global", 1))

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(add), pool.submit(close)]:
            future.result()
    assert storage.submissions.count_pending("global", 1) == seen[0]
    assert storage.submissions.count_pending("global", 2) == 12


@pytest.mark.parametrize(
    "wrong", [{"window": -1}, {"document": b"x" * (256 * 1024 + 1)}, {"region": "r" * 65}, {"experiences": 2**53}]
)
def test_submissions_that_cannot_be_are_refused(submission: MakeSubmission, wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        submission(1, "a", **wrong)


def test_no_document_is_shown(submission: MakeSubmission) -> None:
    assert "document 1" not in repr(submission(1, "a"))


def test_a_large_window_is_erased_in_steps(storage: Storage, submission: MakeSubmission) -> None:
    for start in range(0, 600, 200):
        storage.submissions.add_many([submission(number, "n") for number in range(start, start + 200)], now=NOW)
    storage.submissions.add_many([submission(700, "n", window=2)], now=NOW)
    assert storage.submissions.consume(1) == 600
    assert storage.submissions.count_pending() == 1


def test_a_batch_may_be_larger_than_a_statement_takes(
    storage: Storage, submission: MakeSubmission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.storage.submissions._PARAMETERS", 7)
    many = [submission(number % 30, f"{number}") for number in range(150)]
    accepted, limited = ["accepted"] * 120, ["rate_limited"] * 30
    assert _outcomes(storage.submissions.add_many(many, now=NOW)) == accepted + limited
    assert _outcomes(storage.submissions.add_many(many, now=NOW)) == ["duplicate"] * 120 + limited
