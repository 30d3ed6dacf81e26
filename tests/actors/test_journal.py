"""The journal: all of a step or nothing of it, for two writers, before and after a restart."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.journal import VERDICTS_KEPT, Journal
from actors.journal_file import JournalError
from federation.identity import Secret, SigningKey
from federation.release import Release, artefact_digest
from federation.terms import Terms

KEY = SigningKey.of(Secret(bytes(32)))


def terms(number: int = 1) -> Terms:
    return Terms(
        run="run", round=number, kind="null", base_version=0, base=bytes(32), roster=("a", "b", "c", "d"),
        fault_bound=1, dimension=2, codec="raw", norm_cap=1.0, weight_cap=1.0, deadline_s=1.0, linger_s=0.0, seed=0,
    )  # fmt: skip


def release(version: int, artefact: bytes = b"artefact") -> Release:
    made = Release(
        run="run", kind="null", version=version, round=version, parent=bytes(32),
        artefact=artefact_digest(artefact), artefact_bytes=len(artefact),
    )  # fmt: skip
    return made.signed(KEY, created=0.0)


def finish(journal: Journal, number: int, **more: Any) -> None:
    more.setdefault("release", release(number))
    journal.finish_round(
        round_number=number, state="released", record={"round": number}, artefact=b"artefact",
        verdicts=[("a", "accepted", "median", "", 0.5, None)], proofs=[("a", {"agent": "a"})],
        facts={"norm": number}, **more,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path)


def everything(path: Path) -> list[str]:
    """The whole content of the file, as another reader sees it."""
    db = sqlite3.connect(path)
    try:
        return list(db.iterdump())
    finally:
        db.close()


WRITES: dict[str, Callable[[Journal], object]] = {
    "remember": lambda journal: journal.remember({"a": 1, "b": 2}),
    "enrol": lambda journal: journal.enrol("host", {"x": b"1", "y": b"2"}),
    "open_round": lambda journal: journal.open_round(terms(2), opened=1.0, request="r"),
    "keep_batch": lambda journal: journal.keep_batch(1, b"wire", late=False),
    "mark_late": lambda journal: journal.mark_late([1]),
    "keep_commitments": lambda journal: journal.keep_commitments(1, b"wire"),
    "finish_round": lambda journal: finish(journal, 1, keep_artefacts=1),
    "amend": lambda journal: journal.amend(1, {"round": 1, "more": True}),
    "publish": lambda journal: journal.publish(release(1), b"artefact", facts={"good": 1}),
}


class Breaking:
    """A connection that fails at its nth statement, as on a full disk."""

    def __init__(self, db: sqlite3.Connection, fails_at: int) -> None:
        self.db, self.left = db, fails_at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.db, name)
        if name not in ("execute", "executemany"):
            return found

        def counted(*arguments: Any) -> Any:
            if "ROLLBACK" not in arguments[0]:
                self.left -= 1
                if self.left == 0:
                    raise sqlite3.OperationalError("database or disk is full")
            return found(*arguments)

        return counted


@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_fails_at_any_statement_leaves_nothing(journal: Journal, path: Path, write: str) -> None:
    journal.open_round(terms(1), opened=0.0)
    journal.keep_batch(1, b"first", late=False)
    before, db, statement = everything(path), journal._db, 1
    while True:
        journal._db = Breaking(db, statement)  # type: ignore[assignment]
        try:
            WRITES[write](journal)
        except sqlite3.OperationalError:
            assert everything(path) == before
            statement += 1
            continue
        finally:
            journal._db = db
        break
    assert statement > 3  # BEGIN, something, COMMIT
    assert everything(path) != before
    journal.remember({"after": True})
    assert journal.recall("after") is True


def test_what_is_written_is_there_after_a_restart(journal: Journal, path: Path) -> None:
    assert (journal.unfinished(), journal.last_round(), journal.last_record(), journal.release()) == (None, 0, 0, None)
    journal.enrol("host-0", {"a": b"key"})
    journal.enrol("host-1", {"a": b"other"})  # a key that is there is never replaced
    journal.publish(release(0), b"zero")
    journal.open_round(terms(1), opened=5.0)
    journal.open_round(replace(terms(1), seed=9), opened=6.0)  # nor are terms
    journal.keep_batch(1, b"one", late=False)
    journal.keep_commitments(1, b"sealed")
    journal.close()
    again = Journal(path)
    found = again.unfinished()
    assert found is not None
    assert (found.terms, found.opened) == (terms(1), 5.0)
    assert again.keys() == {"a": b"key"}
    assert again.commitments(1) == [b"sealed"]
    assert [(kept.wire, kept.late) for kept in again.batches(1)] == [(b"one", False)]
    finish(again, 1)
    assert again.unfinished() is None
    assert (again.last_round(), again.last_record()) == (1, 1)
    current, artefact = again.release() or (None, b"")
    assert (current, artefact) == (release(1), b"artefact")
    assert again.release(0) == (release(0), b"zero")
    assert again.release(7) is None
    assert [found.version for found in again.releases()] == [1, 0]
    assert again.proofs() == [{"agent": "a"}]
    assert again.terms(1) == terms(1)
    assert again.terms(2) is None
    again.amend(1, {"round": 1, "timed": True})
    assert again.records() == [{"round": 1, "timed": True}]


def test_the_payloads_of_the_last_round_stay_and_older_ones_go(journal: Journal) -> None:
    for number in (1, 2):
        journal.open_round(terms(number), opened=0.0)
        journal.keep_commitments(number, b"sealed")
        sequence = journal.keep_batch(number, b"in time", late=False)
        journal.keep_batch(number, b"late", late=True)
        journal.mark_late([sequence])
        finish(journal, number)
    assert journal.batches(1) == []
    assert journal.commitments(1) == []
    assert [(kept.wire, kept.late) for kept in journal.batches(2)] == [(b"in time", True), (b"late", True)]


def test_requests_stay_answered(journal: Journal) -> None:
    journal.open_round(terms(1), opened=0.0, request="one")
    journal.open_round(terms(1), opened=0.0, request="other")  # who comes while it is open gets the same round
    journal.open_round(terms(2), opened=0.0, request="two")
    journal.open_round(terms(3), opened=0.0, request="two")
    assert [journal.round_of(name) for name in ("one", "other", "two", "none")] == [1, 1, 2, None]
    journal.open_round(terms(1002), opened=0.0, request="much later")
    assert journal.round_of("one") is None


def test_verdicts_by_round_and_by_agent(journal: Journal) -> None:
    for number in (1, 2):
        journal.open_round(terms(number), opened=0.0)
        finish(journal, number)
    assert len(journal.verdicts()) == 2
    [row] = journal.verdicts(round_number=2, agent="a")
    assert row == {
        "round": 2, "agent": "a", "decision": "accepted", "judge": "median", "reason": "", "score": 0.5,
        "threshold": None,
    }  # fmt: skip
    assert len(journal.verdicts(agent="a")) == 2
    assert journal.verdicts(agent="b") == []


def test_only_the_newest_artefacts_are_kept_and_the_one_to_fall_back_to(journal: Journal) -> None:
    for version in range(1, 8):
        if version == 4:
            journal.publish(release(4), b"artefact")  # a rollback
        else:
            finish(journal, version, keep_artefacts=2, spare=1)
    kept = {version: (journal.release(version) or (None, b""))[1] for version in range(1, 8)}
    assert [version for version, artefact in kept.items() if artefact] == [1, 6, 7]
    assert len(journal.releases()) == 7
    assert len(journal.releases(limit=2)) == 2


def test_a_journal_of_another_form_or_no_journal_is_refused(journal: Journal, path: Path, tmp_path: Path) -> None:
    journal.remember({"form": 99})
    journal.close()
    with pytest.raises(JournalError, match="form 99"):
        Journal(path)
    noise = tmp_path / "noise"
    noise.write_bytes(b"not a database, and long enough to be taken for one" * 50)
    with pytest.raises(JournalError):
        Journal(noise)
    with pytest.raises(JournalError):
        Journal(noise / "below a file")


def test_two_writers_of_one_file_wait_for_each_other(journal: Journal, path: Path) -> None:
    other, errors = Journal(path), list[Exception]()

    def write(mine: Journal, late: bool) -> None:
        try:
            for number in range(40):
                mine.keep_batch(1, bytes([number]), late=late)
                mine.remember({f"{late}-{number}": number})
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in ((journal, False), (other, True))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    kept = journal.batches(1)
    assert [batch.wire[0] for batch in kept if batch.late] == list(range(40))
    assert [batch.wire[0] for batch in kept if not batch.late] == list(range(40))
    assert [batch.sequence for batch in kept] == sorted(batch.sequence for batch in kept)


def test_where_clients_take_part_a_rounds_batches_end_with_it_and_nothing_of_them_is_left(path: Path) -> None:
    journal, writer = Journal(path, erasing=True), Journal(path, erasing=True)
    words = bytes(range(1, 250)) * 40
    for number in (1, 2):
        journal.open_round(terms(number), opened=0.0)
        assert writer.keep_batch(number, words, late=False) > 0
        assert any(words[:200] in found.read_bytes() for found in path.parent.iterdir())
        finish(journal, number)
        assert writer.keep_batch(number, words, late=True) == 0
        assert journal.batches(number) == []
        assert journal.scrub()
        assert not any(words[:20] in found.read_bytes() for found in path.parent.iterdir())
    assert journal.terms(1) is None
    assert journal.terms(2) == terms(2)
    assert len(journal.verdicts()) == 2


def test_verdicts_of_long_ago_go_where_clients_take_part(path: Path) -> None:
    journal = Journal(path, erasing=True)
    for number in (1, 2, VERDICTS_KEPT + 1):
        journal.open_round(terms(number), opened=0.0)
        finish(journal, number)
    assert [found["round"] for found in journal.verdicts()] == [2, VERDICTS_KEPT + 1]


def test_members_have_a_home_and_can_be_forgotten(journal: Journal) -> None:
    journal.enrol("door", {"a": bytes(32), "b": bytes(32)})
    journal.enrol("other", {"b": bytes(32)})
    assert journal.homes(["b", "a", "nobody"]) == {"a": "door", "b": "other"}
    assert (journal.home("a"), journal.home("nobody")) == ("door", None)
    journal.open_round(terms(), opened=0.0)
    assert not journal.judged(1, "door")
    finish(journal, 1)
    assert (journal.judged(1, "door"), journal.judged(1, "other"), journal.judged(2, "door")) == (True, False, False)
    journal.forget(["a"])
    assert journal.keys() == {"b": bytes(32)}
    assert journal.verdicts() == []


def test_its_files_are_for_their_owner_only(path: Path) -> None:
    before = os.umask(0o022)
    try:
        with contextlib.closing(Journal(path)) as journal:
            journal.remember({"a": 1})
            found = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert path.name in found
    assert set(found.values()) == {0o600}
