"""Batches across the wire: whole and consistent, or refused with one error."""

from __future__ import annotations

import json
import struct
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import BatchError
from federation.identity import Statement
from federation.update import CommitBatch, UpdateBatch, checked_batch, checked_commitments


def same(one: UpdateBatch, other: UpdateBatch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(UpdateBatch)]
    return all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes() if isinstance(a, np.ndarray) else a == b for a, b in pairs
    )


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text(max_size=5), max_size=3),
    st.text(max_size=5),
    st.integers(0, 2**63 - 1),
    st.booleans(),
    st.sampled_from([np.float32, np.uint8]),
)
def test_a_batch_crosses_the_wire_whole(agents: list[str], word: str, number: int, sealed: bool, kind: Any) -> None:
    k = len(agents)
    rng = np.random.default_rng(number)
    batch = UpdateBatch(
        host=word,
        statement=Statement(run=word, round=number, kind=word, base=word.encode()),
        codec=word,
        agents=tuple(agents),
        payload=rng.integers(0, 200, (k, 5)).astype(kind),
        weights=rng.choice([1.0, np.nan, -np.inf], k),
        digests=rng.integers(0, 256, (k, 32), np.uint8),
        signatures=rng.integers(0, 256, (k, 64), np.uint8),
        losses=rng.choice([1.0, np.nan], k),
        nonces=rng.integers(0, 256, (k, 16), np.uint8) if sealed else None,
    )
    assert same(UpdateBatch.from_wire(batch.to_wire()), batch)


def test_surrogates_and_chosen_rows_cross_too(fleet: Any) -> None:
    batch = replace(fleet.batch("abc"), agents=("a", "\ud800", "c"), host="\udfff")
    assert same(UpdateBatch.from_wire(batch.to_wire()), batch)
    chosen = batch.rows([2, 0])
    assert chosen.agents == ("c", "a")
    assert not np.shares_memory(chosen.payload, batch.payload)
    np.testing.assert_array_equal(chosen.digests, batch.digests[[2, 0]])


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_bytes_are_refused_or_another_consistent_batch(fleet: Any, data: st.DataObject) -> None:
    wire = bytearray(fleet.batch("ab").to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(wire) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "drop"])):
            case "flip":
                wire[where] = data.draw(st.integers(0, 255))
            case "cut":
                del wire[where + 1 :]
            case "insert":
                wire[where:where] = data.draw(st.binary(max_size=9))
            case _:
                del wire[where : where + data.draw(st.integers(1, 9))]
        wire = wire or bytearray(b"\0")
    try:
        batch = UpdateBatch.from_wire(bytes(wire))
    except BatchError:
        return
    assert checked_batch(batch) is batch


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(noise: bytes) -> None:
    with pytest.raises(BatchError):
        UpdateBatch.from_wire(noise)


def with_header(wire: bytes, change: Any) -> bytes:
    length = int.from_bytes(wire[:8], "little")
    header = json.loads(wire[8 : 8 + length])
    rest = change(json.loads(header["__metadata__"]["batch"]))
    header["__metadata__"]["batch"] = rest if isinstance(rest, str) else json.dumps(rest)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + wire[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda rest: {**rest, "form": 2},
        lambda rest: {**rest, "agents": ["a"]},
        lambda rest: {**rest, "agents": [1, 2]},
        lambda rest: {**rest, "agents": None},
        lambda rest: {**rest, "round": "3"},
        lambda rest: {**rest, "round": -1},
        lambda rest: {**rest, "round": True},
        lambda rest: {**rest, "round": 2**63},
        lambda rest: {**rest, "round": 3.0},
        lambda rest: {**rest, "base": "zz"},
        lambda rest: {**rest, "run": None},
        lambda rest: {**rest, "kind": ["null"]},
        lambda rest: {**rest, "host": 1},
        lambda rest: {**rest, "codec": {}},
        lambda rest: {name: value for name, value in rest.items() if name != "run"},
        lambda rest: [],
        lambda rest: "not json",
        lambda rest: "[" * 100_000,
    ],
)
def test_a_header_that_does_not_fit_is_refused(fleet: Any, change: Any) -> None:
    wire = fleet.batch("ab").to_wire()
    assert len(UpdateBatch.from_wire(with_header(wire, lambda rest: rest))) == 2
    with pytest.raises(BatchError):
        UpdateBatch.from_wire(with_header(wire, change))


@pytest.mark.parametrize(
    "changes",
    [
        {"agents": ["a", "b"]},
        {"agents": ("a", 2)},
        {"agents": ("a",)},
        {"statement": None},
        {"statement": Statement(run="r", round=np.int64(1), kind="k", base=b"")},  # type: ignore[arg-type]
        {"statement": Statement(run=np.zeros(2), round=1, kind="k", base=b"")},  # type: ignore[arg-type]
        {"host": None},
        {"codec": b"raw"},
        {"payload": [[1.0]]},
        {"payload": np.zeros((2, 4))},
        {"payload": np.zeros((2, 4), ">f4")},
        {"payload": np.zeros((2, 4), object)},
        {"payload": np.zeros(2, np.float32)},
        {"payload": np.zeros((3, 4), np.float32)},
        {"weights": np.ones(2, np.float32)},
        {"weights": np.ones((2, 1))},
        {"weights": None},
        {"losses": np.ones(3)},
        {"digests": np.zeros((2, 31), np.uint8)},
        {"digests": np.zeros((2, 32), np.int8)},
        {"signatures": np.zeros((1, 64), np.uint8)},
        {"nonces": np.zeros((2, 15), np.uint8)},
        {"nonces": b"nonces"},
    ],
)
def test_a_batch_of_wrong_types_is_refused(fleet: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(BatchError):
        checked_batch(replace(fleet.batch("ab"), **changes))


@pytest.mark.parametrize("found", [None, b"", 7, {"agents": ()}, object(), np.zeros(3), UpdateBatch])
def test_what_is_no_batch_is_refused(found: object) -> None:
    with pytest.raises(BatchError):
        checked_batch(found)
    with pytest.raises(BatchError):
        checked_commitments(found)


@pytest.mark.parametrize(
    "changes",
    [{"agents": ("a", None)}, {"commitments": np.zeros((2, 31), np.uint8)}, {"signatures": None}, {"statement": 1}],
)
def test_commitments_of_wrong_types_are_refused(fleet: Any, changes: dict[str, Any]) -> None:
    good = fleet.sign_commitments("ab", np.zeros((2, 32), np.uint8), fleet.terms())
    assert checked_commitments(good) is good
    with pytest.raises(BatchError):
        checked_commitments(replace(good, **changes))
    assert isinstance(good, CommitBatch)
