"""Documents in bulk: the rows of the long way, bit for bit, and its judgement of everything that is odd."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SwarmError
from federation.workload import Admitted
from workloads.patterns import Domain, KeySpace
from workloads.patterns.admission import admitted
from workloads.patterns.bulk_admission import _plain, admitted_all
from workloads.patterns.rows import columns, dimension

SPACE = KeySpace.of(tools=["Edit", "Read"], errors=["KeyError"], teams=["solo"])
KEYS = len(SPACE.keys)


def weight(key: str, rng: np.random.Generator) -> dict[str, Any]:
    kind, _, category = key.partition("::")
    made: dict[str, Any] = {
        "type": kind,
        "category": category,
        "sampleSize": int(rng.integers(1, 2_000_000) % 999_999) + 1,
    }
    made["confidence"] = round(float(rng.uniform(-1, 1)), 4)
    for name in ("bestComposite", "groupMean", "toolSuccessRate"):
        if rng.random() < 0.7:
            made[name] = round(float(rng.uniform(-1, 1)), 4)
    if rng.random() < 0.5:
        made["avgLatencyBucket"] = str(rng.choice(["fast", "medium", "slow"]))
    if rng.random() < 0.5:
        made["teamSize"] = int(rng.integers(0, 21))
    if rng.random() < 0.3:
        made |= {"domain": "backend", "updateCount": 3, "consecutiveSuccesses": 0}
    return made


def document(rng: np.random.Generator) -> dict[str, Any]:
    chosen = [key for key in SPACE.keys if rng.random() < 0.6]
    return {
        "clientId": "ab" * 32,
        "schemaVersion": "1.0",
        "baseVersion": "1.0.3",
        "round": 4,
        "nonce": "0f" * 16,
        "timestamp": "2026-11-21",
        "totalExperiences": int(rng.integers(0, 3)) * 50,
        "weights": {key: weight(key, rng) for key in chosen},
        "signature": "ed25519:" + "A" * 86,
    }


def release(rng: np.random.Generator) -> Any:
    row = np.zeros(dimension(KEYS), np.float32)
    parts = columns(row, KEYS)
    parts.contributors[:] = rng.integers(0, 9, KEYS)
    parts.values[:] = rng.random((KEYS, 6))
    return row


def the_long_way(one: bytes, base: Any, current: Any) -> Admitted | SwarmError:
    try:
        return admitted(one, base=base, current=current, space=SPACE, round_number=9)
    except SwarmError as error:
        return error


def compared(documents: list[bytes], bases: list[Any], current: Any) -> Any:
    """The bulk's rows, after each was held against the long way's."""
    found = admitted_all(documents, bases=bases, current=current, space=SPACE, round_number=9)
    for place, (one, base) in enumerate(zip(documents, bases, strict=True)):
        expected = the_long_way(one, base, current)
        if isinstance(expected, SwarmError):
            assert str(found.faults[place]) == str(expected)
            assert not found.rows[place].any()
            assert found.weights[place] == 0
            continue
        assert place not in found.faults
        assert found.rows[place].tobytes() == expected.row.tobytes()
        told = (found.weights[place], found.known[place], found.unknown[place])
        assert told == (expected.weight, expected.known, expected.unknown)
    return found


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 100_000), m=st.integers(0, 8))
def test_rows_are_those_of_the_long_way_bit_for_bit(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    releases = [release(rng) for _ in range(3)]
    documents = [json.dumps(document(rng)).encode() for _ in range(m)]
    found = compared(documents, [releases[int(rng.integers(3))] for _ in range(m)], releases[2])
    assert not found.faults


ODD: list[Any] = [
    lambda d: d | {"weights": {"tool::Mystery": d["weights"]["tool::Read"] | {"category": "Mystery"}}},
    lambda d: d | {"weights": {"tool::Edit": d["weights"]["tool::Read"]}},
    lambda d: d | {"weights": {}},
    lambda d: d | {"total_experiences": 3},
    lambda d: d | {"nonce": "0F" * 16},
    lambda d: d | {"nonce": "0f" * 16 + "\n"},
    lambda d: d | {"surprise": 1},
    lambda d: d | {"baseVersion": None},
    lambda d: d | {"round": -1},
    lambda d: d | {"round": 4.0},
    lambda d: d | {"timestamp": "2026-02-30"},
    lambda d: d | {"timestamp": "2026-11-21T00:00:00Z"},
    lambda d: d | {"signature": "none"},
    *(
        lambda d, change=change: d | {"weights": {"tool::Read": d["weights"]["tool::Read"] | change}}
        for change in (
            {"confidence": 1.0001},
            {"confidence": 1},
            {"confidence": True},
            {"confidence": "0.5"},
            {"confidence": None},
            {"bestComposite": None},
            {"sampleSize": 0},
            {"sampleSize": 3.0},
            {"sampleSize": 3.5},
            {"avgLatencyBucket": "swift"},
            {"avgLatencyBucket": ""},
            {"teamSize": -1},
            {"teamSize": 0.5},
            {"teamSize": 21},
            {"domain": "kitchen"},
            {"type": "weather"},
            {"note": "x"},
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_is_judged_as_the_long_way_judges_it(odd: Any) -> None:
    rng = np.random.default_rng(1)
    base = release(rng)
    plain = document(rng) | {"weights": {"tool::Read": weight("tool::Read", rng)}}
    documents = [json.dumps(one).encode() for one in (plain, odd(plain), plain)]
    found = compared(documents, [base] * 3, base)
    assert {0, 2}.isdisjoint(found.faults)


def test_bytes_that_are_no_document_are_faults_of_their_own() -> None:
    base = release(np.random.default_rng(2))
    plain = json.dumps(document(np.random.default_rng(3))).encode()
    found = compared([b"", b"\xff\xfe", b"[" * 5000, b"[1]", plain, plain[:-1]], [base] * 6, base)
    assert sorted(found.faults) == [0, 1, 2, 3, 5]


def test_the_words_are_the_schema_s() -> None:
    rng = np.random.default_rng(4)
    base = release(rng)
    for key in SPACE.keys:
        for domain in Domain:
            one = document(rng) | {"weights": {key: weight(key, rng) | {"domain": domain.value}}}
            assert _plain(json.dumps(one).encode(), SPACE) is not None  # or all would go the long way, and be slow
            compared([json.dumps(one).encode()], [base], base)
