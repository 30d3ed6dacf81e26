"""Keys, canonical bytes, and proofs that convict an agent before anybody who has its public key."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ProofError, SettingError, SwarmError
from federation.identity import (
    EquivocationProof,
    Secret,
    SigningKey,
    Statement,
    commitment,
    framed,
    payload_digests,
    verify,
    verify_all,
)

SECRET = Secret(b"an extremely secret set of bytes")
KEY = SigningKey.of(SECRET)
FIELDS = st.lists(st.text(max_size=6) | st.binary(max_size=6), max_size=4)
STATEMENTS = st.builds(
    Statement,
    run=st.text(max_size=5),
    round=st.integers(0, 2**63 - 1),
    kind=st.text(max_size=5),
    base=st.binary(max_size=33),
)
MESSAGES = st.tuples(STATEMENTS, st.text(max_size=5), st.binary(min_size=32, max_size=32))
CALM = settings(deadline=None, max_examples=200)


def raw(fields: list[str | bytes]) -> list[bytes]:
    return [field.encode() if isinstance(field, str) else field for field in fields]


@CALM
@given(FIELDS, FIELDS)
def test_framing_is_injective(one: list[str | bytes], other: list[str | bytes]) -> None:
    assert (framed(*one) == framed(*other)) == (raw(one) == raw(other))


@CALM
@given(MESSAGES, MESSAGES)
def test_two_different_statements_never_share_their_bytes(one: Any, other: Any) -> None:
    assert (one[0].message(*one[1:]) == other[0].message(*other[1:])) == (one == other)


def test_moving_a_border_between_fields_changes_the_message() -> None:
    statement = Statement(run="ab", round=1, kind="c", base=b"d" * 32)
    moved = replace(statement, run="a", kind="bc")
    assert statement.message("x", bytes(32)) != moved.message("x", bytes(32))
    digests = np.zeros((1, 32), np.uint8)
    assert statement.messages(["x"], digests) == [statement.message("x", bytes(32))]
    assert statement.commitments(["x"], digests) != statement.messages(["x"], digests)


@CALM
@given(st.binary(max_size=64), st.data())
def test_a_signature_verifies_and_any_flipped_bit_breaks_it(message: bytes, data: st.DataObject) -> None:
    signature = KEY.sign(message)
    assert signature == SigningKey.of(SECRET).sign(message)
    assert verify(KEY.public, message, signature)
    parts = [KEY.public, message, signature]
    which = data.draw(st.sampled_from([0, 2] if not message else [0, 1, 2]))
    bit = data.draw(st.integers(0, 8 * len(parts[which]) - 1))
    spoilt = bytearray(parts[which])
    spoilt[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(spoilt)
    assert not verify(*parts)


@pytest.mark.parametrize("size", [0, 63, 65])
def test_malformed_signatures_are_false_and_no_error(size: int) -> None:
    assert not verify(KEY.public, b"m", bytes(size))
    assert not verify(KEY.public[:-1], b"m", KEY.sign(b"m"))
    assert not verify(bytes(32), b"m", bytes(64))


@pytest.mark.parametrize("count", [0, 3, 70])
def test_verifying_many_keeps_the_order(count: int) -> None:
    messages = [bytes([row]) for row in range(count)]
    signatures = [KEY.sign(message if row % 3 else b"other") for row, message in enumerate(messages)]
    found = verify_all([KEY.public] * count, messages, signatures)
    assert found.tolist() == [bool(row % 3) for row in range(count)]


@pytest.mark.parametrize(
    "change",
    [
        lambda codec, rows, weights: ("raw2", rows, weights),
        lambda codec, rows, weights: (codec, rows + np.float32(1), weights),
        lambda codec, rows, weights: (codec, rows, weights + 1),
        lambda codec, rows, weights: (codec, rows.view(np.uint8), weights),
        lambda codec, rows, weights: (codec, np.where(rows == 0, np.float32(-0.0), rows), weights),
    ],
)
def test_a_payload_digest_covers_codec_values_and_weight(change: Any) -> None:
    rows, weights = np.arange(8, dtype=np.float32).reshape(2, 4), np.array([1.0, 2.0])
    plain = payload_digests("raw", rows, weights)
    assert (payload_digests(*change("raw", rows, weights))[0] != plain[0]).any()
    both = payload_digests("raw", np.asfortranarray(rows), weights)
    np.testing.assert_array_equal(both, plain)
    np.testing.assert_array_equal(payload_digests("raw", rows[1:], weights[1:]), plain[1:])


def test_a_commitment_binds_digest_and_nonce() -> None:
    assert commitment("x", b"ab", b"c") != commitment("x", b"a", b"bc")
    assert commitment("x", b"a", b"b") == commitment("x", b"a", b"b") != commitment("y", b"a", b"b")


def showing(value: object) -> list[str]:
    return [
        repr(value),
        str(value),
        f"{value}",
        f"{value!r}",
        f"{[value]}",
        f"{SettingError(name='x', found=value, needed='y')}",
    ]


def test_a_secret_never_shows_itself() -> None:
    revealed = SECRET.reveal()
    for text in (*showing(SECRET), *showing(KEY)):
        assert revealed.decode() not in text
        assert revealed.hex() not in text
        assert repr(revealed)[2:-1] not in text
    with pytest.raises(SettingError) as caught:
        Secret(revealed + b"!")
    assert revealed not in pickle.dumps(caught.value)
    assert revealed not in pickle.dumps(SwarmError("x", found=repr(SECRET)))
    assert revealed.hex() not in str(SettingError(name="key", found=SECRET, needed="z").to_dict())


def test_keys_are_deterministic_and_purposes_do_not_mix() -> None:
    assert SECRET.derive("a", "b").reveal() == SECRET.derive("a", "b").reveal()
    purposes = [("a", "b"), ("a\0b",), ("ab",), ("", "ab"), ("b", "a"), ("a",)]
    assert len({SECRET.derive(*purpose).reveal() for purpose in purposes}) == len(purposes)
    assert SECRET.nonce("a") != SECRET.derive("a").reveal()[:16]
    assert SigningKey.of(SECRET.derive("a")).public == SigningKey.of(Secret(SECRET.reveal()).derive("a")).public


def proof() -> EquivocationProof:
    statement = Statement(run="run", round=4, kind="null", base=b"b" * 32)
    digests = (b"1" * 32, b"2" * 32)
    one, two = (KEY.sign(statement.message("agent", digest)) for digest in digests)
    return EquivocationProof(statement=statement, agent="agent", digests=digests, signatures=(one, two))


def test_a_third_party_verifies_a_proof_with_the_public_key_alone() -> None:
    carried = EquivocationProof.from_dict(proof().to_dict())
    assert carried == proof()
    assert carried.holds(KEY.public)
    assert not carried.holds(SigningKey.of(Secret(bytes(32))).public)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda p: replace(p, agent="other"),
        lambda p: replace(p, digests=(p.digests[0], p.digests[0]), signatures=(p.signatures[0],) * 2),
        lambda p: replace(p, digests=(p.digests[0], b"3" * 32)),
        lambda p: replace(p, signatures=p.signatures[::-1]),
        lambda p: replace(p, signatures=(p.signatures[0], bytes(64))),
        lambda p: replace(p, statement=replace(p.statement, round=5)),
        lambda p: replace(p, statement=replace(p.statement, run="other")),
        lambda p: replace(p, statement=replace(p.statement, kind="other")),
        lambda p: replace(p, statement=replace(p.statement, base=bytes(32))),
    ],
)
def test_a_tampered_proof_does_not_hold(tamper: Any) -> None:
    assert not tamper(proof()).holds(KEY.public)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["digests", "signatures"]), st.integers(0, 1), st.integers(0, 255))
def test_a_proof_with_any_flipped_bit_does_not_hold(name: str, which: int, bit: int) -> None:
    data = proof().to_dict()
    spoilt = bytearray(bytes.fromhex(data[name][which]))
    spoilt[bit // 8] ^= 1 << bit % 8
    data[name][which] = spoilt.hex()
    assert not EquivocationProof.from_dict(data).holds(KEY.public)


@pytest.mark.parametrize("name", list(proof().to_dict()))
@pytest.mark.parametrize("value", [None, "zz", 3, ["00"], [1, 2]])
def test_what_is_no_proof_says_so(name: str, value: object) -> None:
    data = {**proof().to_dict(), name: value}
    readable = name in ("run", "kind", "agent") or (name == "round" and value == 3)
    if readable:
        assert not EquivocationProof.from_dict(data).holds(KEY.public)
        return
    with pytest.raises(ProofError):
        EquivocationProof.from_dict(data)
    del data[name]
    with pytest.raises(ProofError):
        EquivocationProof.from_dict(data)
