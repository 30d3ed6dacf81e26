"""The scrubber: for any input only allowed fields and values come out, real names and payment ids included."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from workloads.patterns import ALLOWED, STANDARD, Domain, PatternType, Scrubber
from workloads.patterns.scrubber import COUNTS, SCORES, role_of

SCRUBBER = Scrubber(salt=b"sixteen or more!")
WORDS = frozenset(
    [*STANDARD.keys, *PatternType, *Domain, *(key.partition("::")[2] for key in STANDARD.keys)]
)  # fmt: skip

names = st.one_of(st.sampled_from([*ALLOWED, "user", "path", "message", "sessionId", "agents"]), st.text(max_size=12))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.binary(max_size=5),
    st.sampled_from(sorted(WORDS)), st.sampled_from(["/home/mia/x.py", "mia.li@example.com", "credit_card_4421486"]),
)  # fmt: skip
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
records = st.dictionaries(names, values, max_size=10)


def check(found: dict[str, Any]) -> None:
    assert set(found) <= set(ALLOWED)
    for name, value in found.items():
        if name in SCORES:
            assert isinstance(value, float)
            assert 0 <= value <= 1
            assert value == round(value, 4)
        elif name in COUNTS:
            assert type(value) is int
            assert 0 <= value <= COUNTS[name]
        else:
            assert type(value) is str
            assert value in WORDS


@settings(deadline=None, max_examples=200)
@given(records)
def test_whatever_goes_in_only_allowed_things_come_out(record: dict[str, Any]) -> None:
    before = repr(record)
    found = SCRUBBER.scrub(record)
    check(found)
    assert repr(record) == before
    assert SCRUBBER.scrub(found) == found


@settings(deadline=None, max_examples=100)
@given(records)
def test_the_last_stage_alone_is_enough(record: dict[str, Any]) -> None:
    check(SCRUBBER.allowed(record))


def test_a_pattern_passes_whole() -> None:
    pattern = {
        "key": "tool::Read", "type": "tool", "category": "Read", "confidence": 0.847, "bestComposite": 0.912,
        "groupMean": 0.634, "sampleSize": 45, "consecutiveSuccesses": 5, "updateCount": 12, "toolName": "Read",
    }  # fmt: skip
    more = {"insight": "Tool Read performs 28% above average", "bestData": {"calls": 120}}
    assert SCRUBBER.scrub({**pattern, **more}) == pattern
    assert SCRUBBER.scrub({**pattern, "key": "tool::Edit"}) == {k: v for k, v in pattern.items() if k != "key"}


def test_each_stage_does_its_own() -> None:
    record = {
        "path": "/home/mia/secret.py",
        "note": "see /home/mia/plan.txt or C:\\Users\\mia\\x and ask mia.li3818@example.com at build7.corp",
        "userName": "mia",
        "sessionId": "abc",
        "message": "Cannot read 'balance' of userAccount in wallet.py line 42",
        "when": "2026-03-15T12:34:56Z",
        "agents": ["React Wizard", "sql-bob", "mia"],
        "payment": "credit_card_4421486",
    }
    found = SCRUBBER.redacted(record)
    assert set(found) == {"note", "sessionId", "message", "when", "agents", "payment"}
    assert not re.search("mia|build7|plan|Users", found["note"])
    assert re.fullmatch("[0-9a-f]{64}", found["sessionId"])
    assert found["sessionId"] == SCRUBBER.redacted({"sessionId": "abc"})["sessionId"]
    assert found["sessionId"] != Scrubber(salt=b"another salt of 16").redacted({"sessionId": "abc"})["sessionId"]
    assert not re.search("balance|userAccount|wallet|42", found["message"])
    assert found["when"] == "2026-03-15"
    assert found["agents"] == ["frontend", "backend", "general"]
    assert found["payment"] == "[removed]"
    assert role_of("SecurityAuditor") == "security"
    assert len(SCRUBBER.stages) == 7


def test_a_short_salt_is_refused_and_none_is_shown() -> None:
    with pytest.raises(SettingError):
        Scrubber(salt=b"short")
    assert "sixteen" not in repr(SCRUBBER)


@pytest.mark.skipif("SWARMLORE_DATA" not in os.environ, reason="needs the trajectories")
def test_nothing_of_real_trajectories_comes_through() -> None:
    lines = (Path(os.environ["SWARMLORE_DATA"]) / "airline_trajectories.jsonl").read_text().splitlines()
    for line in lines:
        run = json.loads(line)
        assert SCRUBBER.scrub({"key": run, "category": run["steps"][0], "confidence": run["steps"][1]}) == {}
        for step in run["steps"]:
            text = step.get("content") or step.get("output") or ""
            assert SCRUBBER.scrub(dict.fromkeys(ALLOWED, text)) == {}
            check(SCRUBBER.scrub({**step.get("arguments", {}), "type": "tool", "category": text}))
            check(SCRUBBER.scrub(step))
            redacted = json.dumps(SCRUBBER.redacted(step))
            assert not re.search(r"[\w.]+@example\.com|(?:credit|gift)_card_\d+|certificate_\d+", redacted)
