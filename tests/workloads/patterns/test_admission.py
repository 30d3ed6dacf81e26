"""Deltas from outside, as updates: whatever release a client has, its row is its distance to the newest one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ArtefactError, SwarmError
from federation.workload import Admitting
from workloads.patterns import KeySpace, PatternsWorkload
from workloads.patterns.rows import MOST_SAMPLES, columns

SPACE = KeySpace.of(tools=["Edit", "Read"])
WORKLOAD = PatternsWorkload(space=SPACE)
KEYS = len(SPACE.keys)
PLACE = SPACE.places["tool::Read"]
NONE = WORKLOAD.genesis(0)


def document(*, experiences: int = 40, keys: tuple[str, ...] = ("tool::Read",), **scores: Any) -> bytes:
    weights = {
        key: {"type": key.partition("::")[0], "category": key.partition("::")[2], "sampleSize": 20, **scores}
        for key in keys
    }
    return json.dumps(
        {
            "clientId": "a" * 64,
            "schemaVersion": "1.0",
            "round": 3,
            "nonce": "0" * 32,
            "timestamp": "2026-01-01",
            "totalExperiences": experiences,
            "weights": weights,
        }
    ).encode()


def holding(value: float) -> np.ndarray:
    row = NONE.copy()
    parts = columns(row, KEYS)
    parts.contributors[PLACE], parts.values[PLACE] = 12, value
    return row


def values(found: Any) -> np.ndarray:
    return columns(found.row, KEYS).values[PLACE]


SHARE = st.integers(0, 100).map(lambda percent: percent / 100)


@settings(max_examples=30, deadline=None)
@given(own=SHARE, base=SHARE, current=SHARE)
def test_what_a_client_holds_is_all_that_counts(own: float, base: float, current: float) -> None:
    changed = document(
        confidence=own - base, bestComposite=own - base, groupMean=own - base, toolSuccessRate=own - base
    )
    found = WORKLOAD.admitted(changed, base=holding(base), current=holding(current), round_number=1)
    assert values(found)[:4] == pytest.approx(own - current, abs=1e-6)


def test_a_change_that_cannot_be_is_clipped() -> None:
    found = WORKLOAD.admitted(document(confidence=1.0), base=holding(0.9), current=holding(0.0), round_number=1)
    assert values(found)[0] == 1.0
    found = WORKLOAD.admitted(document(confidence=-1.0), base=holding(0.0), current=holding(0.9), round_number=1)
    assert values(found)[0] == -1.0


def test_keys_that_the_document_does_not_name_stay_as_they_are() -> None:
    found = WORKLOAD.admitted(document(confidence=0.5), base=holding(0.2), current=holding(0.7), round_number=1)
    parts = columns(found.row, KEYS)
    assert parts.contributors.tolist() == [float(place == PLACE) for place in range(KEYS)]
    assert parts.samples[PLACE] == np.float32(20 / MOST_SAMPLES)
    assert not np.delete(parts.values, PLACE, axis=0).any()
    assert (found.known, found.unknown, found.weight) == (1, 0, 40.0)


def test_unknown_keys_are_counted_and_the_total_may_be_left_out() -> None:
    keys = ("tool::Read", "tool::Private", "team::Nobody")
    found = WORKLOAD.admitted(
        document(keys=keys, experiences=0, confidence=0.1), base=NONE, current=NONE, round_number=1
    )
    assert (found.known, found.unknown, found.weight) == (1, 2, 20.0)


def test_rows_of_two_rounds_differ_and_alias_nothing() -> None:
    base = holding(0.5)
    before = base.copy()
    made = [WORKLOAD.admitted(document(confidence=0.1), base=base, current=base, round_number=n).row for n in (1, 2, 1)]
    assert np.array_equal(made[0], made[2])
    assert not np.array_equal(made[0], made[1])
    assert np.array_equal(base, before)


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        document(confidence=1.5),
        document(keys=("tool::no word",), confidence=0.1),
        b"[" * 9999,
    ],
)
def test_anything_else_is_refused_without_a_word_of_it(found: bytes) -> None:
    with pytest.raises(SwarmError) as caught:
        WORKLOAD.admitted(found, base=NONE, current=NONE, round_number=1)
    assert "no word" not in str(caught.value)


def test_an_artefact_of_an_earlier_minor_version_is_read() -> None:
    later = PatternsWorkload(space=SPACE.extended(["tool::Grep"]))
    moved = columns(later.unpack(WORKLOAD.pack(holding(0.5))), KEYS + 1)
    assert moved.values[PLACE] == pytest.approx(0.5)
    assert not moved.values[KEYS].any()
    assert isinstance(later, Admitting)
    with pytest.raises(ArtefactError):
        WORKLOAD.unpack(later.pack(later.genesis(0)))
    other = PatternsWorkload(space=KeySpace(version="1.1", keys=tuple(reversed(SPACE.keys))))
    with pytest.raises(ArtefactError):
        other.unpack(WORKLOAD.pack(NONE))
