"""Releases stay as they are; a rollout is changed by one at a time; reports, facts, appeals and the audit are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from actors.storage import (
    DAY_S,
    Appeal,
    AuditEntry,
    ReleaseRecord,
    Storage,
    StoredReleaseError,
    UnknownReleaseError,
    day_of,
)
from federation.errors import SettingError
from federation.rollout import Rollout

NOW = 1_760_000_000.0


def _release(number: int, **fields: object) -> ReleaseRecord:
    known: dict[str, object] = {
        "version": f"1.0.{number}",
        "number": number,
        "window": number,
        "parent": f"1.0.{number - 1}" if number else None,
        "created_at": NOW + number,
        "checksum": f"sha256:{number}",
        "participants": 12,
        "patterns": 128,
        "epsilon": 0.98,
        "row": bytes([number]) * 3,
        "facts": {"schema": "1.0", "bytes": 3},
    }
    return ReleaseRecord(**known | fields)  # pyright: ignore[reportArgumentType]


def test_releases_are_found_by_version_and_by_number(storage: Storage) -> None:
    assert storage.releases.latest() is None
    for number in (0, 1, 10, 9):
        storage.releases.add(_release(number))
    assert storage.releases.get("1.0.9") == _release(9)
    assert storage.releases.by_number(1) == _release(1)
    assert storage.releases.latest() == _release(10)
    assert storage.releases.get("1.0.2") is storage.releases.by_number(2) is None


def test_lists_go_from_the_newest_down_and_hold_no_rows(storage: Storage) -> None:
    for number in range(5):
        storage.releases.add(_release(number))
    assert storage.releases.list(2) == [replace(_release(number), row=b"") for number in (4, 3)]
    assert [record.number for record in storage.releases.list(2, below=3)] == [2, 1]


def test_a_release_never_changes_but_in_its_state(storage: Storage) -> None:
    storage.releases.add(_release(1))
    storage.releases.add(_release(1))
    for other in (_release(1, row=b"other"), _release(1, version="2.0.0"), _release(2, version="1.0.1")):
        with pytest.raises(StoredReleaseError):
            storage.releases.add(other)
    assert storage.releases.list() == [replace(_release(1), row=b"")]
    assert storage.releases.set_state("1.0.1", "withdrawn")
    assert not storage.releases.set_state("1.0.2", "withdrawn")
    assert storage.releases.get("1.0.1") == _release(1, state="withdrawn")


def test_the_rollout_that_was_begun_last_is_the_current_one(storage: Storage) -> None:
    assert storage.rollouts.get() is None
    old = Rollout(version="1.0.1", parent="1.0.0", entered_at=NOW)
    new = Rollout(version="1.0.2", parent="1.0.1", entered_at=NOW + 1)
    for rollout in (old, new, replace(old, stage="full")):
        storage.rollouts.put(rollout)
    assert storage.rollouts.get() == new
    assert storage.rollouts.get("1.0.1") == replace(old, stage="full")
    assert [rollout.version for rollout in storage.rollouts.list()] == ["1.0.2", "1.0.1"]


def test_an_approval_is_never_lost_between_reading_and_writing(storage: Storage) -> None:
    storage.rollouts.put(Rollout(version="1.0.1", parent="1.0.0", entered_at=0.0))

    def later(rollout: Rollout) -> Rollout:
        return replace(rollout, entered_at=rollout.entered_at + 1)

    with ThreadPoolExecutor(4) as pool:
        steps = [pool.submit(storage.rollouts.change, "1.0.1", later) for _ in range(20)]
        approval = pool.submit(storage.rollouts.approve, "1.0.1", "olga", NOW)
        for future in [*steps, approval]:
            future.result()
    found = storage.rollouts.get()
    assert found is not None
    assert (found.entered_at, found.approved_by, found.approved_at) == (20.0, "olga", NOW)


def test_what_cannot_be_approved_is_not(storage: Storage) -> None:
    with pytest.raises(UnknownReleaseError):
        storage.rollouts.approve("1.0.1", "olga", NOW)
    whole = Rollout(version="1.0.1", parent="1.0.0", entered_at=0.0, stage="full")
    storage.rollouts.put(whole)
    with pytest.raises(SettingError):
        storage.rollouts.approve("1.0.1", "olga", NOW)
    assert storage.rollouts.get() == whole


def test_reports_are_one_a_day_and_summed(storage: Storage) -> None:
    day = day_of(NOW)
    storage.reports.add("b", "1.0.1", day, 100, 50)
    storage.reports.add("b", "1.0.1", day, 100, 5)
    storage.reports.add("b", "1.0.1", day + 1, 20, 2)
    storage.reports.add("a", "1.0.1", day, 2**53 - 1, 0)
    storage.reports.add("a", "1.0.2", day, 1, 1)
    assert storage.reports.figures("1.0.1") == {"a": (2**53 - 1, 0), "b": (120, 7)}
    assert list(storage.reports.figures("1.0.1", most=1)) == ["a"]
    assert storage.reports.figures("1.0.3") == {}
    assert storage.reports.drop(NOW + DAY_S) == 3
    assert storage.reports.figures("1.0.1") == {"b": (20, 2)}
    for calls, errors in ((1, 2), (-1, -1), (2**53, 0)):
        with pytest.raises(SettingError):
            storage.reports.add("a", "1.0.1", day, calls, errors)


def test_the_audit_keeps_actions_in_order(storage: Storage) -> None:
    storage.audit.add("register", client="c1", code="ok", now=NOW)
    storage.audit.add("approve", operator="olga", code="ok", now=NOW + 1)
    storage.audit.add_many([("submit", "c1", "", "RATE_LIMITED"), ("round", "", "", "ok")], now=NOW + 2)
    found = storage.audit.list()
    assert [(entry.action, entry.actor, entry.name, entry.code) for entry in found] == [
        ("round", "clerk", "", "ok"),
        ("submit", "client", "c1", "RATE_LIMITED"),
        ("approve", "operator", "olga", "ok"),
        ("register", "client", "c1", "ok"),
    ]
    assert isinstance(found[0], AuditEntry)
    assert [entry.action for entry in storage.audit.list(name="c1")] == ["submit", "register"]
    assert [entry.action for entry in storage.audit.list(action="approve")] == ["approve"]
    assert [entry.action for entry in storage.audit.list(limit=1, below=found[0].sequence)] == ["submit"]
    assert storage.audit.drop(NOW + 2) == 2
    assert len(storage.audit.list()) == 2


def test_facts_are_json_values(storage: Storage) -> None:
    storage.facts.put_many({"window": 7, "paused": {"code": "privacy.budget"}, "list": [1, None, 2.5]})
    assert storage.facts.get("paused") == {"code": "privacy.budget"}
    assert storage.facts.all() == {"list": [1, None, 2.5], "paused": {"code": "privacy.budget"}, "window": 7}
    storage.facts.put("window", None)
    assert storage.facts.get("window", 1) == 1
    with pytest.raises(TypeError):
        storage.facts.put_many({"a": 1, "z": object()})
    assert storage.facts.get("a") is None


def test_the_appeal_that_waits_longest_comes_first(storage: Storage) -> None:
    for client, at in (("b", 2.0), ("a", 3.0), ("b", 4.0), ("c", 1.0)):
        storage.appeals.add(Appeal(client=client, at=at, statement=f"{client} {at}"))
    assert [appeal.statement for appeal in storage.appeals.list()] == ["c 1.0", "a 3.0", "b 4.0"]
    assert storage.appeals.close("a")
    assert not storage.appeals.close("a")
    with pytest.raises(SettingError):
        Appeal(client="a", at=0.0, statement="x" * 1_001)
