"""What a host keeps, read back by another object on the same file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from actors import host_journal
from actors.host_journal import HostJournal
from actors.journal_file import JournalError
from federation.compression import ErrorFeedback, TopKCodec
from federation.identity import Statement
from federation.update import UpdateBatch

AGENTS = ("a", "b", "c")


def batch(number: int = 1) -> UpdateBatch:
    rng = np.random.default_rng(number)
    return UpdateBatch(
        host="host-0",
        statement=Statement(run="r", round=number, kind="k", base=bytes([number]) * 32),
        codec="raw",
        agents=AGENTS,
        payload=rng.standard_normal((3, 5), dtype=np.float32),
        weights=np.ones(3),
        digests=rng.integers(0, 256, (3, 32), dtype=np.uint8),
        signatures=rng.integers(0, 256, (3, 64), dtype=np.uint8),
        losses=np.zeros(3),
    )


def again(journal: HostJournal, agents: tuple[str, ...] = AGENTS) -> HostJournal:
    journal.close()
    other = HostJournal(journal.path, agents)
    other.recall()
    return other


@pytest.fixture
def journal(tmp_path: Path) -> HostJournal:
    return HostJournal(tmp_path / "hosts" / "host-0.sqlite", AGENTS)


def test_nothing_is_made_before_there_is_something_to_keep(journal: HostJournal) -> None:
    assert journal.recall() is None
    assert list(journal.experiences()) == []
    assert not journal.feedback(4).residual.any()
    journal.forget_residuals()
    assert (journal.id, journal.first_round, journal.begun) == ("", 0, False)
    assert not journal.path.parent.exists()


def test_only_what_was_signed_last_is_kept_with_its_residuals(journal: HostJournal) -> None:
    feedback, codec = ErrorFeedback(3, 5), TopKCodec(fraction=0.2)
    for number in (1, 2):
        feedback.compress(codec, batch(number).payload)
        journal.keep_signed([batch(number), batch(number + 10)], feedback)
    journal.close()
    other = HostJournal(journal.path, AGENTS)
    signed = other.recall()
    assert signed is not None
    assert (signed.round, signed.base) == (2, bytes([2]) * 32)
    assert [kept.to_wire() for kept in signed.batches] == [batch(2).to_wire(), batch(12).to_wire()]
    assert np.array_equal(other.feedback(5).residual, feedback.residual)
    assert feedback.residual.any()
    with pytest.raises(JournalError, match="5 values for a, rows have 6"):
        other.feedback(6)
    other.forget_residuals()
    assert not again(other).feedback(6).residual.any()


def test_a_transaction_that_fails_leaves_all_as_it_was(journal: HostJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    feedback = ErrorFeedback(3, 5)
    journal.keep_signed([batch(1)], feedback)
    feedback.compress(TopKCodec(fraction=0.2), batch(2).payload)
    monkeypatch.setattr(ErrorFeedback, "residual", property(lambda self: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        journal.keep_signed([batch(2)], feedback)
    monkeypatch.undo()
    journal.close()
    other = HostJournal(journal.path, AGENTS)
    signed = other.recall()
    assert signed is not None
    assert signed.round == 1
    assert not other.feedback(5).residual.any()


@pytest.mark.parametrize("pushes", [[1] * 23, [5, 0, 7, 3, 8], [40], [4, 4], [3], [8]])
def test_experiences_come_back_in_order_within_bounds_and_in_their_places(
    journal: HostJournal, pushes: list[int]
) -> None:
    capacity, pushed = 4, list[bytes]()
    journal.begin(())
    for count in pushes:
        fresh = [b"%d" % (len(pushed) + number) for number in range(count)]
        journal.add("b", fresh, capacity=capacity)
        journal.add("a", fresh[:1], capacity=1000)
        pushed += fresh
    [(_, first), (agent, kept)] = list(again(journal).experiences())
    assert agent == "b"
    assert kept == pushed[len(pushed) - len(kept) :]
    assert min(len(pushed), capacity) <= len(kept) < 2 * capacity
    assert (len(pushed) - len(kept)) % capacity == 0  # a ring filled with these is the ring as it was
    assert len(first) == sum(count > 0 for count in pushes)


def test_the_id_is_the_files_and_other_agents_make_it_another(journal: HostJournal) -> None:
    journal.begin([batch(1)])
    journal.wait_until(7)
    journal.add("a", [b"x"], capacity=4)
    journal.add("c", [b"y"], capacity=4)
    same = again(journal)
    assert (same.id, same.first_round) == (journal.id, 7)
    same.close()
    moved = HostJournal(journal.path, ("a", "d"))
    assert moved.recall() is None  # what others signed is no answer
    assert moved.id not in ("", journal.id)
    assert moved.first_round == 7
    assert list(moved.experiences()) == [("a", [b"x"])]
    back = again(moved)
    assert back.id not in (journal.id, moved.id)
    assert list(back.experiences()) == [("a", [b"x"]), ("c", [b"y"])]


def test_a_second_process_is_kept_out(journal: HostJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_journal, "LOCK_S", 0.01)
    journal.begin(())
    with pytest.raises(JournalError, match="locked"):
        HostJournal(journal.path, AGENTS).recall()
    again(journal).close()


@pytest.mark.parametrize("spoil", ["text", "form", "batch"])
def test_a_file_that_cannot_be_read_is_refused(journal: HostJournal, spoil: str) -> None:
    journal.keep_signed([batch()])
    journal.close()
    if spoil == "text":
        journal.path.write_bytes(b"no database at all" * 100)
        for leftover in journal.path.parent.glob("*-wal"):
            leftover.unlink()
    else:
        with sqlite3.connect(journal.path) as db:
            db.execute(
                "UPDATE batches SET wire = x'00'"
                if spoil == "batch"
                else "UPDATE meta SET value = 9 WHERE name = 'form'"
            )
        db.close()
    with pytest.raises(JournalError) as caught:
        HostJournal(journal.path, AGENTS).recall()
    assert {"text": "not a database", "form": "form 9", "batch": "do not parse"}[spoil] in str(caught.value)
